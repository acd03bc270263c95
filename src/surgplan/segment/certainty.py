"""How sure a boundary is: how far apart the surfaces of a slightly higher and a slightly lower threshold lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.volume import Volume
from surgplan.segment.components import fill_cavities, keep_touching
from surgplan.segment.crossings import crossings
from surgplan.segment.region import Box, Region
from surgplan.segment.threshold import between

SAMPLED = 20_000
"""At so many places of the boundary, evenly chosen, the distance is measured."""

FARTHEST_MM = 20.0
"""A surface that is farther away than this, or gone, counts as this much."""

REACH_MM = 8.0
"""So far around the structure the lower threshold's surface is looked for."""

BLOCK_VOXELS = 6_000_000
"""A larger structure is looked at in slabs, evenly spread, with as many voxels together."""

SLAB_MM = 30.0


@dataclass(frozen=True)
class Certainty:
    """Distance between the surfaces at `level` ± `by_hu`, mm, over the structure's boundary.

    The distance at a place of the boundary is that to the nearest place of the one surface plus that of the other.
    `places` tells at how many it was measured.
    """

    name: str
    level: float
    by_hu: float
    median_mm: float
    p95_mm: float
    max_mm: float
    places: int = 0


def certainty(volume: Volume, name: str, region: Region, level: float, by_hu: float) -> Certainty | None:
    """The distance between the two surfaces, where an intensity makes the structure's boundary.

    The lower threshold's surface bounds what hangs on the structure at that threshold, leaks too; the higher one's,
    what of the structure is still there, with what was filled inside it. Where neighbouring voxels tell that closing,
    filling or another structure made the boundary, nothing is measured. None when that is everywhere.
    """
    blocks = list(_blocks(region))
    found = [_apart(volume, region, box, level, by_hu, ceil(SAMPLED / len(blocks))) for box in blocks]
    apart = np.concatenate(found)
    if not len(apart):
        return None
    median, most, farthest = (float(value) for value in np.quantile(apart, (0.5, 0.95, 1.0)))
    return Certainty(name, level, by_hu, round(median, 3), round(most, 3), round(farthest, 3), len(apart))


def _blocks(region: Region) -> Iterator[Box]:
    """The structure's box with what is near, or slabs of it that are evenly spread along k."""
    k, j, i = (ceil(REACH_MM / step) for step in region.spacing_kji)
    whole = region.box.grown((k, j, i), region.grid.shape)
    plane = whole.shape[1] * whole.shape[2]
    if whole.shape[0] * plane <= BLOCK_VOXELS:
        yield whole
        return
    thick = max(2 * k + 1, round(SLAB_MM / region.spacing_kji[0]))
    count = max(1, min(BLOCK_VOXELS // (thick * plane), whole.shape[0] // thick))
    for middle in np.linspace(whole.start[0] + thick / 2, whole.stop[0] - thick / 2, count):
        first = max(whole.start[0], round(middle - thick / 2))
        last = min(first + thick, whole.stop[0])
        yield Box((first, *whole.start[1:]), (last, *whole.stop[1:]))


def _apart(volume: Volume, region: Region, box: Box, level: float, by_hu: float, most: int) -> Array:
    """(n,) distance of the two surfaces at places of the boundary within a box, mm."""
    own = _cropped(region, box)
    values = volume.array[box.slices]
    spacing = region.spacing_kji
    boundary = crossings(values, own.mask, level, spacing).points
    boundary = boundary[:: -(-len(boundary) // most) or 1]
    if not len(boundary):
        return np.zeros(0)
    low, high = level - by_hu, level + by_hu
    wide = keep_touching(own.with_mask(own.mask | between(values, low, float("inf"))), own)
    filled = own.mask & ~between(values, level, float("inf"))
    narrow = fill_cavities(own.with_mask(own.mask & (filled | between(values, high, float("inf")))))[0].within(box)
    apart = np.zeros(len(boundary))
    for mask, limit in ((wide.mask, low), (narrow.mask, high)):
        apart += np.minimum(crossings(values, mask, limit, spacing).distance(boundary), FARTHEST_MM)
    return np.minimum(apart, FARTHEST_MM)


def _cropped(region: Region, box: Box) -> Region:
    """The region's voxels within a box, which may hold a part of it only."""
    first = [max(a, b) for a, b in zip(region.box.start, box.start, strict=True)]
    last = [min(a, b) for a, b in zip(region.box.stop, box.stop, strict=True)]
    mask = np.zeros(box.shape, dtype=np.bool_)
    into = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, box.start, strict=True))
    out_of = tuple(slice(a - o, b - o) for a, b, o in zip(first, last, region.box.start, strict=True))
    mask[into] = region.mask[out_of]
    return Region(region.grid, box, mask)


def told_certainty(sure: Certainty) -> Finding:
    """The finding about it."""
    measured = f"between {sure.level - sure.by_hu:g} and {sure.level + sure.by_hu:g} the surface moves by"
    measured += f" {sure.median_mm:.2f} mm (median), {sure.p95_mm:.2f} mm (95 %), {sure.max_mm:.2f} mm (most)"
    measured += f" at {sure.places} places; {FARTHEST_MM:g} mm stands for more, and for a part that is gone"
    return Finding("certainty", Level.NOTE, measured, source="distance of the two surfaces", subject=sure.name)
