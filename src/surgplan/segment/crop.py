"""Keeping the part of a region that lies in a box, in a ball, or on one side of the patient."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.model.frames import Array
from surgplan.model.volume import Grid
from surgplan.segment.region import Box, Region

Floats = NDArray[np.float32]


def places(grid: Grid, box: Box) -> list[Floats]:
    """LPS x, y and z of the voxels' centres in a box, mm: three arrays that broadcast to its shape (k, j, i)."""
    steps = [np.arange(a, b) for a, b in zip(box.start, box.stop, strict=True)]
    kji = [steps[0][:, None, None], steps[1][None, :, None], steps[2][None, None, :]]
    matrix = grid.lps_from_ijk.matrix
    told = []
    for row in matrix[:3]:
        value: NDArray[np.float64] = np.full((1, 1, 1), row[3])
        for axis in range(3):
            if row[axis]:
                value = value + row[axis] * kji[2 - axis]
        told.append(value.astype(np.float32))
    return told


def block_of(grid: Grid, low: ArrayLike, high: ArrayLike) -> Box:
    """The voxels of the grid whose centres can lie between two corners, LPS mm; at least one voxel."""
    ends = np.array(np.meshgrid(*zip(np.asarray(low), np.asarray(high), strict=True), indexing="ij")).reshape(3, -1).T
    ijk = grid.ijk_from_lps.apply(ends)
    top = np.array(grid.size)
    first = np.clip(np.floor(ijk.min(axis=0)).astype(int), 0, top - 1)
    last = np.clip(np.ceil(ijk.max(axis=0)).astype(int) + 1, first + 1, top)
    return Box((first[2], first[1], first[0]), (last[2], last[1], last[0]))


def ball(grid: Grid, centre: Array, radius_mm: float) -> Region:
    """The voxels whose centres lie at most `radius_mm` from a point, LPS mm."""
    box = block_of(grid, centre - radius_mm, centre + radius_mm)
    x, y, z = places(grid, box)
    mask = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 <= radius_mm**2
    return Region(grid, box, np.broadcast_to(mask, box.shape).copy())


def keep_ball(region: Region, centre: Array, radius_mm: float) -> Region:
    """What lies at most `radius_mm` from a point, LPS mm."""
    x, y, z = places(region.grid, region.box)
    mask = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 <= radius_mm**2
    return region.with_mask(region.mask & mask)


def keep_box(region: Region, low: ArrayLike, high: ArrayLike) -> Region:
    """What lies between two corners of a box along the patient's axes, LPS mm."""
    mask = region.mask.copy()
    ends = zip(places(region.grid, region.box), np.asarray(low), np.asarray(high), strict=True)
    for value, least, most in ends:
        mask &= (value >= least) & (value <= most)
    return region.with_mask(mask)


def keep_side(region: Region, side: Literal["left", "right"], middle: float) -> Region:
    """What lies left or right of a plane x = `middle`, LPS mm; LPS x grows to the patient's left."""
    x = places(region.grid, region.box)[0]
    return region.with_mask(region.mask & (x > middle if side == "left" else x < middle))
