"""Donuts and screws on a head whose places are known: found, measured, and told from what looks like them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from surgplan.findings import Finding
from surgplan.model.points import PointSet
from surgplan.model.volume import Volume
from surgplan.navigation.fiducials import find_fiducials
from surgplan.navigation.stage import NavigationParams
from tests.navigation.phantoms import BONE, SKIN, Ball, Rod, Thing, Tube, scan

GRIDS = [(0.5, 0.5, 1.0), (0.7, 0.7, 1.0)]
AXES = [(0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.2, 0.9, -0.3)]
CASES = [(AXES[n], GRIDS[n % 2], (10.0, 40.0)[n // 2]) for n in range(4)]
OFF = np.array([0.31, -0.17, 0.23])
"""No voxel's centre."""
HEAD_MM = 80.0


def unit(axis: Sequence[float]) -> np.ndarray:
    return np.array(axis) / np.linalg.norm(axis)


def donut(axis: Sequence[float], hole: float = 2.0, hu: float = 440.0, radius: float = 7.5) -> list[Thing]:
    """A ring 3.4 mm high, flat on a head."""
    skin = Ball(OFF - unit(axis) * (HEAD_MM + 1.7), HEAD_MM, SKIN)
    return [skin, Tube(OFF, unit(axis), radius, 3.4, hole, hu)]


def screw(axis: Sequence[float], length: float = 6.0, radius: float = 0.9, buried_mm: float = 1.0) -> list[Thing]:
    """A rod, most of it in bone, whose outer end lies below the skin or, when `buried_mm` is negative, above it."""
    outer = OFF + unit(axis) * length / 2
    skin = Ball(outer - unit(axis) * (HEAD_MM - buried_mm), HEAD_MM, SKIN)
    bone = Ball(outer - unit(axis) * (HEAD_MM - 5 + 1.5), HEAD_MM - 5, BONE)
    return [skin, bone, Tube(OFF, unit(axis), radius, length, 0.0, 6000.0)]


def found(volume: Volume, **keys: object) -> tuple[PointSet, str, tuple[Finding, ...]]:
    points, findings = find_fiducials(volume, NavigationParams.from_table({"min_markers": 1, **keys}, "test"))
    return points, " ".join(each.measured for each in findings), findings


def error(points: PointSet, truth: np.ndarray) -> float:
    assert len(points) == 1
    return float(np.linalg.norm(points.positions[0] - truth))


def sure(points: PointSet) -> float:
    """The stated uncertainty over all three axes."""
    stated = points.landmarks[0].uncertainty_mm
    assert stated is not None
    return float(np.sqrt(3) * stated)


@pytest.mark.parametrize(("axis", "spacing", "noise_hu"), CASES)
def test_a_donut_s_middle_and_the_skin_under_it(
    axis: Sequence[float], spacing: Sequence[float], noise_hu: float
) -> None:
    volume = scan(donut(axis), 30.0, spacing, noise_hu=noise_hu, fine_mm=0.35)
    for which, truth in (("middle", OFF), ("skin", OFF - 1.7 * unit(axis))):
        points, told, _ = found(volume, donut_point=which)
        assert error(points, truth) < min(0.15, 2 * sure(points)), told
        assert which in points.landmarks[0].description


@pytest.mark.parametrize(("axis", "spacing", "noise_hu"), CASES)
def test_a_screw_s_head_tip_and_middle(axis: Sequence[float], spacing: Sequence[float], noise_hu: float) -> None:
    volume = scan(screw(axis), 30.0, spacing, noise_hu=noise_hu, fine_mm=0.35)
    for which, side in (("head", 1), ("tip", -1), ("middle", 0)):
        points, told, _ = found(volume, fiducials="screws", screw_point=which)
        assert error(points, OFF + side * 3.0 * unit(axis)) < min(0.25, 2 * sure(points)), told


