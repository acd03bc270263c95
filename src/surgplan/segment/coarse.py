"""A coarser copy of a volume or region: what is large is found on it in a fraction of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Grid
from surgplan.segment.region import Box, Region

Steps = tuple[int, int, int]
Floats = NDArray[np.float32]


def steps_for(grid: Grid, step_mm: float) -> Steps:
    """How many voxels along k, j, i make one of about `step_mm`; at least one, and never more than the grid has."""
    i, j, k = (max(1, min(n, int(step_mm / space + 1e-6))) for n, space in zip(grid.size, grid.spacing, strict=True))
    return k, j, i


def coarse_grid(grid: Grid, steps: Steps) -> Grid:
    """The grid of blocks of `steps` voxels; what is left over at the far ends is dropped."""
    ijk = np.array(steps[::-1])
    origin = grid.lps_from_ijk.apply((ijk - 1) / 2)
    return Grid(tuple(np.array(grid.size) // ijk), grid.spacing * ijk, origin, grid.direction)


def averaged(array: NDArray[Any], steps: Steps, low: float, high: float) -> Floats:
    """Means of the blocks, (k, j, i), of intensities clamped to `low` … `high`."""
    shape = [n // s for n, s in zip(array.shape, steps, strict=True)]
    out = np.empty(shape, dtype=np.float32)
    nj, ni = shape[1] * steps[1], shape[2] * steps[2]
    for k in range(shape[0]):
        slab = array[k * steps[0] : (k + 1) * steps[0], :nj, :ni].clip(low, high)
        blocks = slab.reshape(steps[0], shape[1], steps[1], shape[2], steps[2])
        out[k] = blocks.mean(axis=(0, 2, 4), dtype=np.float32)
    return out


def coarsened(region: Region, steps: Steps, share: float = 0.5) -> Region:
    """The blocks of which at least `share` is the region's, on the coarse grid, in a box that is the whole grid."""
    grid = coarse_grid(region.grid, steps)
    whole = region.within(Box((0, 0, 0), region.grid.shape)).mask
    mask = averaged(whole.view(np.uint8), steps, 0, 1) >= share
    return Region(grid, Box((0, 0, 0), grid.shape), mask)


def refined_labels(labels: NDArray[np.uint8], steps: Steps, box: Box) -> NDArray[np.uint8]:
    """Each voxel of a box of the fine grid takes the label of its block (at the far ends, of the nearest one)."""
    index = [
        np.minimum(np.arange(a, b) // s, n - 1)
        for a, b, s, n in zip(box.start, box.stop, steps, labels.shape, strict=True)
    ]
    return labels[np.ix_(*index)]
