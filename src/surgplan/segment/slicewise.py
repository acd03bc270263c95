"""Filling what is closed in a slice, though open in space: marrow behind a thin or pierced cortex."""

from __future__ import annotations

import numpy as np

from surgplan.segment.region import Mask, Region
from surgplan.segment.runs import connected, runs_of


def fill_slices(region: Region, up_to_mm2: float = float("inf")) -> Region:
    """Fill every hole of a slice up to an area, in the slices along each of the three axes."""
    region = region.trimmed()
    mask = region.mask.copy()
    steps = region.spacing_kji
    for axis in range(3):
        area = float(np.prod([step for other, step in enumerate(steps) if other != axis]))
        layers = np.ascontiguousarray(np.moveaxis(region.mask, axis, 0))
        np.moveaxis(mask, axis, 0)[...] |= _holes(layers, up_to_mm2 / area)
    return region.with_mask(mask)


def _holes(layers: Mask, most: float) -> Mask:
    """The holes of each layer, (n, rows, columns), with at most so many pixels."""
    out = np.zeros_like(layers)
    for layer, found in zip(layers, out, strict=True):
        if not layer.any():
            continue
        runs = runs_of(~layer[None])
        of_run = connected(runs)
        i, j, _ = runs.ijk
        at_edge = (i == 0) | (i + runs.lengths == layer.shape[1]) | (j == 0) | (j == layer.shape[0] - 1)
        pixels = np.bincount(of_run, weights=runs.lengths)
        hole = (np.bincount(of_run, weights=at_edge) == 0) & (pixels <= most)
        if hole.any():
            runs.paint(found[None], hole[of_run], True)
    return out
