"""Points laid on surfaces: a skull, bodies that hold them, and bodies that do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.model.frames import LPS, Frame, Transform
from surgplan.model.points import PointSet
from surgplan.navigation.register import RegisterParams, Registration
from surgplan.navigation.register_surface import SurfaceAccuracy, register_to_surface
from tests.navigation.bodies import cylinder, ellipsoid, full_skull, sphere, surface, touched
from tests.navigation.layouts import TRACKER

Array = NDArray[np.float64]
TARGETS = PointSet.from_array([[28, 18, 24], [0, -80, -40], [0, 0, 70], [-40, 20, 0], [10, 60, -20]], prefix="T")


def off(points: Array, seed: int, turn_deg: float, shift_mm: float) -> Transform:
    """From the true place to one that is off by so much, about the points' middle, in a random direction."""
    rng = np.random.default_rng(seed)
    axis, way = (row / np.linalg.norm(row) for row in rng.normal(size=(2, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(axis * np.radians(turn_deg)).as_matrix()
    middle = points.mean(axis=0)
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle + way * shift_mm
    return Transform(TRACKER, LPS, matrix)


def laid_on_skull(seed: int) -> tuple[Registration, float]:
    """2,000 points (0.5 mm noise) registered from up to 20 mm and 15° off, and the worst error at the targets."""
    rng = np.random.default_rng(seed)
    points = touched(full_skull(), 2000, 0.5, seed)
    wrong = off(points, seed, 15 * rng.random(), 20 * rng.random())
    made = register_to_surface(full_skull(), wrong @ PointSet.from_array(points), RegisterParams(), [TARGETS])
    error = np.linalg.norm((made.transform @ (wrong @ TARGETS)).positions - TARGETS.positions, axis=1)
    return made, float(error.max())


def levels(made: Registration) -> dict[str, Level]:
    return {finding.check: finding.level for finding in made.findings}


def test_points_find_their_place_on_the_skull() -> None:
    predicted, errors = [], []
    for seed in range(3):
        made, error = laid_on_skull(seed)
        assert error < 0.5
        assert not levels(made)
        predicted.append(made.accuracy.worst.tre_mm)
        errors.append(error)
    assert np.mean(errors) < 3 * np.mean(predicted)


@pytest.mark.slow
def test_95_of_100_starts_end_within_half_a_millimetre() -> None:
    assert sum(laid_on_skull(seed)[1] < 0.5 for seed in range(100)) >= 95


@pytest.mark.slow
def test_predicted_errors_are_those_of_many_draws() -> None:
    """Independent noise is what the prediction assumes: then it is right within a third."""
    body = ellipsoid(60, 95, 75)
    aims = PointSet.from_array([[0, 0, 0], [0, 0, 120]], prefix="T")
    predicted, errors = [], []
    for seed in range(12):
        points = PointSet.from_array(touched(body, 400, 0.5, seed), TRACKER)
        made = register_to_surface(body, points, RegisterParams(max_tre_mm=50), [aims])
        predicted.append([each.tre_mm for each in made.accuracy.targets])
        errors.append(np.linalg.norm(made.transform.apply(aims.positions) - aims.positions, axis=1))
    np.testing.assert_allclose(np.mean(predicted, axis=0), np.sqrt(np.mean(np.square(errors), axis=0)), rtol=0.4)


def test_a_mesh_is_laid_on_a_mesh() -> None:
    import trimesh

    box = surface(trimesh.creation.box((80, 100, 130)))
    wrong = off(box.vertices, 4, 8, 10)
    made = register_to_surface(box, wrong @ box, RegisterParams(), [TARGETS])
    np.testing.assert_allclose((made.transform @ (wrong @ TARGETS)).positions, TARGETS.positions, atol=0.05)


def test_strays_are_left_out() -> None:
    body = ellipsoid(60, 95, 75)
    points = touched(body, 500, 0.3, 1)
    points[:40] += [0, 0, 15]
    made = register_to_surface(body, PointSet.from_array(points, TRACKER), RegisterParams(), [TARGETS])
    error = np.linalg.norm(made.transform.apply(TARGETS.positions) - TARGETS.positions, axis=1)
    assert error.max() < 0.6
    assert isinstance(made.accuracy, SurfaceAccuracy)
    assert made.accuracy.used < 0.94


@pytest.mark.parametrize(
    "body", [sphere(60), pytest.param(cylinder(20, 200), marks=pytest.mark.slow)], ids=["ball", "cylinder"]
)
def test_bodies_that_do_not_hold_the_points_are_refused(body: object) -> None:
    points = touched(body, 600, 0.3, 2)  # type: ignore[arg-type]
    points = points[np.abs(points[:, 2]) < 85]
    made = register_to_surface(body, PointSet.from_array(points, TRACKER), RegisterParams(), [TARGETS])  # type: ignore[arg-type]
    assert levels(made)["slides"] is Level.REFUSE


def test_points_of_another_size_are_refused() -> None:
    body = ellipsoid(60, 95, 75)
    points = PointSet.from_array(touched(body, 500, 0.3, 1) * 0.9, TRACKER)
    assert levels(register_to_surface(body, points, RegisterParams(), [TARGETS]))["distance"] is Level.REFUSE


def test_a_start_that_is_far_off_is_refused_at_once() -> None:
    points = PointSet.from_array(touched(sphere(60), 200, 0.3, 1) + np.array([200.0, 0, 0]), TRACKER)
    with pytest.raises(BadInput, match=r"lie 1\d\d mm from the surface, expected at most 45 mm"):
        register_to_surface(sphere(60), points, RegisterParams())


def test_too_few_points_are_refused() -> None:
    points = PointSet.from_array(touched(sphere(60), 11, 0.3, 1), TRACKER)
    with pytest.raises(BadInput, match="11 points, expected at least 12"):
        register_to_surface(sphere(60), points, RegisterParams())


def test_frames_must_be_two_and_the_start_between_them() -> None:
    points = touched(sphere(60), 50, 0.3, 1)
    with pytest.raises(WrongUsage, match="two frames"):
        register_to_surface(sphere(60), PointSet.from_array(points), RegisterParams())
    start = Transform.identity(LPS, Frame("guide"))
    with pytest.raises(WrongUsage, match="guide to LPS"):
        register_to_surface(sphere(60), PointSet.from_array(points, TRACKER), RegisterParams(), start=start)


@pytest.mark.slow
def test_the_same_input_gives_the_same_transform() -> None:
    one, other = laid_on_skull(3)[0], laid_on_skull(3)[0]
    np.testing.assert_array_equal(one.transform.matrix, other.transform.matrix)
