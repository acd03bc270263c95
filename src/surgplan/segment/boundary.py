"""Where between voxels a structure's boundary lies: half way between what is inside and what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Volume
from surgplan.segment.components import keep_touching
from surgplan.segment.morphology import grow, shrink
from surgplan.segment.region import Mask, Region
from surgplan.segment.threshold import between

BLUR_MM = 1.0
"""How far from an edge the scanner's blur is still felt: the point spread of a clinical CT is 0.5 to 1 mm wide."""

RING_MM = 2.0
"""How thick the layer is in which the surroundings are looked at."""

REACH_MM = 2.0
"""How far a structure may grow when the level turns out lower than the threshold."""

FEWEST = 50
"""Fewer voxels than this tell no typical intensity."""

LEAST_CONTRAST = 100.0
"""A structure that differs less from its surroundings (HU for CT) has no edge that noise would not move."""

MOST_LOST = 0.5
"""The most that cutting at another level may take from a structure, as a share of its volume."""

PASSES = 2
"""The second time, inside and outside are looked at from a boundary that is already nearly right."""


@dataclass(frozen=True)
class Edge:
    """What was measured: typical intensities inside and around, the level half way, or why there is none."""

    inside: float = float("nan")
    outside: float = float("nan")
    level: float | None = None
    reason: str = ""


def half_maximum(volume: Volume, region: Region, low: float, high: float) -> tuple[Region, Edge]:
    """Cut a structure again at half height between its own typical intensity and that of its surroundings.

    A blurred step from one intensity to another has its true place at half height, whatever the blur (as long as the
    structure is thicker than the blur), while a fixed threshold puts it too far out or in.

    Parameters
    ----------
    region:
        The structure as thresholded between `low` and `high`, with the parts that are kept.

    Returns
    -------
    The structure with every voxel of it or right beside it at or above the level, and what was measured. When that
    tells no safe level, the region is returned as it was and the edge says why.

    Source: Spoor, Zonneveld and Macho, "Linear measurements of cortical bone and dental enamel by computed tomography",
    American Journal of Physical Anthropology 91, 1993 (half-maximum height).
    """
    edge = Edge()
    cut = region
    for _ in range(PASSES):
        edge = _edge(volume, cut, low, high)
        if edge.level is None:
            return region, edge
        cut = _cut(volume, region, edge.level, low, high)
        if cut.voxels < (1 - MOST_LOST) * region.voxels:
            lost = 100 * (1 - cut.voxels / region.voxels)
            reason = f"cutting at {edge.level:g} would take {lost:.0f} % of the volume: it is too thin for its blur"
            return region, Edge(edge.inside, edge.outside, None, reason)
    return cut, edge


def _edge(volume: Volume, region: Region, low: float, high: float) -> Edge:
    """Medians inside and around the region, and the level between them; fine voxels are thinned out first."""
    k, j, i = (max(1, int(BLUR_MM / step + 1e-6)) for step in region.spacing_kji)
    region = region.thinned((k, j, i))
    array = volume.array[::k, ::j, ::i]
    blur = max(BLUR_MM, *region.spacing_kji)
    core = shrink(region, blur)
    if core.voxels < FEWEST:
        core = shrink(region, min(region.spacing_kji))
    near = grow(region, 1.5 * blur)
    far = grow(near, max(RING_MM, *region.spacing_kji))
    around = far.mask & ~near.within(far.box).mask
    surroundings = array[far.box.slices]
    around &= ~between(surroundings, low, high)
    within = _median(array[core.box.slices], core.mask)
    outer = _median(surroundings, around)
    if within is None or outer is None:
        return Edge(reason="too few voxels lie inside it or around it to tell what is typical there")
    if within - outer < LEAST_CONTRAST or outer >= low:
        return Edge(within, outer, None, f"it is not clearly brighter than its surroundings ({within:g} and {outer:g})")
    level = (within + outer) / 2
    if volume.array.dtype.kind != "f":
        level = float(np.ceil(level))
    if level >= high:
        return Edge(within, outer, None, f"the level {level:g} is above the upper threshold")
    return Edge(within, outer, level)


def _cut(volume: Volume, region: Region, level: float, low: float, high: float) -> Region:
    """The voxels at or above the level: the region's own, and where the level is lower, those that it grows onto."""
    if level >= low:
        bright = between(volume.array[region.box.slices], level, high)
        bright &= region.mask
        return region.with_mask(bright)
    larger = grow(region, max(REACH_MM, *region.spacing_kji))
    intensities = volume.array[larger.box.slices]
    own = region.within(larger.box)
    added = between(intensities, level, high)
    added &= larger.mask
    added &= ~between(intensities, low, high)  # what passed the threshold and is not the region's, was dropped
    return keep_touching(own.with_mask(own.mask | added), region)


def _median(intensities: NDArray[Any], chosen: Mask) -> float | None:
    values = intensities[chosen]
    return float(np.median(values)) if len(values) >= FEWEST else None


def bounded_below(volume: Volume, region: Region, high: float) -> bool:
    """Whether the structure ends where the intensity falls too low, and not where it rises above `high`.

    Ventricles in a brain, or a tumour among bright vessels, are darker than what surrounds them: there no surface of
    equal intensity at the lower threshold is their boundary.
    """
    if volume.array[region.box.grown((1, 1, 1), region.grid.shape).slices].max() <= high:
        return True
    larger = grow(region, min(region.spacing_kji))
    intensities = volume.array[larger.box.slices]
    around = larger.mask & ~region.within(larger.box).mask
    brighter = int(np.count_nonzero(around & (intensities > high)))
    return brighter <= int(np.count_nonzero(around)) / 2
