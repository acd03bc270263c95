"""How much memory a segmentation will take beside the scan, told before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.model.volume import Grid
from surgplan.segment.coarse import steps_for
from surgplan.segment.stage import SegmentParams

KEPT_BYTES, KEPT_STRUCTURES = 0.5, 10
"""Each structure's mask is kept for those after it: of one byte a voxel, in a box that is smaller than the scan."""


@dataclass(frozen=True)
class Need:
    """Bytes for each voxel of the scan, and for each voxel of a coarser grid on which the method works."""

    fine: float
    coarse: float = 0.0
    step_mm: float = 1.0


NEEDS = {
    "threshold": Need(8),
    "hysteresis": Need(12),
    "local": Need(18),
    "otsu": Need(8),
    "grow": Need(8, 40, 1.5),
    "split": Need(8, 40, 1.5),
    "vessel": Need(8, 28, 1.5),
    "tubes": Need(60),
    "contrast": Need(8, 28, 2.0),
    "airway": Need(8, 28, 1.0),
    "lung": Need(8, 28, 2.0),
    "body": Need(8, 20, 3.0),
    "pelvis": Need(8, 40, 2.0),
    "mask": Need(8),
    "network": Need(8),
    "totalsegmentator": Need(8),
}
"""Measured on a chest of 512 × 512 × 100 voxels: the largest resident size above what was held before, rounded up."""


def memory_bytes(grid: Grid, params: SegmentParams) -> int:
    """Bytes that the structures of a recipe should take at the most, beside the scan itself."""
    voxels = float(np.prod(grid.size, dtype=np.float64))
    most = max(_bytes_per_voxel(grid, NEEDS[structure.method]) for structure in params.structures)
    kept = KEPT_BYTES * min(len(params.structures), KEPT_STRUCTURES)
    return int(voxels * (most + kept))


def _bytes_per_voxel(grid: Grid, need: Need) -> float:
    return need.fine + need.coarse / float(np.prod(steps_for(grid, need.step_mm)))
