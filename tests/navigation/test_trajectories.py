"""Trajectories against analytic bodies: distances, angles, bone on the way, and the corridor of a registration."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.model.frames import LPS
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.segment_distance import Triangles, nearest_to_segment, winding
from surgplan.navigation.stage import NavigationParams, plan_navigation
from surgplan.navigation.trajectories import BoneLevels, bone_stretches, find_corridor, judge, measure_trajectory
from surgplan.navigation.tre import ErrorModel, error_model
from tests.navigation.bodies import sphere, surface

LEVELS = BoneLevels(300, 700)
NOWHERE = PointSet(())


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    import trimesh

    mesh = trimesh.creation.box(bounds=[low, high])
    for _ in range(3):
        mesh = mesh.subdivide()
    return surface(mesh)


def distance_to_box(start: np.ndarray, end: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The truth, by dense sampling refined round the best sample."""
    a, b = 0.0, 1.0
    for _ in range(6):
        share = np.linspace(a, b, 2001)
        places = start + share[:, None] * (end - start)
        away = np.linalg.norm(places - np.clip(places, low, high), axis=1)
        best, width = share[away.argmin()], (b - a) / 1000
        a, b = max(0.0, best - width), min(1.0, best + width)
    return float(away.min())


def test_distances_to_a_sphere_are_within_two_hundredths() -> None:
    ball, rng = sphere(10.0, (3, -2, 5), fineness=5), np.random.default_rng(1)
    centre = np.array([3.0, -2, 5])
    for _ in range(40):
        start, end = rng.normal(0, 30, (2, 3))
        step = end - start
        share = np.clip((centre - start) @ step / (step @ step), 0, 1)
        truth = np.linalg.norm(start + share * step - centre) - 10
        found = nearest_to_segment(start, end, ball)
        if truth > 0.02:
            assert abs(found.distance_mm - truth) < 0.02
            assert found.inside_mm == 0
            assert np.linalg.norm(found.on_mesh - found.on_segment) == pytest.approx(found.distance_mm)
        elif truth < -0.02:
            assert found.distance_mm == 0
            assert found.inside_mm > 0


def test_the_quick_distance_of_a_search_is_that_of_a_sphere() -> None:
    ball = Triangles.of(sphere(10.0, (1, 2, 3)))
    centre = np.array([1.0, 2.0, 3.0])
    for away in (10.5, 14.0, 30.0):
        ends = centre + np.array([[away, -20.0, 0.0], [away, 25.0, 0.0]])
        assert ball.distance(*ends) == pytest.approx(away - 10.0, abs=0.02)
    assert ball.distance(centre - np.array([0, 20.0, 0]), centre + np.array([0.2, 25, 0.1])) == 0.0


def test_distances_to_a_box_are_exact_also_along_its_edges_and_beside_its_faces() -> None:
    low, high = np.array([-5.0, -7, 1]), np.array([5.0, 9, 4])
    body, rng = box(tuple(low), tuple(high)), np.random.default_rng(2)
    for _ in range(60):
        start, end = rng.uniform(-20, 20, (2, 3))
        truth = distance_to_box(start, end, low, high)
        assert nearest_to_segment(start, end, body).distance_mm == pytest.approx(truth, abs=1e-6)
    beside = nearest_to_segment(np.array([6.5, -7, 2]), np.array([6.5, 9, 2]), body)
    assert beside.distance_mm == pytest.approx(1.5)