def test_a_screw_through_the_skin_and_one_with_a_wide_head() -> None:
    """A head wider than the shaft is no rod's end: the stated uncertainty covers it."""
    axis = unit((1, 1, 1))
    through = scan(screw(axis, buried_mm=-1.5), 30.0, GRIDS[1], fine_mm=0.35)
    assert error(found(through, fiducials="screws")[0], OFF + 3.0 * axis) < 0.2
    headed = scan([*screw(axis), Tube(OFF + 2.5 * axis, axis, 1.4, 1.0, 0.0, 6000.0)], 30.0, GRIDS[1], fine_mm=0.35)
    points, _, _ = found(headed, fiducials="screws")
    assert 0.2 < error(points, OFF + 3.0 * axis) < 2 * sure(points)


def test_screws_are_not_looked_for_unless_asked() -> None:
    volume = scan(screw((0, 0, 1)), 30.0, GRIDS[1])
    assert len(found(volume)[0]) == 0
    assert len(found(volume, fiducials="donuts")[0]) == 0


SKIN_AT_Z = Ball((0, 0, -HEAD_MM), HEAD_MM, SKIN)
NOT_DONUTS = {
    "a coin": (donut((0, 0, 1), hole=0.0), "without a hole (as donuts)"),
    "a washer that is too wide": (donut((0, 0, 1), hole=5.0), "not 2.5 to 7 mm in the hole's diameter"),
    "a small ring": (donut((0, 0, 1), hole=1.5, radius=4.2), "not 10 to 20 mm in diameter (as donuts)"),
    "a tube": ([SKIN_AT_Z, Rod((-6, 0, 2), (6, 0, 2), 2.0, 500.0)], "not flat and round (as donuts)"),
    "a ring deep in the body": (
        [
            Ball((0, 0, 0), 100.0, SKIN),
            Ball((0, 90, 0), 78.0, -1000.0),
            Tube((0, 0, 0), (0, 1, 0), 7.5, 3.4, 2.0, 440.0),
        ],
        "more than 5 mm below the skin (as donuts)",
    ),
}


@pytest.mark.parametrize(("things", "told"), NOT_DONUTS.values(), ids=NOT_DONUTS)
def test_what_is_no_donut_is_told_with_the_reason(things: list[Thing], told: str) -> None:
    points, said, _ = found(scan(things, 44.0, GRIDS[1]), fiducials="donuts")
    assert len(points) == 0
    assert told in said


NOT_SCREWS = {
    "a ball": ([*screw((0, 0, 1))[:2], Ball(OFF, 2.0, 6000.0)], "not shaped like a rod"),
    "a wire along the skin": ([SKIN_AT_Z, Rod((-3, 0, -1), (3, 0, -1), 0.8, 6000.0)], "along the skin"),
    "a nail": (screw((0, 0, 1), length=15.0), "not 3 to 12 mm long"),
    "a peg": (screw((0, 0, 1), length=9.0, radius=2.3), "not 1 to 3 mm thick"),
    "a screw deep in the body": (screw((0, 0, 1), buried_mm=9.0), "more than 5 mm below the skin"),
}


@pytest.mark.parametrize(("things", "told"), NOT_SCREWS.values(), ids=NOT_SCREWS)
def test_what_is_no_screw_is_told_with_the_reason(things: list[Thing], told: str) -> None:
    points, said, _ = found(scan(things, 44.0, GRIDS[1]), fiducials="screws")
    assert len(points) == 0
    assert told in said


def test_spheres_and_donuts_are_found_together() -> None:
    """Each kind needs its own number; a bright donut is not told as a false sphere."""
    sphere = Ball(OFF + np.array([16.0, 0, -1.0]), 2.5)
    volume = scan([*donut((0, 0, 1), hu=900.0), sphere], 50.0, GRIDS[1])
    points, told, findings = found(volume)
    assert [point.description.split()[0] for point in points] == ["donut", "fiducial"]
    np.testing.assert_allclose(points.positions, [OFF, sphere.centre], atol=0.15)
    assert "no markers" not in told
    few, said, _ = found(volume, min_markers=2)
    assert len(few) == 0
    assert "1 donuts found and left out" in said
    assert "1 found and left out" in said
    assert {each.check for each in findings} == {"fiducials"}
