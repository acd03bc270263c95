"""Axes and resampling. Truth: places in LPS, and scipy's zoom with pixels that have an extent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from surgplan.model.volume import Grid
from surgplan.segment.networks.axes import Turn, count_at, resampled
from tests.property.strategies import AXIS_TURNS

CODES = [a + b + c for a in "LRAPIS" for b in "LRAPIS" for c in "LRAPIS"]
CODES = [code for code in CODES if all(sum(x in code for x in pair) == 1 for pair in ("LR", "AP", "IS"))]
UNIT = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


@given(st.sampled_from([turn for turn in AXIS_TURNS if np.linalg.det(turn) > 0]), st.sampled_from(CODES))
@settings(deadline=None)
def test_every_axis_of_the_network_grows_where_its_letter_says(axes, code):
    grid = Grid((3, 4, 5), (1, 2, 3), (10, 20, 30), axes)
    i, j, k = np.meshgrid(range(3), range(4), range(5), indexing="ij")
    places = grid.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(3, 4, 5, 3)
    turn = Turn.to(grid, code)
    along = np.stack([turn.apply(places[..., axis].transpose(2, 1, 0)) for axis in range(3)], axis=-1)
    for axis, letter in enumerate(code):
        step = np.diff(along, axis=axis).reshape(-1, 3)
        np.testing.assert_allclose(
            step, np.array(UNIT[letter]) * turn.spacing(grid)[axis] + np.zeros_like(step), atol=1e-9
        )


def test_an_oblique_grid_takes_the_nearest_axes_and_views_write_through():
    angle = np.radians(20)
    axes = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    turn = Turn.to(Grid((3, 4, 5), (1, 1, 1), (0, 0, 0), axes), "SAR")
    assert (turn.order, turn.turned) == ((0, 1, 2), (False, True, True))
    array = np.zeros((5, 4, 3))
    turn.apply(array)[0, 0, 0] = 7
    assert array[0, 3, 2] == 7


@pytest.mark.parametrize("counts", [(7, 20, 13), (13, 9, 31), (10, 11, 12), (1, 40, 12)])
@pytest.mark.parametrize("order", [("nearest", 0), ("linear", 1), ("cubic", 3)])
def test_resampling_is_that_of_scipy(counts, order):
    name, spline = order
    array = np.random.default_rng(1).normal(size=(10, 11, 12)).astype(np.float32)
    wanted = zoom(
        array, np.array(counts) / array.shape, order=spline, grid_mode=True, mode="nearest" if spline < 2 else "mirror"
    )
    found = resampled(array, counts, (name,) * 3)
    assert found.shape == counts
    if name == "nearest":
        assert np.mean(found == wanted) > 0.75  # halves are rounded one way or the other
        assert set(np.unique(found)) <= set(np.unique(array))
        return
    inner = tuple(slice(n // 4, n - n // 4) if n > 4 else slice(None) for n in counts)
    np.testing.assert_allclose(found[inner], np.clip(wanted, array.min(), array.max())[inner], atol=1e-4)


def test_a_straight_line_stays_straight():
    line = np.linspace(0, 19, 20, dtype=np.float32).reshape(20, 1, 1)
    for name in ("linear", "cubic"):
        found = resampled(line, (53, 1, 1), (name,) * 3)[:, 0, 0]
        places = (np.arange(53) + 0.5) * 20 / 53 - 0.5
        inside = (places > 3) & (places < 16)
        np.testing.assert_allclose(found[inside], places[inside], atol=0.01)


@pytest.mark.parametrize(("count", "ours", "theirs", "wanted"), [(100, 1, 1.5, 67), (3, 1, 9, 1), (512, 0.7, 1.5, 239)])
def test_the_extent_decides_the_count(count, ours, theirs, wanted):
    assert count_at(count, ours, theirs) == wanted