def test_the_length_within_a_body_is_told_also_when_the_path_never_leaves_it() -> None:
    body = box((-5, -5, -5), (5, 5, 5))
    through = nearest_to_segment(np.array([-20.0, 0.3, 0.2]), np.array([20.0, 0.3, 0.2]), body)
    assert through.distance_mm == 0
    assert through.inside_mm == pytest.approx(10)
    np.testing.assert_allclose(through.on_mesh, [-5, 0.3, 0.2], atol=1e-9)
    within = nearest_to_segment(np.array([-2.0, 0.3, 0.2]), np.array([1.0, 0.3, 0.2]), body)
    assert (within.distance_mm, within.inside_mm) == (0, pytest.approx(3))
    assert winding(np.array([0.1, 0.2, 0.3]), body.corners) == pytest.approx(1)
    assert winding(np.array([9.1, 0.2, 0.3]), body.corners) == pytest.approx(0, abs=1e-9)


def test_clearance_counts_the_diameter_and_the_depth() -> None:
    body = box((4, -5, -5), (14, 5, 5))
    path = Trajectory("screw", (0, 0, 50), (0, 0, 30), LPS, ("body",), 3.0, diameter_mm=2.0)
    found = measure_trajectory(path, None, [body], NOWHERE, LEVELS)
    assert found.clearances[0].axis_mm == pytest.approx(np.hypot(4, 25))
    deeper = Trajectory("screw", (0, 0, 50), (0, 0, 30), LPS, ("body",), 3.5, diameter_mm=2.0, depth_mm=48)
    found = measure_trajectory(deeper, None, [body], NOWHERE, LEVELS)
    assert found.clearances[0].axis_mm == pytest.approx(4)
    assert found.clearances[0].clearance_mm == pytest.approx(3)
    assert found.clearances[0].depth_mm == pytest.approx(45)
    (told,) = judge(found, deeper, Level.REFUSE)
    assert (told.check, told.level, told.limit) == ("trajectory-margin", Level.REFUSE, "3.5 mm")
    assert "3.00 mm from body" in told.measured


def test_angles_to_planes_and_to_an_axis() -> None:
    points = PointSet([Landmark("a", (0, 0, 0)), Landmark("b", (0, 0, 10))])
    path = Trajectory("t", (0, 0, 0), (10, 0, 10), LPS, axis=("a", "b"))
    found = measure_trajectory(path, None, None, points, LEVELS)
    angles = (found.sagittal_deg, found.coronal_deg, found.axial_deg, found.axis_deg)
    assert angles == pytest.approx((45, 0, 45, 45))
    lost = Trajectory("t", (0, 0, 0), (10, 0, 10), LPS, axis=("a", "bb"))
    with pytest.raises(BadInput, match="no landmark"):
        measure_trajectory(lost, None, None, points, LEVELS)


def test_a_structure_without_surface_is_refused_with_the_known_ones() -> None:
    path = Trajectory("t", (0, 0, 0), (10, 0, 10), LPS, ("vessel",))
    with pytest.raises(BadInput, match=r"avoids `vessel`, which has no surface.*body"):
        measure_trajectory(path, None, [sphere(1.0)], NOWHERE, LEVELS)


def test_bone_and_cortex_along_a_ramp() -> None:
    """HU grows by 100 each mm up to 1000, and falls again: bone from 3 mm, cortex from 7 mm, by hand."""
    hu = np.array([*range(0, 1001, 100), *range(900, -1, -100)], dtype=float)
    found = [(each.kind, each.from_mm, each.to_mm) for each in bone_stretches(hu, 1.0, LEVELS)]
    assert found == [("bone", 3.0, 7.0), ("cortex", 7.0, 13.0), ("bone", 13.0, 17.0)]


