"""Patches and their importance. Truth: nnU-Net's published definition, by scipy's Gaussian filter, and its example."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from surgplan.segment.networks.tiles import importance, starts, total_importance


def test_the_example_of_the_definition():
    assert starts(110, 64, 0.5) == [0, 23, 46]


@pytest.mark.parametrize(
    ("size", "patch", "overlap", "wanted"),
    [
        (64, 64, 0.5, [0]),
        (10, 64, 0.5, [0]),
        (65, 64, 0.5, [0, 1]),
        (128, 64, 0.5, [0, 32, 64]),
        (129, 64, 0.5, [0, 22, 43, 65]),
        (128, 64, 0.0, [0, 64]),
        (100, 32, 0.25, [0, 23, 45, 68]),
    ],
)
def test_patches_are_spread_evenly(size, patch, overlap, wanted):
    assert starts(size, patch, overlap) == wanted


@given(st.integers(1, 400), st.integers(8, 128), st.floats(0, 0.9))
def test_patches_cover_every_voxel_and_stay_inside(size, patch, overlap):
    found = starts(size, patch, overlap)
    covered = np.zeros(max(size, patch), bool)
    for first in found:
        covered[first : first + patch] = True
    assert covered.all()
    assert found[-1] + patch == max(size, patch)
    assert all(b - a <= np.ceil(patch * (1 - overlap)) for a, b in pairwise(found))


@pytest.mark.parametrize("patch", [(16, 16, 16), (17, 8, 31), (64, 9, 12)])
def test_the_importance_map_is_a_blurred_point(patch):
    point = np.zeros(patch)
    point[tuple(size // 2 for size in patch)] = 1
    blurred = gaussian_filter(point, [size / 8 for size in patch], 0, mode="constant", cval=0)
    blurred /= blurred.max()
    blurred[blurred == 0] = blurred[blurred > 0].min()
    ours = np.einsum("a,b,c->abc", *(importance(size) for size in patch))
    np.testing.assert_allclose(ours, blurred, rtol=1e-9)


def test_what_all_patches_count_together_is_never_zero():
    total = total_importance(110, 64, 0.5)
    assert total.shape == (110,)
    assert total.min() > 0
    assert total[32] == pytest.approx(importance(64)[32] + importance(64)[32 - 23])
