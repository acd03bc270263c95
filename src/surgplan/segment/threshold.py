"""Which voxels lie between two intensities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Volume
from surgplan.segment.region import Box, Mask, Region


def threshold(volume: Volume, low: float, high: float) -> Region:
    """The voxels with low ≤ intensity ≤ high (HU for CT), in the smallest box that holds them.

    When there are none, the box is the first voxel and the mask is empty.
    """
    array = volume.array
    box = _box(array, low, high)
    mask = np.empty(box.shape, dtype=np.bool_)
    for at, plane in enumerate(array[box.slices]):
        between(plane, low, high, mask[at])
    return Region(volume.grid, box, mask)


def between(array: NDArray[Any], low: float, high: float, out: Mask | None = None) -> Mask:
    """Which values are at least `low` and at most `high`; whole numbers are compared as such, without widening."""
    if out is None:
        out = np.empty(array.shape, dtype=np.bool_)
    bottom, top = _limits(array.dtype, low, high)
    if bottom is None or top is None:
        out[...] = False
        return out
    np.greater_equal(array, bottom, out=out)
    if array.dtype.kind == "f" or top < np.iinfo(array.dtype).max:
        out &= array <= top
    return out


def _limits(dtype: np.dtype[Any], low: float, high: float) -> tuple[Any, Any]:
    """The limits in the array's own type; None when no value of that type lies between them."""
    if dtype.kind == "f":
        return dtype.type(low), dtype.type(high)
    kind = np.iinfo(dtype)
    bottom, top = math.ceil(max(low, kind.min)), math.floor(min(high, kind.max))
    return (None, None) if bottom > top else (dtype.type(bottom), dtype.type(top))


def _box(array: NDArray[Any], low: float, high: float) -> Box:
    """The smallest box around the values between the limits; plane by plane, so that nothing large is made."""
    rows = np.zeros(array.shape[1], dtype=np.bool_)
    columns = np.zeros(array.shape[2], dtype=np.bool_)
    planes = np.zeros(array.shape[0], dtype=np.bool_)
    chosen = np.empty(array.shape[1:], dtype=np.bool_)
    for k, plane in enumerate(array):
        between(plane, low, high, chosen)
        columns_here = chosen.any(axis=0)
        if columns_here.any():
            planes[k] = True
            columns |= columns_here
            rows |= chosen.any(axis=1)
    ends = [np.flatnonzero(axis) for axis in (planes, rows, columns)]
    if not len(ends[0]):
        return Box((0, 0, 0), (1, 1, 1))
    first, last = [int(axis[0]) for axis in ends], [int(axis[-1]) + 1 for axis in ends]
    return Box((first[0], first[1], first[2]), (last[0], last[1], last[2]))
