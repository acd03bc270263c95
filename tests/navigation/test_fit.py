"""The closed form, against ITK, VTK and its own definition."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonTransforms import vtkLandmarkTransform

from surgplan.model.frames import LPS, RAS, Transform
from surgplan.navigation.fit import fit, fit_by_precision, flatness, pair_swaps
from tests.navigation.layouts import HEAD, LONG, SQUARE, truth
from tests.property.strategies import rigid_transforms


@given(rigid_transforms())
def test_a_rigid_transform_is_found_again(transform: Transform) -> None:
    found = fit(transform.apply(HEAD), HEAD)
    np.testing.assert_allclose(found.matrix(), transform.matrix, atol=1e-8)


@given(rigid_transforms())
def test_a_scale_is_found_again(transform: Transform) -> None:
    found = fit(transform.apply(HEAD * 1.25), HEAD, scaled=True)
    assert float(found.scale) == pytest.approx(1.25, abs=1e-9)
    np.testing.assert_allclose(found.apply(HEAD), transform.apply(HEAD * 1.25), atol=1e-8)


def noisy() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return truth().apply(HEAD) + rng.normal(0, 2, HEAD.shape), HEAD


def test_itk_finds_the_same_rigid_transform() -> None:
    fixed, moving = noisy()
    start = sitk.VersorRigid3DTransform()
    # ITK's result carries its fixed points to its moving points
    theirs = sitk.LandmarkBasedTransformInitializer(start, moving.ravel().tolist(), fixed.ravel().tolist())
    ours = fit(fixed, moving).apply(HEAD)
    np.testing.assert_allclose(ours, [theirs.TransformPoint(row) for row in HEAD.tolist()], atol=1e-6)


def test_vtk_finds_the_same_rigid_transform() -> None:
    fixed, moving = noisy()
    sets = [vtkPoints(), vtkPoints()]
    for points, rows in zip(sets, (moving, fixed), strict=True):
        points.SetDataTypeToDouble()
        for row in rows:
            points.InsertNextPoint(*row)
    theirs = vtkLandmarkTransform()
    theirs.SetModeToRigidBody()
    theirs.SetSourceLandmarks(sets[0])
    theirs.SetTargetLandmarks(sets[1])
    ours = fit(fixed, moving).apply(HEAD)
    np.testing.assert_allclose(ours, [theirs.TransformPoint(*row) for row in HEAD], atol=1e-4)


@pytest.mark.parametrize("scaled", [False, True])
def test_no_small_step_away_is_better(scaled: bool) -> None:
    """The least squares are least: every small turn, shift and growth makes the weighted sum larger."""
    fixed, moving = noisy()
    weights = np.array([1.0, 2.0, 0.5, 3.0, 1.0, 4.0])
    found = fit(fixed, moving, weights, scaled)
    best = (weights * ((fixed - found.apply(moving)) ** 2).sum(axis=1)).sum()
    rng = np.random.default_rng(0)
    for _ in range(200):
        step = rng.normal(0, 1e-4, 3)
        turn = np.eye(3) + np.cross(np.eye(3), step)
        carried = found.apply(moving) @ turn.T + rng.normal(0, 1e-3, 3)
        carried = carried * (1 + rng.normal(0, 1e-4)) if scaled else carried
        assert (weights * ((fixed - carried) ** 2).sum(axis=1)).sum() > best


def test_a_mirror_image_is_never_fitted_by_mirroring() -> None:
    """The best orthogonal matrix between mirrored points has the determinant −1; a rotation is what is wanted."""
    found = fit(HEAD * [-1, 1, 1], HEAD)
    assert np.linalg.det(found.linear) == pytest.approx(1.0)
    mirrored = fit(HEAD * [-1, 1, 1], HEAD, mirrored=True)
    np.testing.assert_allclose(mirrored.apply(HEAD), HEAD * [-1, 1, 1], atol=1e-9)


def test_many_sets_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    many = truth().apply(LONG) + rng.normal(0, 1, (50, *LONG.shape))
    together = fit(many, LONG, scaled=True).matrix()
    np.testing.assert_allclose(together, [fit(one, LONG, scaled=True).matrix() for one in many], atol=1e-12)


def test_flat_points_are_fitted() -> None:
    np.testing.assert_allclose(fit(truth().apply(SQUARE), SQUARE).matrix(), truth().matrix, atol=1e-9)


def test_equal_precisions_are_the_closed_form() -> None:
    fixed, moving = noisy()
    found = fit_by_precision(fixed, moving, np.tile(np.eye(3) * 4.0, (6, 1, 1)))
    np.testing.assert_allclose(found.matrix(), fit(fixed, moving).matrix(), atol=1e-9)


def test_a_depth_that_is_badly_known_counts_less() -> None:
    """Errors of 2 mm along z and 0.2 mm across: weighing by them is better at the target, over many draws."""
    rng = np.random.default_rng(2)
    sd = np.array([0.2, 0.2, 2.0])
    precision = np.tile(np.diag(1 / sd**2), (len(HEAD), 1, 1))
    target = np.array([[28.0, 18.0, 24.0]])
    errors = []
    for _ in range(300):
        fixed = HEAD + rng.normal(0, 1, HEAD.shape) * sd
        pair = fit_by_precision(fixed, HEAD, precision), fit(fixed, HEAD)
        errors.append([np.linalg.norm((found.apply(target) - target)[0, :2]) for found in pair])
    weighed, alike = np.sqrt((np.array(errors) ** 2).mean(axis=0))
    assert weighed < 0.75 * alike


def test_swaps_are_all_of_them() -> None:
    orders = pair_swaps(5)
    assert len(orders) == 10
    assert all((order != np.arange(5)).sum() == 2 for order in orders)


def test_flatness_of_a_line_is_none() -> None:
    along, across = flatness(np.outer(np.arange(5.0), [1.0, 2.0, 2.0]))
    assert along == pytest.approx(3 * np.sqrt(2))
    assert across == pytest.approx(0.0, abs=1e-9)


def test_frames_are_those_that_were_fitted() -> None:
    assert Transform(RAS, LPS, fit(HEAD, HEAD).matrix()).is_rigid