def test_the_profile_is_the_scan_between_its_voxels() -> None:
    grid = Grid((20, 24, 30), (0.8, 0.8, 1.5), (-5.0, 3.0, 40.0), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    k, j, i = np.indices(grid.shape)
    places = grid.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    plane = (places @ [2.0, -3.0, 5.0]).reshape(grid.shape).astype(np.float32)
    ends = grid.lps_from_ijk.apply([[1.3, 2.7, 3.2], [17.9, 20.1, 25.6]])
    path = Trajectory("t", ends[0], ends[1])
    found = measure_trajectory(path, Volume(grid, plane, Modality.CT), None, NOWHERE, LEVELS)
    along = np.arange(len(found.profile_hu)) * found.profile_step_mm
    truth = (path.entry + along[:, None] * path.direction) @ [2.0, -3.0, 5.0]
    np.testing.assert_allclose(found.profile_hu, truth, atol=1e-3)
    assert along[-1] == pytest.approx(path.length_mm)


@pytest.mark.parametrize("degrees", [np.inf, 12.0])
def test_the_corridor_holds_95_of_100_registrations(degrees: float) -> None:
    rng = np.random.default_rng(5)
    fiducials = np.array([[0, 0, 0], [60, 5, 0], [0, 70, 10], [40, 60, 55.0]])
    eye = np.broadcast_to(np.eye(3), (4, 3, 3))
    model = error_model(fiducials, eye, eye * 0.25, degrees=degrees)
    path = Trajectory("t", (20, 30, 90), (25, 40, -40))
    corridor = find_corridor(path, model)
    assert corridor is not None
    turns = rng.multivariate_normal(np.zeros(6), model.motion_covariance, 20_000)
    if np.isfinite(degrees):
        turns *= np.sqrt(degrees / rng.chisquare(degrees, len(turns)))[:, None]
    worst = np.zeros(len(turns))
    for place in np.linspace(path.entry, path.target, 9):
        shift = turns[:, 3:] + np.cross(turns[:, :3], place - model.middle)
        sideways = shift - (shift @ path.direction)[:, None] * path.direction
        worst = np.maximum(worst, np.linalg.norm(sideways, axis=1))
    assert 0.94 < (worst <= corridor.radius_mm).mean() < 0.96
    assert corridor.radius_mm >= max(corridor.at_entry_mm, corridor.at_end_mm)


def test_one_number_for_the_error_is_that_of_an_even_shift() -> None:
    still = ErrorModel(np.zeros(3), np.diag([0, 0, 0, 3.0, 3.0, 3.0]), np.inf)
    path = Trajectory("t", (20, 30, 90), (25, 40, -40))
    drawn, told = find_corridor(path, still), find_corridor(path, 3.0)
    assert drawn is not None
    assert told is not None
    assert drawn.radius_mm == pytest.approx(told.radius_mm, rel=0.02)


def test_the_stage_refuses_a_broken_margin_or_warns_as_the_recipe_says() -> None:
    grid = Grid((40, 40, 40), (1, 1, 1), (-20, -20, -20))
    scan = Volume(grid, np.zeros(grid.shape, np.int16), Modality.CT, "1.2.3")
    path = Trajectory("biopsy", (0, 0, 15), (0, 0, -15), LPS, ("body",), 4.0)
    bodies = [box((3, -5, -5), (9, 5, 5))]
    for word, level in (("refuse", Level.REFUSE), ("warn", Level.WARN)):
        params = NavigationParams(fiducials="none", broken_margin=word)
        plan = plan_navigation(scan, PointSet(()), [path], params, (), bodies)
        assert [(each.check, each.level) for each in plan.findings] == [("trajectory-margin", level)]
        assert plan.measures[0].clearances[0].clearance_mm == pytest.approx(3)
    near = Trajectory("biopsy", (0, 0, 15), (0, 0, -15), LPS, ("body",), 2.5)
    plan = plan_navigation(scan, PointSet(()), [near], NavigationParams(fiducials="none", tre_mm=1), (), bodies)
    assert [(each.check, each.level) for each in plan.findings] == [("trajectory-corridor", Level.WARN)]
    plan = plan_navigation(scan, PointSet(()), [path], NavigationParams(fiducials="none"), ())
    assert [each.check for each in plan.findings] == ["trajectory-unmeasured"]
    with pytest.raises(BadInput, match="two are named 'biopsy'"):
        plan_navigation(scan, PointSet(()), [path, path], NavigationParams(fiducials="none"), ())
