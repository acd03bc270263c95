"""What may be a marker: where it is, how sure, and why it is none; what all kinds of markers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.volume import Volume
from surgplan.navigation.ball import BLUR_MM
from surgplan.navigation.skin import Skin

STAND_OFF_MM = 12.0
"""Plasters and posts hold markers at most this far off the skin."""


@dataclass(frozen=True)
class Candidate:
    """A bright spot of about a marker's size: where, how large, and why it is no marker ("" when it is one).

    `centre` (3,) LPS mm is the middle of the body, by which its place is judged; `place` (3,) the point that goes to
    the navigation system, `sd_mm` its standard deviation along each axis, `told` what it is.
    """

    centre: Array
    diameter_mm: float
    reason: str = ""
    point: Array | None = None
    sd_mm: float | None = None
    told: str = ""

    @property
    def place(self) -> Array:
        """(3,) LPS mm: the marker's point, or its middle."""
        return self.centre if self.point is None else self.point

    def rejected(self, reason: str) -> Candidate:
        """The same spot, as no marker."""
        return replace(self, reason=reason)

    @property
    def rank(self) -> tuple[float, float, float]:
        """Superior first, at one height (0.1 mm) from left to right."""
        x, y, z = (float(value) for value in self.place)
        return -round(z, 1), -x, y


def not_between(limits: tuple[float, float], what: str) -> str:
    """The reason for a size out of its limits, mm."""
    smallest, largest = limits
    return f"not {smallest:g} to {largest:g} mm {what}"


def misplaced(centre: Array, radius: float, skin: Skin, skin_mm: float) -> str:
    """Why a place, (3,) LPS mm, is no place for a marker that reaches `radius` mm round it, or ""."""
    if skin.outside.any() and not np.isfinite(skin.to_air_mm(centre, radius + skin_mm + skin.grain_mm)):
        return f"more than {skin_mm:g} mm below the skin"
    if not np.isfinite(skin.to_body_mm(centre, radius + STAND_OFF_MM + skin.grain_mm)):
        return f"more than {STAND_OFF_MM:g} mm off the body"
    return ""


def cut_off(volume: Volume, centre: Array, radius: float) -> bool:
    """Whether what reaches `radius` mm round a place, and its blur, leave the scan's outermost voxel centres."""
    reach = (radius + BLUR_MM) / volume.grid.spacing
    middle = volume.grid.ijk_from_lps.apply(centre)
    return bool((middle < reach).any() or (middle > np.array(volume.grid.size) - 1 - reach).any())


def weighted_voxels(volume: Volume, low: Array, high: Array, level: float) -> tuple[Array, Array, Array]:
    """Mean (3,) LPS mm, variances (3,) ascending, mm², and axes (rows) of what a box holds above a level.

    The box goes from index `low` to `high` (one beyond). Each voxel counts as much as it is brighter than the level,
    up to half of the brightest.
    """
    box = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float64)
    above = np.clip(box - level, 0, max(1.0, (float(box.max()) - level) / 2))
    index = np.argwhere(above > 0)[:, ::-1]
    weights = above[above > 0]
    places = volume.grid.lps_from_ijk.apply(index + low)
    middle = np.average(places, axis=0, weights=weights)
    offsets = places - middle
    variances, axes = np.linalg.eigh((offsets * weights[:, None]).T @ offsets / weights.sum())
    return middle, variances, axes.T


def without_those_found(rejected: Sequence[Candidate], good: Sequence[Candidate]) -> list[Candidate]:
    """Rejected spots but for those that are part of a marker of another kind."""
    return [
        each
        for each in rejected
        if all(np.linalg.norm(each.centre - other.centre) > other.diameter_mm / 2 + 1 for other in good)
    ]
