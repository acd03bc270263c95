"""Connected parts and cavities, held against scipy's labelling and against shapes of known volume."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from surgplan.segment.components import (
    LISTED,
    Dropped,
    Part,
    Rule,
    fill_cavities,
    keep_parts,
    keep_touching,
    parts_of,
)
from surgplan.segment.runs import connected, runs_of
from tests.segment.shapes import ball, grid, region, scan, whole

FACES = ndimage.generate_binary_structure(3, 1)
CORNERS = ndimage.generate_binary_structure(3, 3)


@st.composite
def masks(draw):
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    density = draw(st.sampled_from([0.0, 0.1, 0.35, 0.6, 0.9, 1.0]))
    return np.random.default_rng(draw(st.integers(0, 2**32))).random(shape) < density


@settings(max_examples=200, deadline=None)
@given(masks(), st.booleans())
def test_parts_are_those_of_scipy(mask, corners):
    labels, count = ndimage.label(mask, CORNERS if corners else FACES)
    runs = runs_of(mask)
    numbers = connected(runs, corners)
    i, j, k = runs.ijk
    pairs = set(zip(numbers.tolist(), labels[k, j, i].tolist(), strict=True))
    assert len(pairs) == count == len(np.unique(numbers))
    assert runs.lengths.sum() == mask.sum()


@settings(max_examples=100, deadline=None)
@given(masks())
def test_runs_paint_the_mask_that_they_came_from(mask):
    runs = runs_of(mask)
    painted = np.zeros_like(mask)
    runs.paint(painted, np.ones(len(runs.start), dtype=bool), True)
    np.testing.assert_array_equal(painted, mask)


def test_painting_in_portions_changes_nothing(monkeypatch):
    monkeypatch.setattr("surgplan.segment.runs.PAINTED_AT_ONCE", 7)
    test_runs_paint_the_mask_that_they_came_from()


@settings(max_examples=100, deadline=None)
@given(masks())
def test_without_limit_all_holes_are_filled_as_by_scipy(mask):
    given_region = region(mask)
    filled, cavities, volume_mm3 = fill_cavities(given_region)
    expected = ndimage.binary_fill_holes(mask, CORNERS)
    np.testing.assert_array_equal(whole(filled), expected)
    assert volume_mm3 == (expected & ~mask).sum()
    assert (cavities > 0) == (volume_mm3 > 0)


def three_balls():
    where = grid((80, 40, 30), (0.5, 0.5, 0.8))
    sizes = ((6.0, -12.0), (4.0, 2.0), (2.0, 12.0))
    mask = np.logical_or.reduce([ball(where, radius, (x, 0, 0)) for radius, x in sizes])
    return scan(where, np.where(mask, 1000, 0)), region(mask, where.spacing), sizes


@pytest.mark.parametrize("kept", [1, 2, 3, 9])
def test_the_largest_are_kept_and_the_others_told(kept):
    volume, balls, sizes = three_balls()
    left, faint, small = keep_parts(volume, balls, Rule(largest=kept))
    truth = [4 / 3 * np.pi * radius**3 for radius, _ in sizes]
    assert left.volume_mm3 == pytest.approx(sum(truth[:kept]), rel=0.03)
    assert faint.count == 0
    assert small.count == max(0, 3 - kept)
    assert small.volume_mm3 == pytest.approx(sum(truth[kept:]), rel=0.1)
    if kept < 3:
        assert small.largest_mm3 == pytest.approx(truth[kept], rel=0.1)
        np.testing.assert_allclose(small.parts[0].at, (sizes[kept][1], 0, 0), atol=0.05)


def test_parts_below_a_volume_are_dropped():
    volume, balls, _ = three_balls()
    left, _, small = keep_parts(volume, balls, Rule(min_volume_mm3=100))
    assert small.count == 1
    assert parts_of(left).volumes_mm3.min() > 100


def test_parts_without_a_dense_share_are_dropped():
    where = grid((60, 20, 20))
    table, bone = ball(where, 8, (-15, 0, 0)), ball(where, 6, (15, 0, 0))
    cortex = bone & ~ball(where, 5, (15, 0, 0))
    volume = scan(where, 300 * (table | bone) + 700.0 * cortex)
    left, faint, small = keep_parts(volume, region(table | bone), Rule(largest=1, dense=500))
    np.testing.assert_array_equal(whole(left), bone)
    assert (faint.count, small.count) == (1, 0)
    np.testing.assert_allclose(faint.parts[0].at, (-15, 0, 0), atol=0.01)


def test_nothing_is_left_when_no_part_is_large_enough():
    volume, balls, _ = three_balls()
    left, _, small = keep_parts(volume, balls, Rule(min_volume_mm3=1e6))
    assert (left.voxels, small.count) == (0, 3)


def test_only_what_touches_the_seed_is_kept():
    _, balls, _ = three_balls()
    seed = balls.with_mask(ball(balls.grid, 1.0, (2, 0, 0)))
    assert keep_touching(balls, seed).volume_mm3 == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.05)


def test_parts_that_share_only_an_edge_are_two():
    mask = np.zeros((2, 2, 2), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 0] = True
    assert len(parts_of(region(mask)).voxels) == 2


def shell(radius, thickness):
    where = grid((40, 40, 40))
    return region(ball(where, radius) & ~ball(where, radius - thickness))


def test_a_cavity_is_filled_when_it_is_small_enough():
    hollow = shell(12, 3)
    inner = 4 / 3 * np.pi * 9**3
    assert fill_cavities(hollow, 0.9 * inner)[1] == 0
    filled, cavities, volume_mm3 = fill_cavities(hollow, 1.1 * inner)
    assert cavities == 1
    assert volume_mm3 == pytest.approx(inner, rel=0.03)
    np.testing.assert_array_equal(whole(filled), ball(hollow.grid, 12))


def test_a_cavity_with_a_way_out_stays():
    hollow = shell(12, 3)
    hollow.mask[20, 20, 20:] = False
    assert fill_cavities(hollow)[1] == 0


def test_a_marrow_canal_that_the_scan_cuts_stays_open():
    where = grid((30, 30, 30))
    x, y, _ = np.meshgrid(*[np.arange(30) - 14.5] * 3, indexing="ij")[::-1]
    tube = (x**2 + y**2 <= 10**2) & (x**2 + y**2 > 6**2)
    assert fill_cavities(region(tube))[1] == 0
    assert where.shape == tube.shape


def test_every_small_part_is_listed_with_size_and_place_and_the_rest_are_summed():
    """One large ball and 40 blocks of known volume and place."""
    where = grid((120, 60, 60), (0.5, 1.0, 2.0))
    mask = ball(where, 12, (15.0, 0.0, 0.0))
    truth = []
    for number in range(40):
        i, j, k = 4 + 3 * (number % 10), 4 + 4 * (number // 10), 3 + number % 7
        size = 1 + number % 2
        mask[k, j, i : i + size] = True
        truth.append((size * 1.0, where.lps_from_ijk.apply(np.array([i + (size - 1) / 2, j, k]))))
    volume = scan(where, np.where(mask, 500, 0))
    _, _, small = keep_parts(volume, region(mask, (0.5, 1.0, 2.0)), Rule(largest=1))
    assert small.count == 40
    assert small.volume_mm3 == pytest.approx(sum(size for size, _ in truth))
    assert len(small.parts) == LISTED
    assert [part.volume_mm3 for part in small.parts] == sorted((part.volume_mm3 for part in small.parts), reverse=True)
    for part in small.parts:
        assert any(size == part.volume_mm3 and np.allclose(at, part.at, atol=1e-6) for size, at in truth)


def test_two_passes_are_listed_together_by_size():
    first = Dropped(2, 7.0, (Part(5.0, (0, 0, 0)), Part(2.0, (1, 0, 0))))
    later = Dropped(30, 40.0, tuple(Part(3.0, (n, 0, 0)) for n in range(LISTED)))
    both = first.and_also(later)
    assert (both.count, both.volume_mm3, both.largest_mm3, len(both.parts)) == (32, 47.0, 5.0, LISTED)
    assert [part.volume_mm3 for part in both.parts[:2]] == [5.0, 3.0]
