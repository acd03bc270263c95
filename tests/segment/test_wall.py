"""The wall of a dissected aorta, followed where its lumen does not fill it: on a phantom whose wall is known."""

import numpy as np
import pytest

from surgplan.findings import Level
from surgplan.model.points import Landmark, PointSet
from surgplan.segment.stage import Given, SegmentParams, segment
from tests.segment.shapes import grid, places, scan

VESSEL = {"landmarks": ["aorta"], "neck_mm": 9.0, "second_hu": (100, 420), "wall_mm": 10.0, "follow_wall": True}
FULL_ABOVE, ENDS_AT, BOTTOM = 10.0, -30.0, -52.5


def phantom(ends=False):
    """A vessel 28 mm wide that runs aslant beside a vertebra, in fat and lung; below, all but a crescent is unmixed."""
    where = grid((56, 64, 70), (1.5, 1.5, 1.5))
    x, y, z = (np.asarray(axis) for axis in places(where))
    middle = 0.15 * (z - FULL_ABOVE)
    away = np.hypot(x - middle, y)
    vessel = away <= 14.0
    array = np.full(where.shape, -90.0)
    array[np.broadcast_to(x - middle > 10, where.shape)] = -850  # lung on the left
    array[np.broadcast_to(np.hypot(x + 4, y - 36) <= 19, where.shape)] = 700  # vertebra behind it
    array[np.broadcast_to(np.hypot(x + 4, y - 36) <= 16, where.shape)] = 160
    array[vessel] = 350
    below = np.broadcast_to(z < FULL_ABOVE, where.shape)
    array[vessel & below] = 55
    array[vessel & below & np.broadcast_to(y < -7, where.shape)] = 420
    if ends:
        gone = np.broadcast_to(z < ENDS_AT, where.shape)
        array[vessel & gone] = -90
    array += np.random.default_rng(1).normal(0, 20, where.shape)
    seed = Given(PointSet([Landmark("aorta", (3.0, 0.0, 30.0))]))
    return scan(where, array), np.broadcast_to(vessel, where.shape), seed


def found(volume, seed, **changes):
    table = {"name": "aorta", "method": "vessel", "threshold_hu": (250, 700), "vessel": VESSEL | changes}
    result = segment(volume, SegmentParams.model_validate({"structures": [table | {"keep_largest": 1}]}), seed)
    return result.labels.array > 0, {each.check: each for each in result.findings}


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_the_wall_is_followed_where_the_lumen_is_a_crescent():
    volume, vessel, seed = phantom()
    mask, told = found(volume, seed)
    assert dice(mask, vessel) > 0.95
    plain, _ = found(volume, seed, follow_wall=False)
    assert dice(plain, vessel) < 0.85
    assert told["vessel wall"].level is Level.NOTE
    assert float(told["vessel wall"].measured.split()[-2]) == pytest.approx(FULL_ABOVE - BOTTOM, abs=6)


def test_it_ends_where_the_vessel_does():
    volume, vessel, seed = phantom(ends=True)
    mask, _ = found(volume, seed)
    z = places(volume.grid)[2].ravel()
    assert mask[z < ENDS_AT - 12].sum() == 0
    assert dice(mask[z > ENDS_AT + 6], vessel[z > ENDS_AT + 6]) > 0.95


def test_slices_that_lie_otherwise_are_told():
    volume = phantom()[0]
    turned = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    where = grid((56, 64, 70), (1.5, 1.5, 1.5), turned)
    lying = scan(where, volume.array)
    given = Given(PointSet([Landmark("aorta", turned @ np.array([3.0, 0.0, 30.0]))]))
    _, told = found(lying, given)
    assert told["vessel wall"].level is Level.WARN
