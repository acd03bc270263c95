"""Bright spots: connected parts of a scan above a level, as boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Volume
from surgplan.segment.region import Mask
from surgplan.segment.runs import Ints, connected, runs_of


@dataclass(frozen=True, eq=False)
class Spots:
    """Parts by their boxes: `low` and `high` (one beyond), (n, 3) indices i, j, k."""

    low: Ints
    high: Ints

    def __len__(self) -> int:
        return len(self.low)


def _above(array: NDArray[Any], level: float) -> Mask:
    """Which values are greater; whole numbers are compared as such, without widening."""
    whole = array.dtype.kind in "iu" and abs(level) < np.iinfo(array.dtype).max
    return np.asarray(array > (array.dtype.type(math.floor(level)) if whole else level))


def bright_spots(volume: Volume, level: float, smallest_mm3: float, largest_mm: float) -> Spots:
    """The parts above a level of at least `smallest_mm3` and, along each axis of the grid, at most `largest_mm` (and a
    voxel).

    Voxels hang together when they share a corner: so thick slices do not tear a small body apart.
    """
    runs = runs_of(_above(volume.array, level))
    if not len(runs.start):
        none = np.zeros((0, 3), dtype=np.int64)
        return Spots(none, none)
    part = connected(runs, corners=True)
    order = np.argsort(part, kind="stable")
    first = np.flatnonzero(np.diff(part[order], prepend=-1))
    i, j, k = (index[order] for index in runs.ijk)
    lengths = runs.lengths[order]
    low = np.stack([np.minimum.reduceat(axis, first) for axis in (i, j, k)], axis=1)
    high = np.stack([np.maximum.reduceat(axis, first) for axis in (i + lengths, j + 1, k + 1)], axis=1)
    kept = ((high - low) * volume.grid.spacing <= largest_mm + volume.grid.spacing).all(axis=1)
    kept &= np.add.reduceat(lengths, first) * volume.grid.voxel_volume_mm3 >= smallest_mm3
    return Spots(low[kept], high[kept])
