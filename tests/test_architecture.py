"""The house rules that a program can check: imports point downward, heavy libraries stay out of the way."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "surgplan"

FLOORS = (
    *("errors", "findings", "params", "model", "formats", "ingest", "segment", "surface", "printing", "navigation"),
    *("report", "privacy", "case", "examples", "cli"),
)
"""From the ground up: each may import only from itself and from those before it."""

HEAVY = {"SimpleITK", "vtk", "vtkmodules", "trimesh", "scipy", "pydicom", "manifold3d", "open3d", "PIL", "jinja2"}
HEAVY |= {"pymeshfix", "lxml", "onnxruntime", "onnx"}

MODULES = sorted(SOURCE.rglob("*.py"))
CHILDREN = {"codec_child.py", "h5_child.py", "render_child.py", "meshfix_child.py"}
"""Modules that run as processes of their own."""


def floor(path: Path) -> int:
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    return FLOORS.index(part) if part in FLOORS else (0 if part == "__init__" else len(FLOORS))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downward(path: Path) -> None:
    for name in imports(ast.parse(path.read_text("utf-8"))):
        parts = name.split(".")
        if parts[0] == "surgplan" and len(parts) > 1:
            above = parts[1] not in FLOORS or FLOORS.index(parts[1]) > floor(path)
            assert not above, f"{path.relative_to(SOURCE)} imports {name}, which lies above it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    if path.name in CHILDREN:
        return
    for node in ast.parse(path.read_text("utf-8")).body:
        names = set(imports(node)) if isinstance(node, ast.Import | ast.ImportFrom) else set()
        assert not {name.split(".")[0] for name in names} & HEAVY, f"{path.name} imports {names} at its top"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400, "this module wants to be two"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= 75, f"{node.name} has {length} lines"


def test_stages_open_no_files_and_know_no_command_line() -> None:
    stages = ("segment", "surface", "printing", "navigation", "ingest")
    for path in MODULES:
        if path.relative_to(SOURCE).parts[0] in stages:
            names = set(imports(ast.parse(path.read_text("utf-8"))))
            assert not {name for name in names if name.startswith(("click", "surgplan.cli", "surgplan.case"))}, path


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from surgplan.cli.main import run; run(['--help']);"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ast.literal_eval(done.stderr.strip().splitlines()[-1]))
    assert not loaded & (HEAVY | {"numpy", "pydantic"})


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_path_of_a_machine_and_no_registry_is_in_the_project() -> None:
    banned = re.compile(
        r"/(home|root|work)/\w|pypi\.org|registry\.npm|files\.pythonhosted|deb\.debian\.org", re.IGNORECASE
    )
    for path in tracked():
        if path.suffix in (".png",) or path == Path(__file__) or not path.is_file():
            continue
        found = banned.search(path.read_text("utf-8", "replace"))
        assert not found, f"{path.relative_to(ROOT)} names {found[0] if found else ''}"


def test_no_scan_is_in_the_project() -> None:
    pixels = {".dcm", ".nii", ".gz", ".nrrd", ".mha", ".stl", ".ply", ".3mf"}
    assert not [path for path in tracked() if path.suffix in pixels]
