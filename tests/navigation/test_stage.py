"""What the stage refuses, what it gathers, and what its parameters allow."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import BadInput, FrameMismatch, WrongUsage
from surgplan.model.frames import IJK, LPS, LPS_FROM_RAS, PRINT, RAS, RAS_FROM_LPS, Transform
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.stage import NavigationParams, NavigationPlan, plan_navigation

GRID = Grid((100, 80, 60), (1.0, 1.0, 2.0), (-49.5, -30.0, 700.0))
NONE = NavigationParams(fiducials="none")
PRINT_FROM_LPS = Transform.translation(PRINT, LPS, (60.0, 60.0, -700.0))


def volume(uid: str = "1.2.3") -> Volume:
    return Volume(GRID, np.full(GRID.shape, -1000, np.int16), Modality.CT, uid)


def points(*positions: tuple[float, float, float]) -> PointSet:
    return PointSet.from_array(positions)


def test_what_lies_in_the_scan_is_in_the_plan() -> None:
    path = Trajectory("biopsy", (10, 0, 750), (20, 5, 760), avoid=("vessels",), margin_mm=2)
    plan = plan_navigation(volume(), points((0, 0, 710), (50.0, 49.5, 819.0)), [path], NONE, [PRINT_FROM_LPS])
    assert [point.name for point in plan.points] == ["P-1", "P-2"]
    assert plan.trajectories == (path,)
    assert plan.frame_of_reference == "1.2.3"
    assert [(each.fixed, each.moving) for each in plan.transforms] == [(LPS, RAS), (LPS, IJK), (PRINT, LPS)]
    assert plan.transforms == (LPS_FROM_RAS, GRID.lps_from_ijk, PRINT_FROM_LPS)
    assert [each.check for each in plan.findings] == ["trajectory-unmeasured"]  # no surfaces were given


def test_without_a_print_there_is_no_print_frame() -> None:
    plan = plan_navigation(volume(), points(), (), NONE, ())
    assert PRINT not in {frame for each in plan.transforms for frame in (each.fixed, each.moving)}


@pytest.mark.parametrize(
    ("place", "away"),
    [((53.0, 0, 750), "3.0"), ((0, -34.5, 750), "4.0"), ((53.0, -34.5, 750), "5.0"), ((0, 0, 834.0), "15.0")],
)
def test_a_landmark_outside_of_the_scan_is_refused_with_the_distance(
    place: tuple[float, float, float], away: str
) -> None:
    with pytest.raises(BadInput, match=f"landmark P-2: .* mm LPS lies {away} mm outside of the scan"):
        plan_navigation(volume(), points((0, 0, 750), place), (), NONE, ())


def test_distances_are_measured_along_oblique_axes_too() -> None:
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    grid = Grid((10, 10, 10), (2.0, 1.0, 1.0), (0, 0, 0), turn)
    scan = Volume(grid, np.zeros(grid.shape, np.int16))
    outside = grid.lps_from_ijk.apply((9.5 + 3 / 2, 9.5 + 4, 5))
    with pytest.raises(BadInput, match=r"lies 5\.0 mm outside"):
        plan_navigation(scan, points(tuple(outside)), (), NONE, ())


@pytest.mark.parametrize("which", ["entry", "target"])
def test_a_trajectory_that_leaves_the_scan_is_refused(which: str) -> None:
    ends = {"entry": (0.0, 0.0, 710.0), "target": (0.0, 10.0, 720.0), which: (0.0, 0.0, 600.0)}
    with pytest.raises(BadInput, match=f"{which} of biopsy: .* lies 99.0 mm outside"):
        plan_navigation(volume(), points(), [Trajectory("biopsy", **ends)], NONE, ())


def test_points_taken_for_the_wrong_frame_are_mostly_caught() -> None:
    """RAS positions taken for LPS lie mirrored through the long axis: outside, in a scan that is not centred."""
    truth = points((10.0, 45.0, 750.0))
    plan_navigation(volume(), truth, (), NONE, ())
    mistaken = points(tuple((RAS_FROM_LPS @ truth).positions[0]))
    with pytest.raises(BadInput, match=r"Check its frame \(LPS or RAS\)"):
        plan_navigation(volume(), mistaken, (), NONE, ())


def test_other_frames_are_bugs() -> None:
    in_ras = PointSet([Landmark("a", (0, 0, 710), RAS)])
    with pytest.raises(FrameMismatch):
        plan_navigation(volume(), in_ras, (), NONE, ())
    with pytest.raises(FrameMismatch):
        plan_navigation(volume(), points(), [Trajectory("t", (0, 0, 710), (0, 0, 720), RAS)], NONE, ())
    for wrong in (PRINT_FROM_LPS.inverse(), LPS_FROM_RAS, Transform.identity(PRINT, IJK)):
        with pytest.raises(FrameMismatch):
            plan_navigation(volume(), points(), (), NONE, [wrong])


def test_a_scan_without_a_frame_of_reference_says_so() -> None:
    plan = plan_navigation(volume(uid=""), points(), (), NONE, ())
    assert [each.check for each in plan.findings] == ["frame-of-reference"]


def test_a_plan_that_contradicts_itself_is_none() -> None:
    one = points((0, 0, 0))
    with pytest.raises(ValueError, match="two landmarks are named"):
        NavigationPlan(one, one, (), (), "", ())
    with pytest.raises(ValueError, match="two transforms"):
        NavigationPlan(one, PointSet(()), (), (LPS_FROM_RAS, RAS_FROM_LPS), "", ())
    with pytest.raises(FrameMismatch):
        NavigationPlan(RAS_FROM_LPS @ one, PointSet(()), (), (), "", ())


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"marker_diameter_mm": [5, 3]}, "two lengths in order"),
        ({"marker_diameter_mm": [0, 3]}, "two lengths in order"),
        ({"marker_diameter_mm": [3, 300]}, "two lengths in order"),
        ({"marker_diameter_mm": [3]}, "marker_diameter_mm"),
        ({"fiducials": "some"}, "fiducials"),
        ({"min_markers": 0}, "min_markers"),
        ({"skin_mm": -1}, "skin_mm"),
        ({"marker_hu": 4000}, "marker_hu"),
        ({"marker_size": 3}, "unknown key `marker_size`"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(table: dict[str, object], told: str) -> None:
    with pytest.raises(WrongUsage, match=told):
        NavigationParams.from_table(table, "case.toml [navigation]")


def test_heavy_libraries_are_not_imported_for_the_parameters() -> None:
    import subprocess
    import sys

    code = "import sys, surgplan.navigation.stage; print(*{'scipy', 'SimpleITK', 'vtkmodules'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""
