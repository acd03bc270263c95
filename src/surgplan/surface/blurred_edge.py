"""Intensities made linear across a blurred edge, so that interpolation between far-apart slices finds its place.

A step from one intensity to another, blurred by a Gaussian of any width, rises like that Gaussian's integral Φ. Between
slices that are farther apart than the blur is wide, a straight line misses its middle by up to an eighth of their
distance. Φ⁻¹ of the relative intensity is linear in the distance from the edge; so its zero is found exactly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.contour import label_box
from surgplan.surface.local_level import grown
from surgplan.surface.mask_field import Bools, Field

COARSE_MM = 1.5
"""With voxel edges below this, the blur of clinical CT (0.5 to 1 mm) leaves straight lines nothing to miss."""

ROOM = 4
"""Voxels of surroundings that are kept round the label."""

LEAST_CLIP, MOST_CLIP = 0.01, 0.2
"""Relative intensities are cut off this far from inside and outside, more for noisy structures: there Φ⁻¹ only
magnifies noise."""

FEWEST = 50
"""Voxels that tell the noise."""

PEELED = 2
"""So many layers of voxels are taken off to find how bright the structure is."""

THICK_SHARE = 0.25
"""A structure of which less is left after that is thin: nearly all of its voxels are blurred."""

MOST_LOPSIDED = 0.3
"""How far from half height the level may be, as a share of the step: farther, the edge is none of this kind."""


def made_linear(volume: Volume, labels: LabelMap, label: Label) -> tuple[Volume, LabelMap, Label]:
    """The scan round the label as Φ⁻¹ of relative intensity, its zero at the label's level, where slices are coarse.

    Cropped to the label's surroundings, with the label's level at 0; what was given when voxels are fine, when the
    label has no level, or when its surroundings are no step from dark to bright about half way at the level. Signs
    are kept: every voxel stays on its side of the level.

    Source: the edge-spread function of a Gaussian point spread; Prevrhal, Engelke and Kalender, "Accuracy limits for
    the determination of cortical width and density", Physics in Medicine and Biology 44, 1999.
    """
    unchanged = volume, labels, label
    if label.level is None or float(volume.grid.spacing.max()) < COARSE_MM:
        return unchanged
    start, size = label_box(labels, label)
    low = np.maximum(start - ROOM, 0)
    high = np.minimum(start + size + ROOM, labels.grid.size)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    values = labels.array[box]
    mask = values == label.value
    field = volume.array[box].astype(np.float32) - np.float32(label.level)
    near = grown(mask)
    ring = field[grown(near) & ~near]
    ring = ring[ring < 0]
    inside, thick = _plateau(field, mask)
    if not len(ring) or np.median(inside) <= 0:
        return unchanged
    bright, dark = float(np.median(inside)), float(np.median(ring))
    if not thick:
        bright = max(bright, -dark)
    middle = -dark / (bright - dark)
    if abs(middle - 0.5) > MOST_LOPSIDED:
        return unchanged
    noise = 1.4826 * float(np.median(np.abs(inside - bright))) / (bright - dark)
    side = np.sign(field).astype(np.int8)
    field -= np.float32(dark)
    field /= np.float32(bright - dark)
    linear = _inverse_normal(field, float(np.clip(noise / 2, LEAST_CLIP, MOST_CLIP)), middle)
    linear = np.abs(linear) * side  # rounding must not carry a voxel across
    here = replace(label, level=0.0)
    others = tuple(here if other == label else other for other in labels.labels)
    grid = volume.grid.cropped(low, high - low)
    return Volume(grid, linear, volume.modality), LabelMap(grid, np.ascontiguousarray(values), others), here


def _plateau(field: Field, mask: Bools) -> tuple[Field, bool]:
    """(n,) values of the brightest layer of the mask: all of it, without its outermost voxels, or without the next too.

    Also whether it is so thick that the last one has enough of it: else no voxel may be as bright as the structure
    itself, and only a level that lies half way tells how bright that is.

    The outermost voxels are blurred: with them, a thin wall would seem darker than it is, and its edge farther out.
    Deeper layers may be darker, like the marrow in a filled bone.
    """
    layers, left = [field[mask]], mask
    for _ in range(PEELED):
        left = left & ~grown(~left)
        layer = field[left]
        if len(layer) < FEWEST:
            break
        layers.append(layer)
    thick = len(layers) > PEELED and len(layers[-1]) > THICK_SHARE * len(layers[0])
    return max(layers, key=lambda layer: float(np.median(layer))), thick


def _inverse_normal(share: Field, clip: float, middle: float) -> Field:
    """Φ⁻¹ of the share, cut off at `clip` from both ends, minus that of `middle`."""
    from scipy.special import ndtri

    clip = min(clip, middle / 2, (1 - middle) / 2)
    np.clip(share, clip, 1 - clip, out=share)
    return np.asarray(ndtri(share) - np.float32(ndtri(middle)), dtype=np.float32)
