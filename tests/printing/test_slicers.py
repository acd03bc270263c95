"""Independent programs take what surgplan writes: PrusaSlicer slices it, admesh finds no fault."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.program import surgplan

FAULTS = ("Degenerate facets", "Edges fixed", "Facets removed", "Facets added", "Facets reversed", "Backwards edges")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slicers")
    assert surgplan("example", "skull", "--size", "small", "-o", folder / "skull").code == 0
    ended = surgplan("run", folder / "skull" / "case.toml", "-o", folder / "case")
    assert ended.code == 0, ended.err
    return folder / "case"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def told(text: str, key: str) -> float:
    match = re.search(rf"{key}\s*[=:]\s*([-+0-9.e]+)", text)
    assert match, text
    return float(match[1])


def test_admesh_finds_no_fault_in_the_stl(case: Path) -> None:
    admesh = program("admesh")
    for path in sorted((case / "print").glob("*.stl")):
        done = subprocess.run([admesh, str(path)], capture_output=True, text=True, check=True)
        for fault in (
            "Degenerate facets",
            "Edges fixed",
            "Facets removed",
            "Facets added",
            "Facets reversed",
            "Backwards edges",
        ):
            assert told(done.stdout, fault) == 0, f"{path.name}: {fault}"
        assert re.search(r"Total disconnected facets\s*:\s*0\s+0", done.stdout), done.stdout
        assert told(done.stdout, "Volume") > 0


def test_prusaslicer_states_the_same_sizes(case: Path) -> None:
    prusa = program("prusa-slicer")
    path = case / "print" / "skull-example.3mf"
    done = subprocess.run([prusa, "--info", str(path)], capture_output=True, text=True, check=True)
    assert set(re.findall(r"manifold = (\w+)", done.stdout)) == {"yes"}
    from surgplan.formats.threemf import read_threemf

    plate, _ = read_threemf(path)
    sizes = [float(size) for size in re.findall(r"size_[xyz] = ([0-9.]+)", done.stdout)]
    meant = [length for each in plate.objects for length in (each.bounds[1] - each.bounds[0])]
    assert sizes == pytest.approx(meant, abs=0.01)


@pytest.mark.parametrize("name", ["skull-example.3mf", pytest.param("skull.stl", marks=pytest.mark.slow)])
def test_prusaslicer_slices_it_without_a_repair(case: Path, tmp_path: Path, name: str) -> None:
    prusa = program("prusa-slicer")
    target = tmp_path / "out.gcode"
    words = [prusa, "--export-gcode", "--layer-height", "0.3", "-o", str(target), str(case / "print" / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert target.stat().st_size > 100_000
    assert not re.search(r"repair|error|not manifold", done.stdout + done.stderr, re.IGNORECASE)
