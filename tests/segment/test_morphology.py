"""Growing, shrinking and closing by millimetres, held against distances that need no program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from surgplan.segment.morphology import close_gaps, ellipsoid, grow, shrink
from surgplan.segment.packed import packed, unpacked
from tests.segment.shapes import ball, grid, region, whole

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.5, 1.25), (0.4, 0.7, 3.0)]


def test_packing_and_unpacking_gives_the_mask_back():
    random = np.random.default_rng(1)
    for shape in ((1, 1, 1), (3, 4, 63), (2, 5, 64), (4, 2, 65), (2, 2, 200)):
        mask = random.random(shape) < 0.5
        for margin in ((0, 0, 0), (1, 2, 3), (2, 0, 70)):
            np.testing.assert_array_equal(unpacked(packed(mask, margin), margin, shape), mask)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radius", [0.0, 1.0, 2.6, 4.0])
def test_a_point_grows_to_a_ball(spacing, radius):
    where = grid((41, 41, 41), spacing)
    point = np.zeros(where.shape, dtype=bool)
    point[20, 20, 20] = True
    np.testing.assert_array_equal(whole(grow(region(point, spacing), radius)), ball(where, radius + 1e-9))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("radius", [1.0, 2.6])
def test_growing_and_shrinking_are_by_distance(spacing, radius):
    mask = np.random.default_rng(2).random((24, 30, 90)) < 0.01
    sampling = spacing[::-1]
    to_mask = ndimage.distance_transform_edt(~mask, sampling)
    np.testing.assert_array_equal(whole(grow(region(mask, spacing), radius)), to_mask <= radius + 1e-9)
    padded = np.pad(~mask, 8)
    to_background = ndimage.distance_transform_edt(padded, sampling)[8:-8, 8:-8, 8:-8]
    np.testing.assert_array_equal(whole(shrink(region(~mask, spacing), radius)), to_background > radius + 1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("gap_voxels", [1, 2, 3, 5])
def test_a_gap_closes_when_it_is_as_wide_as_asked_and_not_when_much_wider(axis, spacing, gap_voxels):
    step = spacing[::-1][axis]
    slabs = np.zeros([30 if other == axis else 100 for other in range(3)], dtype=bool)
    both = np.moveaxis(slabs, axis, 0)
    both[5:10] = both[10 + gap_voxels : 15 + gap_voxels] = True
    gap = (slice(10, 10 + gap_voxels), slice(45, 55), slice(45, 55))
    wide = close_gaps(region(slabs, spacing), gap_voxels * step)
    assert np.moveaxis(whole(wide), axis, 0)[gap].all()
    narrow = close_gaps(region(slabs, spacing), max(0.0, (gap_voxels - 1.5) * step))
    assert not np.moveaxis(whole(narrow), axis, 0)[gap].any()


@pytest.mark.parametrize("spacing", SPACINGS)
def test_closing_keeps_a_ball_as_it_is(spacing):
    mask = ball(grid((40, 40, 40), spacing), 7.0)
    closed = whole(close_gaps(region(mask, spacing), 2.0))
    assert (closed & ~mask).sum() <= 0.01 * mask.sum()


def test_closing_adds_nothing_at_the_ends_of_the_scan():
    slab = np.zeros((20, 30, 30), dtype=bool)
    slab[2:18, 2:28, 2:28] = True
    np.testing.assert_array_equal(whole(close_gaps(region(slab), 6.0)), slab)
    full = np.ones((5, 6, 7), dtype=bool)
    np.testing.assert_array_equal(whole(close_gaps(region(full), 4.0)), full)


def test_closing_below_the_voxel_size_changes_nothing():
    mask = np.random.default_rng(5).random((10, 10, 10)) < 0.3
    np.testing.assert_array_equal(whole(close_gaps(region(mask, (1.0, 1.0, 2.0)), 0.9)), mask)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(SPACINGS), st.floats(0.3, 5.0))
def test_closing_only_adds_and_twice_is_once(seed, spacing, gap):
    mask = np.random.default_rng(seed).random((9, 11, 70)) < 0.15
    once = close_gaps(region(mask, spacing), gap)
    assert whole(once)[mask].all()
    np.testing.assert_array_equal(whole(close_gaps(once, gap)), whole(once))


def test_closing_is_that_of_scipy():
    mask = np.random.default_rng(6).random((12, 20, 70)) < 0.1
    rows = ellipsoid((2.0, 2.5, 3.0), (1.0, 1.0, 1.0))
    element = np.zeros((5, 5, 7), dtype=bool)
    for dk, dj, width in rows:
        element[2 + dk, 2 + dj, 3 - width : 4 + width] = True
    expected = ndimage.binary_closing(np.pad(mask, 8), element)[8:-8, 8:-8, 8:-8]
    from surgplan.segment.packed import dilated, eroded

    margin = (2, 2, 3)
    words = eroded(dilated(packed(mask, margin), rows), rows)
    np.testing.assert_array_equal(unpacked(words, margin, mask.shape), expected)
