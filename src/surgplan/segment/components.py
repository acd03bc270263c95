"""Connected parts of a structure: which to keep, and which cavities to fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.model.frames import Array
from surgplan.segment.region import Region
from surgplan.segment.runs import Ints, Runs, connected, runs_of


@dataclass(frozen=True, eq=False)
class Parts:
    """Connected parts, told by their runs: `of_run` (n,) says to which part each run belongs."""

    region: Region
    runs: Runs
    of_run: Ints

    @property
    def voxels(self) -> Ints:
        """(p,) voxels of each part."""
        return np.bincount(self.of_run, weights=self.runs.lengths).astype(np.int64)

    @property
    def volumes_mm3(self) -> Array:
        """(p,) volume of each part, mm³."""
        return np.asarray(self.voxels * self.region.grid.voxel_volume_mm3, dtype=np.float64)

    def centre(self, part: int) -> Array:
        """(3,) centroid of a part, LPS mm."""
        chosen = self.of_run == part
        lengths = self.runs.lengths[chosen]
        i, j, k = (index[chosen] for index in self.runs.ijk)
        middle = [np.average(axis, weights=lengths) for axis in (i + (lengths - 1) / 2, j, k)]
        return self.region.grid.lps_from_ijk.apply(np.array(middle) + self.region.box.start[::-1])


@dataclass(frozen=True)
class Dropped:
    """Parts that were dropped: how many, their volume, and the largest one with its place (LPS mm)."""

    count: int = 0
    volume_mm3: float = 0.0
    largest_mm3: float = 0.0
    largest_at: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def and_also(self, later: Dropped) -> Dropped:
        """What two passes dropped together."""
        larger = max(self, later, key=lambda dropped: dropped.largest_mm3)
        count, volume_mm3 = self.count + later.count, self.volume_mm3 + later.volume_mm3
        return Dropped(count, volume_mm3, larger.largest_mm3, larger.largest_at)


def parts_of(region: Region) -> Parts:
    """The parts of a region; voxels hang together when they share a face."""
    runs = runs_of(region.mask)
    return Parts(region, runs, connected(runs))


def keep_parts(region: Region, largest: int | None = None, min_volume_mm3: float = 0.0) -> tuple[Region, Dropped]:
    """The `largest` so many parts that have at least `min_volume_mm3`; what was dropped is told.

    Of parts with the same volume, the one that comes first in the array counts as larger.
    """
    if largest is None and min_volume_mm3 <= 0:
        return region, Dropped()
    parts = parts_of(region)
    volumes = parts.volumes_mm3
    order = np.argsort(-volumes, kind="stable")
    kept = np.zeros(len(volumes), dtype=np.bool_)
    kept[order[:largest]] = True
    kept &= volumes >= min_volume_mm3
    if kept.all():
        return region, Dropped()
    biggest = next(int(part) for part in order if not kept[part])
    x, y, z = (float(value) for value in parts.centre(biggest))
    gone = volumes[~kept]
    told = Dropped(len(gone), float(gone.sum()), float(volumes[biggest]), (x, y, z))
    return _without(parts, ~kept).trimmed(), told


def keep_touching(region: Region, seed: Region) -> Region:
    """Only the parts that hold a voxel of `seed`, which lies within the same box."""
    parts = parts_of(region)
    seeds = runs_of(region.mask & seed.within(region.box).mask)
    hit = np.zeros(len(parts.voxels), dtype=np.bool_)
    hit[parts.of_run[np.searchsorted(parts.runs.start, seeds.start, side="right") - 1]] = True
    return region if hit.all() else _without(parts, ~hit)


def _without(parts: Parts, dropped: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Region:
    """The region without the dropped parts, by clearing these or by drawing the others: whichever is less work."""
    voxels = parts.voxels
    chosen = dropped[parts.of_run]
    if voxels[dropped].sum() > voxels[~dropped].sum():
        mask = np.zeros(parts.region.box.shape, dtype=np.bool_)
        parts.runs.paint(mask, ~chosen, True)
    else:
        mask = parts.region.mask.copy()
        parts.runs.paint(mask, chosen, False)
    return parts.region.with_mask(mask)


def fill_cavities(region: Region, up_to_mm3: float = float("inf")) -> tuple[Region, int, float]:
    """Fill the cavities up to a volume; returns how many were filled, and what they hold together, mm³.

    A cavity is a part of the background with no way out of the structure, not even through the edge or corner between
    two voxels. What is open at the scan's end is no cavity.
    """
    region = region.trimmed()
    runs = runs_of(~region.mask)
    of_run = connected(runs, corners=True)
    if not len(of_run):
        return region, 0, 0.0
    nk, nj, ni = runs.shape
    i, j, k = runs.ijk
    at_edge = (i == 0) | (i + runs.lengths == ni) | (j == 0) | (j == nj - 1) | (k == 0) | (k == nk - 1)
    volumes = np.bincount(of_run, weights=runs.lengths) * region.grid.voxel_volume_mm3
    cavity = (np.bincount(of_run, weights=at_edge) == 0) & (volumes <= up_to_mm3)
    if not cavity.any():
        return region, 0, 0.0
    mask = region.mask.copy()
    runs.paint(mask, cavity[of_run], True)
    return region.with_mask(mask), int(cavity.sum()), float(volumes[cavity].sum())
