"""How sure a boundary is: how far apart the surfaces of a slightly higher and a slightly lower threshold lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.volume import Volume
from surgplan.segment.region import Region

SAMPLED = 20_000
FARTHEST_MM = 20.0
"""Where the intensity hardly changes, no distance can be told: it counts as this much."""


@dataclass(frozen=True)
class Certainty:
    """Distance between the surfaces at `level` ± `by_hu`, mm, over the structure's boundary."""

    name: str
    level: float
    by_hu: float
    median_mm: float
    p95_mm: float
    max_mm: float


def certainty(volume: Volume, name: str, region: Region, level: float, by_hu: float) -> Certainty | None:
    """The distance, to first order: twice `by_hu` over the steepness of the intensity at the boundary.

    At most `SAMPLED` boundary voxels are looked at, evenly chosen: those of the structure that have a neighbour by a
    face which is none of its. None when the structure has no such voxel inside the scan.
    """
    block = region.grown((1, 1, 1))
    mask = block.mask
    inside = mask[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for step in (slice(0, -2), slice(2, None)):
            at = [slice(1, -1)] * 3
            at[axis] = step
            inside &= mask[tuple(at)]
    kji = np.argwhere(mask[1:-1, 1:-1, 1:-1] & ~inside) + np.array(block.box.start) + 1
    if not len(kji):
        return None
    kji = kji[:: -(-len(kji) // SAMPLED)]
    slope = np.zeros(len(kji))
    for axis, spacing in enumerate(block.spacing_kji):
        ahead, behind = kji.copy(), kji.copy()
        ahead[:, axis] += 1
        behind[:, axis] -= 1
        change = volume.array[tuple(ahead.T)].astype(np.float64) - volume.array[tuple(behind.T)]
        slope += (change / (2 * spacing)) ** 2
    apart = np.minimum(2 * by_hu / np.maximum(np.sqrt(slope), 1e-6), FARTHEST_MM)
    median, most, farthest = (float(value) for value in np.quantile(apart, (0.5, 0.95, 1.0)))
    return Certainty(name, level, by_hu, round(median, 3), round(most, 3), round(farthest, 3))


def told_certainty(sure: Certainty) -> Finding:
    """The finding about it."""
    limit = f"{FARTHEST_MM:g} mm and more where the intensity hardly changes"
    measured = f"between {sure.level - sure.by_hu:g} and {sure.level + sure.by_hu:g} the surface moves by"
    measured += f" {sure.median_mm:.2f} mm (median), {sure.p95_mm:.2f} mm (95 %), {sure.max_mm:.2f} mm (most);"
    measured += f" {limit}"
    return Finding(
        "certainty", Level.NOTE, measured, source="steepness at the boundary, first order", subject=sure.name
    )
