"""Half height between inside and outside is where a blurred edge truly lies."""

import numpy as np
import pytest

from surgplan.segment.boundary import half_maximum
from surgplan.segment.components import Rule, keep_parts
from surgplan.segment.threshold import threshold
from tests.segment.shapes import ball, blurred_ball, grid, scan, whole

RADIUS = 15.0
VOLUME = 4 / 3 * np.pi * RADIUS**3
TOP = 3071.0


def cut(volume, low):
    start, _, _ = keep_parts(volume, threshold(volume, low, TOP), Rule(largest=1))
    return start, *half_maximum(volume, start, low, TOP)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.7), (1.0, 1.0, 1.0), (0.7, 0.7, 2.0)])
@pytest.mark.parametrize(
    ("inside", "outside", "low"),
    [(1200, 40, 250), (400, 40, 250), (60, -1000, -200), (300, -1000, 250)],
    ids=["bone", "soft bone", "skin", "threshold far too high"],
)
def test_the_volume_is_right_whatever_the_threshold(spacing, inside, outside, low):
    where = grid(np.ceil(44 / np.array(spacing)).astype(int), spacing)
    volume = blurred_ball(where, RADIUS, inside, outside, blur=0.6, noise=15)
    start, region, edge = cut(volume, low)
    assert edge.inside == pytest.approx(inside, abs=0.02 * (inside - outside))
    assert edge.outside == pytest.approx(outside, abs=0.02 * (inside - outside))
    assert edge.level == pytest.approx((inside + outside) / 2, abs=0.015 * (inside - outside))
    assert region.volume_mm3 == pytest.approx(VOLUME, rel=0.01)
    assert abs(region.volume_mm3 - VOLUME) <= abs(start.volume_mm3 - VOLUME)


def test_mask_and_level_agree():
    where = grid((60, 60, 60))
    volume = blurred_ball(where, RADIUS, 1000, 0, blur=1.0, noise=20)
    _, region, edge = cut(volume, 250)
    assert volume.array[whole(region)].min() >= edge.level
    near = ball(where, RADIUS + 1.5)
    assert volume.array[near & ~whole(region)].max() < edge.level


def test_what_was_dropped_does_not_grow_back():
    where = grid((60, 40, 40))
    big, small = ball(where, 10, (-8, 0, 0)), ball(where, 3, (7, 0, 0))
    volume = scan(where, -1000 + 1300.0 * (big | small))
    _, region, edge = cut(volume, 250)
    assert edge.level < 0
    np.testing.assert_array_equal(whole(region), big)


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        (scan(grid((30, 30, 30)), 240 + 60 * ball(grid((30, 30, 30)), 9)), "not clearly brighter"),
        (scan(grid((30, 30, 30)), np.where(ball(grid((30, 30, 30)), 2), 800, 0)), "too few voxels"),
        (scan(grid((9, 9, 9)), np.full((9, 9, 9), 700)), "too few voxels"),
    ],
    ids=["no contrast", "tiny", "fills the scan"],
)
def test_without_a_measurable_edge_the_threshold_stays_and_the_reason_is_told(volume, reason):
    start, region, edge = cut(volume, 250)
    assert edge.level is None
    assert reason in edge.reason
    assert region is start


def test_a_level_that_would_take_most_of_a_thin_structure_is_not_used():
    where = grid((60, 60, 60))
    plate = np.zeros(where.shape)
    plate[29:31, 5:55, 5:55] = 300
    plate[20:40, 20:40, 20:40] = 1600  # thick enough to tell a high typical intensity
    start, region, edge = cut(scan(where, plate), 250)
    assert edge.level is not None
    assert region.volume_mm3 < start.volume_mm3
    plate[29:31] = 300
    plate[10:12] = plate[48:50] = 300
    plate[10:50, 29:31] = 300
    start, region, edge = cut(scan(where, plate), 250)
    assert edge.level is None
    assert "too thin" in edge.reason
    assert region is start
