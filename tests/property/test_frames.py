"""What must hold for any transform and any grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from surgplan.errors import FrameMismatch
from surgplan.model.frames import IJK, LPS, PRINT, RAS, Frame, Transform
from surgplan.model.points import PointSet
from surgplan.model.volume import Grid, right_handed
from tests.property.strategies import (
    AXIS_TURNS,
    Array,
    affine_transforms,
    frames,
    grids,
    point_sets,
    positions,
    rigid_transforms,
    rotations,
)


@given(rigid_transforms(), point_sets())
def test_going_there_and_back_changes_nothing(transform: Transform, points: PointSet) -> None:
    back = transform.inverse() @ (transform @ points)
    assert back.frame == points.frame
    assert [point.name for point in back] == [point.name for point in points]
    assert_allclose(back.positions, points.positions, atol=1e-9)


@given(affine_transforms(), positions)
def test_the_inverse_of_any_affine_transform_leads_back(transform: Transform, place: Array) -> None:
    assert_allclose(transform.inverse().apply(transform.apply(place)), place, atol=1e-8)
    assert transform.inverse().inverse().fixed == transform.fixed


@given(rigid_transforms(RAS, LPS), affine_transforms(PRINT, RAS), positions)
def test_one_after_the_other_is_their_product(first: Transform, second: Transform, place: Array) -> None:
    product = second @ first
    assert (product.fixed, product.moving) == (PRINT, LPS)
    assert_allclose(product.apply(place), second.apply(first.apply(place)), atol=1e-8)
    assert_allclose(product.inverse().matrix, (first.inverse() @ second.inverse()).matrix, atol=1e-8)


@given(rigid_transforms(RAS, LPS), rigid_transforms(PRINT, RAS), rigid_transforms(IJK, PRINT))
def test_brackets_do_not_matter(a: Transform, b: Transform, c: Transform) -> None:
    assert_allclose(((c @ b) @ a).matrix, (c @ (b @ a)).matrix, atol=1e-8)


@given(rigid_transforms(), positions, positions)
def test_rigid_transforms_keep_distances(transform: Transform, one: Array, other: Array) -> None:
    assert transform.is_rigid
    moved = np.linalg.norm(transform.apply(one) - transform.apply(other))
    assert moved == pytest.approx(np.linalg.norm(one - other), abs=1e-9)


@given(frames, frames, frames, rotations())
def test_frames_that_do_not_meet_cannot_be_joined(a: Frame, b: Frame, c: Frame, turn: Array) -> None:
    assume(len({a, b, c}) == 3)
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    one, other = Transform(a, b, matrix), Transform(c, a, matrix)
    assert (other @ one).moving == b
    with pytest.raises(FrameMismatch):
        one @ other
    with pytest.raises(FrameMismatch):
        one @ PointSet((), c)
    with pytest.raises(FrameMismatch):
        one @ one


@given(rotations(), st.floats(0.01, 100), st.sampled_from(range(3)))
def test_what_mirrors_is_no_transform(turn: Array, scale: float, axis: int) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = turn * scale
    matrix[:3, axis] *= -1
    with pytest.raises(ValueError, match="left would become a right"):
        Transform(RAS, LPS, matrix)


@given(grids(), positions)
def test_voxel_and_world_lead_into_each_other(grid: Grid, place: Array) -> None:
    assert_allclose(grid.lps_from_ijk.apply(grid.ijk_from_lps.apply(place)), place, atol=1e-7)
    assert_allclose(grid.lps_from_ijk.apply((0, 0, 0)), grid.origin, atol=1e-9)
    step = grid.lps_from_ijk.apply((0, 0, 1)) - grid.origin
    assert_allclose(step, grid.direction[:, 2] * grid.spacing[2], atol=1e-9)


@given(grids())
def test_a_grid_holds_its_voxels_and_nothing_beyond_them(grid: Grid) -> None:
    top = np.array(grid.size) - 1
    inside = grid.lps_from_ijk.apply([(0, 0, 0), top, top / 2, top + 0.499, (-0.499, -0.499, -0.499)])
    beyond = grid.lps_from_ijk.apply([np.add(top, (0.501, 0, 0)), np.add(top, (0, 0.501, 0)), (0, 0, -0.501)])
    assert grid.contains(inside).all()
    assert not grid.contains(beyond).any()
    assert_allclose(grid.corners.mean(axis=0), grid.centre, atol=1e-9)


@given(grids(), st.sampled_from(AXIS_TURNS))
def test_every_voxel_keeps_its_place_when_a_grid_is_made_right_handed(grid: Grid, turn: Array) -> None:
    """Any direction, flipped and permuted in all 48 ways: the value of a voxel stays where it was in the patient."""
    direction = grid.direction @ turn
    array = np.arange(np.prod(grid.size)).reshape(grid.shape)
    made, values = right_handed(grid.size, grid.spacing, grid.origin, direction, array)
    assert np.linalg.det(made.direction) > 0
    k, j, i = np.unravel_index(np.arange(array.size), grid.shape)
    there = grid.origin + (np.stack([i, j, k], axis=1) * grid.spacing) @ direction.T
    index = np.rint(made.ijk_from_lps.apply(there)).astype(int)
    assert_allclose(made.lps_from_ijk.apply(index), there, atol=1e-7)
    np.testing.assert_array_equal(values[index[:, 2], index[:, 1], index[:, 0]], array.ravel())


@given(grids(), st.tuples(*[st.integers(-3, 6)] * 3), st.tuples(*[st.integers(1, 4)] * 3))
def test_a_part_of_a_grid_lies_where_it_lay(grid: Grid, start: tuple[int, ...], size: tuple[int, ...]) -> None:
    part = grid.cropped(start, size)
    assert part.size == size
    assert_allclose(part.lps_from_ijk.apply((0, 1, 2)), grid.lps_from_ijk.apply(np.add(start, (0, 1, 2))), atol=1e-7)


def test_lps_is_frame_of_grids() -> None:
    grid = Grid((2, 2, 2), (1, 1, 1), (0, 0, 0))
    assert (grid.lps_from_ijk.fixed, grid.lps_from_ijk.moving) == (LPS, IJK)
