"""Independent programs take what surgplan writes: PrusaSlicer slices it, admesh finds no fault."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.formats.meshes import read_mesh, write_mesh
from surgplan.formats.threemf import read_threemf
from surgplan.printing.apart import gaps
from tests.printing.shapes import body, box, joined
from tests.program import surgplan

FAULTS = ("Degenerate facets", "Edges fixed", "Facets removed", "Facets added", "Facets reversed", "Backwards edges")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("slicers")
    assert surgplan("example", "skull", "--size", "small", "-o", folder / "skull").code == 0
    words = ("run", folder / "skull" / "case.toml", "-o", folder / "case", "--set", "report.pictures=false")
    ended = surgplan(*words)
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skull-example.3mf", "skull.stl"])
def test_prusaslicer_slices_it_without_a_repair(case: Path, tmp_path: Path, name: str) -> None:
    prusa = program("prusa-slicer")
    target = tmp_path / "out.gcode"
    words = [prusa, "--export-gcode", "--layer-height", "0.3", "-o", str(target), str(case / "print" / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert target.stat().st_size > 100_000
    assert not re.search(r"repair|error|not manifold", done.stdout + done.stderr, re.IGNORECASE)


@pytest.mark.slow
def test_two_cases_share_a_powder_bed_each_as_one(case: Path, tmp_path: Path) -> None:
    words = ("print", case, case, "-o", tmp_path / "tray.3mf", "--printer", "mjf", "--json")
    ended = surgplan(*words)
    assert ended.code == 0, ended.err
    plate, _ = read_threemf(tmp_path / "tray.3mf")
    assert [each.name for each in plate.assemblies] == ["skull-example 1", "skull-example 2"]
    assert [[body.label.name for body in each.objects] for each in plate.assemblies] == [
        ["skull-example skull", "skull-example tumour"],
        ["skull-example skull-2", "skull-example tumour-2"],
    ]
    assert not list(gaps(plate, 5.0 - 1e-3))
    scopes = [each["scope"] for each in ended.json["placings"]]
    assert scopes == ["skull-example 1", "skull-example 2"]


EXAMPLES = ("skull", "femur", "vessel")


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    assert surgplan("example", request.param, "--size", "small", "-o", folder / "x").code == 0
    ended = surgplan("run", folder / "x" / "case.toml", "-o", folder / "case", "--set", "report.pictures=false")
    assert ended.code == 0, ended.err
    return folder / "case"


def models(case: Path) -> list[Path]:
    return sorted(path for path in (case / "print").iterdir() if path.suffix in (".3mf", ".stl"))


@pytest.mark.slow
def test_prusaslicer_slices_every_example(example: Path, tmp_path: Path) -> None:
    prusa = program("prusa-slicer")
    for path in models(example):
        target = tmp_path / f"{path.name}.gcode"
        words = [prusa, "--export-gcode", "--layer-height", "0.3", "--support-material", "-o", str(target), str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, path.name + done.stdout + done.stderr
        assert not re.search(r"repair|error|not manifold|out of bounds", done.stdout + done.stderr, re.IGNORECASE)
        text = target.read_text("utf-8", "replace")
        assert text.count(";LAYER_CHANGE") > 10


@pytest.mark.slow
def test_curaengine_slices_every_example_in_the_right_size(example: Path, tmp_path: Path) -> None:
    for path in models(example):
        if path.suffix == ".stl":  # the engine itself reads no 3MF
            low, high = extruded(path, tmp_path)
            size = np.ptp(read_mesh(path)[0].bounds, axis=0)
            assert high[:2] - low[:2] + LINE == pytest.approx(size[:2], abs=0.5), path.name
            assert high[2] == pytest.approx(size[2], abs=0.4), path.name


def test_curaengine_slices_a_nested_part_in_the_right_size(tmp_path: Path) -> None:
    path = tmp_path / "angle.stl"
    write_mesh(path, body(joined(box((0, 0, 0), (30, 9, 9)), box((0, 0, 0), (9, 20, 9))), "angle"))
    low, high = extruded(path, tmp_path)
    assert high - low + [LINE, LINE, 0] == pytest.approx([30, 20, 8.8], abs=0.3)


LINE = 0.4
"""Width of a line: its middle is what the program moves along."""


def extruded(path: Path, folder: Path) -> np.ndarray:
    """(2, 3) the lowest and highest places at which CuraEngine lays down material."""
    engine, machine = program("CuraEngine"), cura_machine()
    target = folder / "cura.gcode"
    settings = ("adhesion_type=none", "layer_height=0.2", "layer_height_0=0.2", "center_object=true")
    sets = [word for each in settings for word in ("-s", each)]
    words = [engine, "slice", "-j", str(machine), *sets, "-l", str(path), "-o", str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("[WARNING]", "[ERROR]"))]
    told = "\n".join(line for line in lines if " -s " not in line)  # that one lists all settings
    assert done.returncode == 0, told
    assert not re.search(r"manifold|overlap|closed|repair", told, re.IGNORECASE), told
    at, places, before = {"X": 0.0, "Y": 0.0, "Z": 0.0}, [], 0.0
    printing = False
    for line in target.read_text("utf-8").splitlines():
        printing = printing or line.startswith(";LAYER:0")
        if line.startswith("G92 E0"):
            before = 0.0
        if not line.startswith(("G0 ", "G1 ")):
            continue
        moved = dict(re.findall(r"([XYZE])(-?[0-9.]+)", line))
        start = tuple(at.values())
        at |= {axis: float(value) for axis, value in moved.items() if axis in at}
        if printing and float(moved.get("E", before)) > before and {"X", "Y"} & set(moved):
            places += [start, tuple(at.values())]
        before = float(moved.get("E", before))
    return np.array([np.min(places, axis=0), np.max(places, axis=0)])


def cura_machine() -> Path:
    """Cura's definition of a printer, which the engine's own package lacks; `scripts/setup.sh test` fetches it."""
    places = (Path(sys.prefix) / "share" / "cura", Path("/usr/share/cura"))
    found = [place / "resources" / "definitions" / "fdmprinter.def.json" for place in places]
    there = [path for path in found if path.is_file()]
    if not there:
        pytest.skip("no definition of a printer for CuraEngine is there")
    return there[0]


def test_a_nested_plate_keeps_copies_colours_and_sizes(tmp_path: Path) -> None:
    """The consortium's library and PrusaSlicer agree on what stands on the plate."""
    lib3mf = pytest.importorskip("lib3mf")
    prusa = program("prusa-slicer")
    write_mesh(tmp_path / "a.ply", body(box((0, 0, 0), (30, 20, 10)), "a"))
    write_mesh(tmp_path / "b.ply", body(trimesh.creation.icosphere(2, 8), "b"))
    words = (
        "print",
        tmp_path / "a.ply",
        tmp_path / "b.ply",
        "-o",
        tmp_path / "p.3mf",
        "--arrange",
        "apart",
        "--copies",
        2,
    )
    assert surgplan(*words).code == 0
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(tmp_path / "p.3mf"))
    assert reader.GetWarningCount() == 0
    assert model.HasPackageThumbnailAttachment()
    assert model.GetBuildItems().Count() == 4
    assert model.GetMeshObjects().Count() == 2
    box_found = model.GetOutbox()
    low, high = np.array(box_found.MinCoordinate), np.array(box_found.MaxCoordinate)
    plate, _ = read_threemf(tmp_path / "p.3mf")
    assert [low, high] == [pytest.approx(end, abs=1e-3) for end in plate.bounds]
    assert low[2] == pytest.approx(0, abs=1e-4)
    assert [[len(each.places), each.name] for each in plate.assemblies] == [[2, "a"], [2, "b"]]
    told = subprocess.run([prusa, "--info", str(tmp_path / "p.3mf")], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"manifold = (\w+)", told)) == {"yes"}
    sizes = [float(size) for size in re.findall(r"size_[xyz] = ([0-9.]+)", told)]
    assert sorted(sizes[:3]) == pytest.approx([10, 20, 30], abs=0.01)
