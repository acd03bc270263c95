"""Where patches lie, and how much each voxel of one counts.

Source: Isensee et al., nnU-Net 2, `sliding_window_prediction.py`: `compute_steps_for_sliding_window` and
`compute_gaussian`. The importance map is a blurred point, so it is the product of three one-dimensional ones.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIGMA_SHARE = 1 / 8
"""Standard deviation of the Gaussian, as a share of the patch."""
TRUNCATE = 4.0
"""How many standard deviations the Gaussian reaches."""


def starts(size: int, patch: int, overlap: float) -> list[int]:
    """First voxels of the patches along an axis of `size` voxels: evenly spread, from the first voxel to the last."""
    if size <= patch:
        return [0]
    steps = math.ceil((size - patch) / (patch * (1 - overlap))) + 1
    apart = (size - patch) / (steps - 1)
    return [int(np.round(apart * step)) for step in range(steps)]


@cache
def importance(patch: int) -> NDArray[np.float64]:
    """(patch,) how much a voxel at each place along one axis counts: 1 in the middle, never 0."""
    sigma = patch * SIGMA_SHARE
    radius = int(TRUNCATE * sigma + 0.5)
    away = np.arange(patch) - patch // 2
    weight = np.where(np.abs(away) <= radius, np.exp(-0.5 * (away / sigma) ** 2), 0.0)
    weight[weight == 0] = weight[weight > 0].min()
    weight.setflags(write=False)
    return weight


def total_importance(size: int, patch: int, overlap: float) -> NDArray[np.float64]:
    """(size,) what all patches along an axis count together at each voxel."""
    total = np.zeros(size)
    for first in starts(size, patch, overlap):
        total[first : first + patch] += importance(patch)
    return total
