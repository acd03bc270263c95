"""How far something lies from the air outside of the body, told from every third millimetre of the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array, Transform
from surgplan.model.volume import Grid, Volume

Mask = NDArray[np.bool_]

SAMPLE_MM = 3.0
AIR_HU, TISSUE_HU = -500.0, -300.0
NARROW = 5
"""Samples: a passage less wide than this (15 mm: nose, mouth, ear) does not lead the outside into the body."""


@dataclass(frozen=True, eq=False)
class Skin:
    """Which samples are air outside of the body, and which are the body: both (k, j, i).

    Samples lie `spacing` (3,) mm apart, and at the indices that `ijk_from_lps` gives.
    """

    spacing: Array
    ijk_from_lps: Transform
    outside: Mask
    body: Mask

    @property
    def grain_mm(self) -> float:
        """Distances may be too long by up to this."""
        return float(np.linalg.norm(self.spacing)) / 2

    def to_air_mm(self, place: Array, within_mm: float) -> float:
        """Distance from a place, (3,) LPS mm, to the air outside; infinite when there is none within reach."""
        return self._nearest(self.outside, place, within_mm)

    def to_body_mm(self, place: Array, within_mm: float) -> float:
        """Distance from a place, (3,) LPS mm, to the body; infinite when there is none within reach."""
        return self._nearest(self.body, place, within_mm)

    def _nearest(self, mask: Mask, place: Array, within_mm: float) -> float:
        middle, reach = self.ijk_from_lps.apply(place), within_mm / self.spacing
        low = np.maximum(np.floor(middle - reach).astype(int), 0)
        high = np.maximum(np.ceil(middle + reach).astype(int) + 1, 0)
        window = mask[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        away = (np.argwhere(window)[:, ::-1] + low - middle) * self.spacing
        nearest = float(np.linalg.norm(away, axis=1).min(initial=np.inf))
        return nearest if nearest <= within_mm else float("inf")


def find_skin(volume: Volume, air_below: float = AIR_HU, tissue_above: float = TISSUE_HU) -> Skin:
    """The air outside and the body of a CT, or of a scan in which other intensities tell them apart.

    Outside is air that reaches a side of the scan; the scan's ends along the body do not count, for they cut through
    the lungs. The body is the largest connected part of what is no air.
    """
    from scipy import ndimage

    steps = np.maximum(1, np.rint(SAMPLE_MM / volume.grid.spacing)).astype(int)
    i, j, k = (slice(None, None, int(step)) for step in steps)
    samples = volume.array[k, j, i]
    grid = Grid(samples.shape[::-1], volume.grid.spacing * steps, volume.grid.origin, volume.grid.direction)
    air = samples < air_below
    wide = ndimage.minimum_filter(air, size=NARROW, mode="nearest")
    outside = air & ndimage.maximum_filter(_reaching_a_side(wide, grid), size=NARROW + 2, mode="nearest")
    return Skin(grid.spacing, grid.ijk_from_lps, outside, _largest(samples > tissue_above))


def _reaching_a_side(air: Mask, grid: Grid) -> Mask:
    from scipy import ndimage

    parts, _ = ndimage.label(air)
    along_the_body = 2 - int(np.abs(grid.direction[2]).argmax())
    sides = [axis for axis in range(3) if axis != along_the_body]
    reached = np.unique(np.concatenate([np.take(parts, end, axis=axis).ravel() for axis in sides for end in (0, -1)]))
    return np.asarray(np.isin(parts, reached[reached > 0]))


def _largest(mask: Mask) -> Mask:
    from scipy import ndimage

    parts, count = ndimage.label(mask)
    if not count:
        return mask
    return np.asarray(parts == 1 + int(np.bincount(parts.ravel())[1:].argmax()))
