"""Planned screws and needles in the model: closed rods of the right size, in the right place, in the 3MF of a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surgplan.formats.threemf import read_threemf
from surgplan.model.points import Trajectory
from surgplan.printing.instruments import instruments, rod
from surgplan.surface.topology import topology
from tests.program import surgplan

places = st.tuples(*[st.floats(-300, 300)] * 3)


@given(entry=places, way=st.tuples(*[st.floats(-1, 1)] * 3), length=st.floats(5, 200), wide=st.floats(1, 20))
def test_a_rod_has_the_volume_of_its_screw(
    entry: tuple[float, ...], way: tuple[float, ...], length: float, wide: float
) -> None:
    if np.linalg.norm(way) < 0.1:
        return
    start, along = np.array(entry), np.array(way) / np.linalg.norm(way)
    made = rod(Trajectory("screw", start, start + length * along, diameter_mm=wide), 3)
    assert made.volume_mm3 == pytest.approx(np.pi / 4 * wide**2 * length, rel=1e-3)
    told = topology(made.vertices, made.triangles)
    assert told.ok
    assert (told.bodies, told.outward) == (1, True)
    # nowhere farther from the round rod than a thousandth of its diameter (and float32)
    ring = made.vertices[:-2] - start
    beside = np.linalg.norm(ring - np.outer(ring @ along, along), axis=1)
    assert np.abs(beside - wide / 2).max() < 1e-3 * wide + 1e-4


def test_depth_counts_and_needles_without_a_diameter_are_no_bodies() -> None:
    paths = [
        Trajectory("a", (0, 0, 0), (0, 0, 50), diameter_mm=4, depth_mm=30),
        Trajectory("b", (0, 0, 0), (0, 0, 50)),
    ]
    [made] = instruments(paths, 7)
    assert (made.label.name, made.label.value) == ("planned a", 7)
    assert made.bounds[1][2] == 30


@pytest.mark.slow
def test_the_printed_model_of_a_case_holds_its_screw(tmp_path: Path) -> None:
    assert surgplan("example", "femur", "--size", "small", "-o", tmp_path / "femur").code == 0
    case_file = tmp_path / "femur" / "case.toml"
    case_file.write_text(
        case_file.read_text("utf-8")
        + '\n[[trajectory]]\nname = "nail"\nentry = [0.0, 0.0, 0.0]\ntarget = [0.0, 0.0, 40.0]\ndiameter_mm = 6.0\n'
    )
    words = ("run", case_file, "-o", tmp_path / "case", "--set", "report.pictures=false")
    assert surgplan(*words, "--set", "print.instruments=true").code == 0
    [model] = (tmp_path / "case" / "print").glob("*.3mf")
    plate, _ = read_threemf(model)
    assert [each.label.name for each in plate.objects] == ["femur", "planned nail"]
    nail = plate.objects[1]
    assert np.allclose(nail.bounds, [[-3, -3, 0], [3, 3, 40]], atol=0.01)
    assert (tmp_path / "case" / "print" / "planned-nail.stl").is_file()
    assert surgplan(*words, "--json").json["ran"] == ["print", "navigation", "report"], "without it, it goes again"
    assert not (tmp_path / "case" / "print" / "planned-nail.stl").exists()
