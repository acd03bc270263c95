"""Connected parts of a structure: which to keep, and which cavities to fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.volume import Volume
from surgplan.segment.combine import intersect
from surgplan.segment.morphology import grow
from surgplan.segment.region import Mask, Region
from surgplan.segment.runs import Ints, Runs, connected, runs_of
from surgplan.segment.threshold import between

DENSE_SHARE = 0.1
"""Of bone, a tenth and more reaches 500 HU (cortex); of contrast-filled vessels, tables and headrests, hardly any."""


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

    def shared(self, mask: Mask) -> Ints:
        """(p,) how many voxels of each part are also in another mask of the same box."""
        both = runs_of(self.region.mask & mask)
        part = self.of_run[np.searchsorted(self.runs.start, both.start, side="right") - 1]
        return np.bincount(part, weights=both.lengths, minlength=len(self.voxels)).astype(np.int64)

    @property
    def centres(self) -> Array:
        """(p, 3) centroid of each part, LPS mm."""
        lengths = self.runs.lengths
        i, j, k = self.runs.ijk
        sums = [np.bincount(self.of_run, weights=lengths * axis) for axis in (i + (lengths - 1) / 2, j, k)]
        middle = np.stack(sums, axis=1) / np.maximum(self.voxels, 1)[:, None]
        return self.region.grid.lps_from_ijk.apply(middle + self.region.box.start[::-1])


LISTED = 25
"""So many of the parts that were dropped are listed one by one, the largest first; the rest are summed."""


@dataclass(frozen=True)
class Part:
    """One connected part: its volume, and its centroid (LPS mm)."""

    volume_mm3: float
    at: tuple[float, float, float]


@dataclass(frozen=True)
class Dropped:
    """Parts that were dropped: how many, their volume, and the largest ones, at most `LISTED`, largest first."""

    count: int = 0
    volume_mm3: float = 0.0
    parts: tuple[Part, ...] = ()

    @property
    def largest_mm3(self) -> float:
        """Volume of the largest one, mm³; 0 without any."""
        return self.parts[0].volume_mm3 if self.parts else 0.0

    def and_also(self, later: Dropped) -> Dropped:
        """What two passes dropped together."""
        parts = sorted((*self.parts, *later.parts), key=lambda part: -part.volume_mm3)[:LISTED]
        return Dropped(self.count + later.count, self.volume_mm3 + later.volume_mm3, tuple(parts))


@dataclass(frozen=True)
class LeftOut:
    """What a check tells about parts that the recipe left out of a structure."""

    name: str
    check: str
    dropped: Dropped


@dataclass(frozen=True)
class Rule:
    """Which parts are kept: the `largest` so many of those with at least `min_volume_mm3` that are dense.

    A part is dense when `DENSE_SHARE` of it reaches `dense`, an intensity (HU for CT); None counts all as dense.
    """

    largest: int | None = None
    min_volume_mm3: float = 0.0
    dense: float | None = None

    @property
    def keeps_all(self) -> bool:
        """Whether the rule asks for nothing."""
        return self.largest is None and self.min_volume_mm3 <= 0 and self.dense is None


def parts_of(region: Region) -> Parts:
    """The parts of a region; voxels hang together when they share a face."""
    runs = runs_of(region.mask)
    return Parts(region, runs, connected(runs))


def keep_parts(volume: Volume, region: Region, rule: Rule) -> tuple[Region, Dropped, Dropped]:
    """The parts that the rule keeps, and those that it drops: the faint ones and, of the others, the small ones.

    Of parts with the same volume, the one that comes first in the array counts as larger.
    """
    if rule.keeps_all:
        return region, Dropped(), Dropped()
    parts = parts_of(region)
    volumes = parts.volumes_mm3
    dense = np.ones(len(volumes), dtype=np.bool_)
    if rule.dense is not None:
        bright = between(volume.array[region.box.slices], rule.dense, float("inf"))
        dense = parts.shared(bright) >= DENSE_SHARE * parts.voxels
    kept = dense & (volumes >= rule.min_volume_mm3)
    order = np.argsort(-volumes, kind="stable")
    kept[order[kept[order]][rule.largest :] if rule.largest else []] = False
    if kept.all():
        return region, Dropped(), Dropped()
    return _without(parts, ~kept).trimmed(), _told(parts, ~dense), _told(parts, dense & ~kept)


def keep_touching(region: Region, seed: Region) -> Region:
    """Only the parts that hold a voxel of `seed`, which lies within the same box."""
    parts = parts_of(region)
    hit = parts.shared(seed.within(region.box).mask) > 0
    return region if hit.all() else _without(parts, ~hit)


def keep_near(region: Region, seed: Region, within_mm: float) -> tuple[Region, Dropped]:
    """Only the parts that come within `within_mm` of `seed`, which may lie anywhere; and what was dropped."""
    near = intersect(region, grow(seed, within_mm) if within_mm else seed)
    parts = parts_of(region)
    hit = parts.shared(near.within(region.box).mask) > 0
    return (region, Dropped()) if hit.all() else (_without(parts, ~hit), _told(parts, ~hit))


def _told(parts: Parts, dropped: Mask) -> Dropped:
    if not dropped.any():
        return Dropped()
    volumes, centres = parts.volumes_mm3, parts.centres
    chosen = np.flatnonzero(dropped)
    largest = chosen[np.argsort(-volumes[chosen], kind="stable")][:LISTED]
    listed = tuple(Part(float(volumes[n]), (float(x), float(y), float(z))) for n in largest for x, y, z in [centres[n]])
    return Dropped(len(chosen), float(volumes[chosen].sum()), listed)


def _without(parts: Parts, dropped: Mask) -> Region:
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
