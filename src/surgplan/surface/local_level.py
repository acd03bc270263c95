"""The boundary at half height between a structure and what surrounds it, place by place.

A single level is right against one neighbour only: bone cut half way between itself and soft tissue is too small where
it borders on air. Here the level varies with the place. The scan is handed on as intensity minus local level, with all
steps equally high, and the label gains or loses the outermost voxels that the local level decides otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.mask_field import Bools, Field

BLUR_MM = 1.0
"""Nearer to the boundary than this, intensities are blurred by the scanner and tell nothing typical."""

RING_MM = 3.0
"""So thick is the layer beyond, inside and outside, in which typical intensities are looked for."""

SPREAD_MM = 2.0
"""Standard deviation of the neighbourhood over which they are averaged."""

THICK_MM = 2.0
"""Parts that are nowhere deeper than this are too thin for their blurred intensity to reach the plateau: there, the
structure's own plateau counts."""

LEAST_WEIGHT = 1e-3
"""With a smaller share of such voxels in the neighbourhood, the label's own level holds."""

LEAST_CONTRAST = 100.0
"""Where inside and outside differ by less (HU for CT), noise would move the boundary: the label's own level holds."""


def at_local_level(volume: Volume, labels: LabelMap, label: Label) -> tuple[Volume, LabelMap, Label, Finding]:
    """Intensity over the local level round the label (level 0), the label as that decides, and what was done.

    Both are cropped to the label's surroundings. The label must have a level and be brighter than it. Voxels that
    contradict the label's level, because they were filled, closed or cut, stay as they are; so do other structures.

    Sources: Spoor, Zonneveld and Macho, "Linear measurements of cortical bone and dental enamel by computed
    tomography", American Journal of Physical Anthropology 91, 1993 (half-maximum height); for thin walls, whose
    intensity is taken to be that of thick ones, Treece, Gee, Mayhew and Poole, "High resolution cortical bone thickness
    measurement from clinical CT data", Medical Image Analysis 14, 2010.
    """
    assert label.level is not None
    box = _surroundings(labels, label)
    values, intensity = labels.array[box], volume.array[box].astype(np.float32)
    mask = values == label.value
    level, step, known = _levels(intensity, mask, volume.grid.spacing, np.float32(label.level))
    above, before = intensity > level, intensity >= label.level
    rim = grown(mask) & grown(~mask)
    gained = rim & ~mask & (values == 0) & above & ~before
    lost = rim & mask & before & ~above
    array = np.where(gained, label.value, np.where(lost, 0, values)).astype(labels.array.dtype)
    start = [side.start for side in reversed(box)]
    grid = volume.grid.cropped(start, array.shape[::-1])
    here = replace(label, level=0.0)
    others = tuple(here if other == label else other for other in labels.labels)
    middle = np.percentile(level[known & rim], [5, 50, 95]) if (known & rim).any() else [label.level] * 3
    measured = f"level {middle[1]:.0f} (90 % between {middle[0]:.0f} and {middle[2]:.0f})"
    measured += f"; {int(gained.sum())} voxels gained, {int(lost.sum())} lost"
    limit = f"one level would be {label.level:g}"
    note = Finding("local half maximum", Level.NOTE, measured, limit, source="Spoor et al. 1993", subject=label.name)
    height = (intensity - level) * step
    return Volume(grid, height, volume.modality), LabelMap(grid, array, others), here, note


def _surroundings(labels: LabelMap, label: Label) -> tuple[slice, ...]:
    from surgplan.surface.contour import label_box

    start, size = label_box(labels, label)
    room = np.ceil((BLUR_MM + RING_MM) / labels.grid.spacing).astype(int)
    low = np.maximum(start - room, 0)[::-1]
    high = np.minimum(start + size + room, labels.grid.size)[::-1]
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _levels(
    intensity: Field, mask: Bools, spacing: NDArray[np.float64], fallback: np.float32
) -> tuple[Field, Field, NDArray[np.bool_]]:
    """(k, j, i) the local level, what makes steps there as high as elsewhere, and where they can be told."""
    from surgplan.surface.mask_field import distance

    depth = distance(mask, spacing, BLUR_MM + RING_MM)
    rim = grown(mask) & grown(~mask)
    deep = (depth > BLUR_MM) & (depth < BLUR_MM + RING_MM) & ~rim
    deep &= distance(depth > THICK_MM, spacing, 2 * THICK_MM) > -THICK_MM
    inner, inner_weight = _average(intensity, deep, spacing)
    if deep.any():
        thin = inner_weight <= LEAST_WEIGHT
        inner[thin], inner_weight[thin] = np.median(intensity[deep]), 1
    # what is as bright and yet no part of it is another structure that touches, not what its edge is measured against
    around = (depth < -BLUR_MM) & (depth > -BLUR_MM - RING_MM) & ~rim & (intensity < fallback)
    outer, outer_weight = _average(intensity, around, spacing)
    known = (inner_weight > LEAST_WEIGHT) & (outer_weight > LEAST_WEIGHT) & (inner - outer > LEAST_CONTRAST)
    level = np.where(known, (inner + outer) / 2, fallback)
    usual = np.median((inner - outer)[known]) if known.any() else np.float32(1)
    step = np.where(known, usual / np.where(known, inner - outer, 1), 1)
    return level.astype(np.float32), step.astype(np.float32), known


def _average(intensity: Field, chosen: Bools, spacing: NDArray[np.float64]) -> tuple[Field, Field]:
    """(k, j, i) mean of the chosen voxels' intensities in each place's neighbourhood, and their share of it.

    Source: Knutsson and Westin, "Normalized and differential convolution", CVPR 1993.
    """
    from scipy.ndimage import gaussian_filter

    spread = SPREAD_MM / spacing[::-1]
    weight = gaussian_filter(chosen.astype(np.float32), spread, mode="nearest", truncate=2.5)
    total = gaussian_filter(np.where(chosen, intensity, np.float32(0)), spread, mode="nearest", truncate=2.5)
    return total / np.maximum(weight, np.float32(1e-9)), weight


def grown(mask: Bools) -> Bools:
    """The mask and its six neighbours."""
    grown = mask.copy()
    for axis in range(3):
        to, of = np.moveaxis(grown, axis, 0), np.moveaxis(mask, axis, 0)
        to[1:] |= of[:-1]
        to[:-1] |= of[1:]
    return grown
