"""Cuts: the parts make up the whole, the pins fit with the gap that is stated, and what cannot be cut is told."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.printing.section import Plane, places, section
from tests.printing.bodies import ball, box, mesh_of, prepared

CUT = {"do": "cut", "point_mm": [0, 0, 4], "normal": [0, 0, 1], "pin_mm": 6, "pin_length_mm": 8, "gap_mm": 0.25}


def nearest(points: NDArray[np.float64], mesh: trimesh.Trimesh) -> float:
    """The smallest distance of points to a mesh, by points spread densely over it."""
    spread, _ = trimesh.sample.sample_surface(mesh.submesh([near(mesh)], append=True), 400_000, seed=1)
    return float(cKDTree(spread).query(points)[0].min())


def near(mesh: trimesh.Trimesh) -> NDArray[np.bool_]:
    """Faces that belong to sockets: within the box, above the cut."""
    middle = mesh.triangles_center
    return np.asarray((middle[:, 2] > 4.01) & (middle[:, 2] < 14) & (np.abs(middle[:, 0]) < 29.9))


def overlap(first: trimesh.Trimesh, second: trimesh.Trimesh, shift: tuple[float, float, float]) -> float:
    """Volume that the parts have in common when the second is moved."""
    moved = second.copy()
    moved.apply_translation(shift)
    common = trimesh.boolean.intersection([first, moved], engine="manifold")
    return float(common.volume) if len(common.faces) else 0.0


def test_two_parts_and_their_gaps_make_up_the_whole() -> None:
    made = prepared(box((60, 40, 50)), CUT)
    first, second = (mesh_of(part) for part in made.parts)
    assert [part.name for part in made.parts] == ["bone 1", "bone 2"]
    # pins and sockets by the formulas of a cylinder and a truncated cone
    pin = np.pi * 9 * 7.4 + np.pi * 0.6 / 3 * (9 + 3 * 2.4 + 2.4**2)
    socket = np.pi * 3.25**2 * 8.25
    assert first.volume == pytest.approx(60 * 40 * 29 + 2 * pin, rel=1e-4)
    assert second.volume == pytest.approx(60 * 40 * 21 - 2 * socket, rel=1e-4)
    whole = first.volume + second.volume + 2 * (socket - pin)
    assert whole == pytest.approx(60 * 40 * 50, rel=1e-3)
    assert first.bounds[1][2] == pytest.approx(12, abs=1e-4)
    assert second.bounds[0][2] == pytest.approx(4, abs=1e-4)


def test_pins_fit_their_sockets_with_the_gap_all_round() -> None:
    first, second = (mesh_of(part) for part in prepared(box((60, 40, 50)), CUT).parts)
    pins = first.vertices[first.vertices[:, 2] > 4.3]
    assert nearest(pins, second) == pytest.approx(0.25, abs=0.01)
    # and going in, the pins never meet the second part
    for lift in (0.001, 2.0, 5.0):
        assert overlap(first, second, (0, 0, lift)) == pytest.approx(0, abs=1e-3)
    assert overlap(first, second, (0.4, 0, 0.001)) > 1


def test_modifications_tell_what_was_measured() -> None:
    part = prepared(box((60, 40, 50)), CUT).parts[0]
    (done,) = part.modifications
    assert done.kind == "cut"
    assert done.measured["connectors"] == 2
    assert done.measured["gap_mm"] == pytest.approx(0.25, abs=0.01)
    assert done.measured["rebuild_error"] < 1e-5
    assert done.outside_mm == pytest.approx(0, abs=1e-5)
    assert done.volume_after_mm3 == pytest.approx(mesh_of(part).volume)


def test_lengths_of_pins_are_those_of_the_print() -> None:
    first, _ = (mesh_of(part) for part in prepared(box((60, 40, 50)), CUT, scale=0.5).parts)
    assert first.bounds[1][2] == pytest.approx(4 + 8 / 0.5, abs=1e-4)


def test_a_dovetail_slides_and_holds() -> None:
    first, second = (mesh_of(part) for part in prepared(box((60, 40, 50)), CUT | {"connector": "dovetail"}).parts)
    depth, widening = 8.0, np.tan(np.radians(15))
    tongue = 40 * depth * (6 + depth * widening)  # along the shorter way through the section
    assert first.volume == pytest.approx(60 * 40 * 29 + tongue, rel=1e-4)
    tips = first.vertices[first.vertices[:, 2] > 11.9]
    assert np.ptp(tips[:, 0]) == pytest.approx(6 + 2 * depth * widening, abs=1e-3)
    assert nearest(tips, second) == pytest.approx(0.25, abs=0.01)
    assert overlap(first, second, (0, 15, 0.001)) == pytest.approx(0, abs=1e-3)
    assert overlap(first, second, (0, 0, 3)) > 10  # it does not lift off


def test_a_plane_that_misses_is_told_with_the_distance() -> None:
    with pytest.raises(BadInput, match=r"misses it by 5\.0 mm"):
        prepared(box((60, 40, 50)), CUT | {"point_mm": [0, 0, 30]})


def test_a_plane_by_three_landmarks() -> None:
    points = {"a": (0, 0, 0), "b": (10, 0, 0), "c": (0, 10, 10)}
    cut = {"do": "cut", "landmarks": ["a", "b", "c"], "connector": "none"}
    parts = prepared(box((60, 40, 50)), cut, landmarks=points).parts
    assert [mesh_of(part).volume for part in parts] == pytest.approx([60000, 60000], rel=1e-5)
    with pytest.raises(WrongUsage, match="Did you mean `a1`"):
        prepared(box((60, 40, 50)), cut | {"landmarks": ["a1x", "b", "c"]}, landmarks=points | {"a1": (1, 1, 1)})
    with pytest.raises(WrongUsage, match="on a line"):
        prepared(box((60, 40, 50)), cut, landmarks=points | {"c": (20, 0, 0)})


@pytest.mark.slow
def test_pins_become_thinner_before_they_are_left_out() -> None:
    thin = prepared(box((60, 5.5, 50)), CUT | {"smallest_pin_mm": 2.5})
    assert 2.5 <= thin.parts[0].modifications[0].measured["width_mm"] < 5.5 - 2 * 1.25
    none = prepared(box((60, 3, 50)), CUT)
    (told,) = [finding for finding in none.findings if finding.check == "connectors"]
    assert told.level is Level.WARN
    assert "room for 0 of 2" in told.measured
    assert len(none.parts) == 2


@pytest.mark.slow
def test_a_part_is_cut_until_it_fits_the_printer() -> None:
    made = prepared(box((600, 100, 190)), {"do": "cut", "fit": True, "pin_mm": 6})
    sizes = [np.sort(np.ptp(mesh_of(part).vertices, axis=0))[::-1] for part in made.parts]
    assert len(sizes) == 3
    assert all((size <= [240, 200, 200]).all() for size in sizes)  # 250 × 210 × 210 mm with 5 mm on each side
    assert sum(part.modifications[-1].measured["connectors"] for part in made.parts) >= 4
    small = prepared(box((60, 40, 50)), {"do": "cut", "fit": True})
    assert len(small.parts) == 1
    assert "not cut" in small.findings[0].measured
    with pytest.raises(BadInput, match="more than 16 parts"):
        prepared(box((6000, 2000, 100)), {"do": "cut", "fit": True, "connector": "none"})


def test_a_section_is_as_large_as_that_of_the_body() -> None:
    plane = Plane.through(np.array([0.0, 0, 3]), np.array([0.0, 0, 1]))
    found = section(ball(20), plane, pitch=0.1)
    assert found.area_mm2 == pytest.approx(np.pi * (400 - 9), rel=0.01)
    assert found.depth.max() == pytest.approx(np.sqrt(391), abs=0.25)
    assert section(ball(20), plane, (0.0, 30.0)).depth.max() == 0
    chosen = np.array(places(found, 5.0, 3, 4.0))
    away = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
    assert away[np.triu_indices(3, 1)].min() > 15


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"normal": [0, 0, 0]}, "must have a length"),
        ({"point_mm": None}, "needs `normal` with either"),
        ({"fit": True}, "leave the keys of a plane out"),
        ({"pin_mm": 2}, "must not be above pin_mm"),
        ({"gap_mm": -1}, "gap_mm"),
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, object], told: str) -> None:
    table = {key: value for key, value in (CUT | wrong).items() if value is not None}
    with pytest.raises(WrongUsage, match=told):
        prepared(box((60, 40, 50)), table)
