"""Sphere markers: small bright balls on the skin, to sub-voxel centres."""

from __future__ import annotations

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.volume import Volume
from surgplan.navigation.ball import fit_ball, voxels_near
from surgplan.navigation.candidate import Candidate, cut_off, misplaced, not_between
from surgplan.navigation.skin import Skin
from surgplan.navigation.spots import Spots, bright_spots
from surgplan.navigation.stage import NavigationParams

WIDER, NARROWER = 1.3, 1.6
"""Before it is fitted, a marker may look so many times wider than it is (bright ones) or narrower (small ones)."""

SPECK = 0.35
"""Spots that at `marker_hu` have under this share of the smallest marker's diameter are noise: not even told."""

MOST_ELONGATED = 2.7
"""Longest to shortest axis by second moments, before the fit: coarse voxels draw a ball of 5 mm out to 2.3."""

MOST_MISFIT = 0.12
"""Share of its own contrast by which a marker may differ from a ball: short cylinders and flat balls pass."""

MOST_DRIFT_MM, MOST_BLUR_MM = 0.5, 1.5
"""A fit that ends farther than this (and a third of a voxel) from the spot's own centroid, or needs more blur than
scanners have, found something else."""

SHELL_MM, AROUND_HU = (1.0, 2.5), 300.0
"""Nine tenths of what lies so far round a marker are darker than this: skin, fat, air, but no bone."""

SAME_SIZE_MM = 0.1
"""Fitted diameters are compared with the limits no finer than this."""


def spots(volume: Volume, params: NavigationParams) -> Spots:
    """Bright spots of about a sphere's size."""
    smallest, largest = params.marker_diameter_mm
    return bright_spots(volume, params.marker_hu, _ball_mm3(SPECK * smallest), WIDER * largest)


def _ball_mm3(diameter_mm: float) -> float:
    return np.pi / 6 * diameter_mm**3


def examined(volume: Volume, spots: Spots, n: int, skin: Skin, params: NavigationParams) -> Candidate:
    """One spot measured: cheap tests first, the fit last."""
    smallest, largest = params.marker_diameter_mm
    centre, diameter = _estimate(volume, spots, n)
    rough = Candidate(centre, diameter)
    if not smallest / NARROWER <= diameter <= largest * WIDER:
        return rough.rejected(not_between(params.marker_diameter_mm, "in diameter"))
    if reason := misplaced(centre, diameter / 2, skin, params.skin_mm):
        return rough.rejected(reason)
    if _brightness_around(volume, rough) > AROUND_HU:
        return rough.rejected("beside bone, metal or contrast medium")
    if _elongation(volume, rough) > MOST_ELONGATED:
        return rough.rejected("not shaped like a ball")
    ball = fit_ball(volume, centre, diameter / 2)
    if ball is None:
        return rough.rejected("too indistinct to be measured")
    drift = float(np.linalg.norm(ball.centre - centre)) - float(volume.grid.spacing.max()) / 3
    if ball.misfit > MOST_MISFIT or drift > MOST_DRIFT_MM or ball.blur_mm > MOST_BLUR_MM:
        return rough.rejected("not shaped like a ball")
    # far finer than it is known, so that the last bits of a threaded sum do not show in the files
    told = f"fiducial marker found in the scan, diameter {ball.diameter_mm:.2f} mm"
    fitted = Candidate(np.round(ball.centre, 4), ball.diameter_mm, sd_mm=round(ball.sd_mm, 3), told=told)
    if cut_off(volume, fitted.centre, fitted.diameter_mm / 2):
        return fitted.rejected("cut by the scan's end")
    if not smallest - SAME_SIZE_MM <= ball.diameter_mm <= largest + SAME_SIZE_MM:
        return fitted.rejected(not_between(params.marker_diameter_mm, "in diameter"))
    return fitted


def _estimate(volume: Volume, spots: Spots, n: int) -> tuple[Array, float]:
    """Centre (3,) LPS mm and diameter of a spot, from the voxels in and beside its box above half of its brightness."""
    low, high = np.maximum(spots.low[n] - 1, 0), np.minimum(spots.high[n] + 1, volume.grid.size)
    box = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float64)
    above = np.clip(box - box.max() / 2, 0, None)
    index = np.argwhere(above > 0)[:, ::-1]
    weights = above[above > 0]
    middle = low + (weights @ index) / weights.sum()
    size = weights.size * volume.grid.voxel_volume_mm3
    return volume.grid.lps_from_ijk.apply(middle), float((6 * size / np.pi) ** (1 / 3))


def _brightness_around(volume: Volume, candidate: Candidate) -> float:
    """What nine tenths of the shell round a candidate do not reach, HU; infinite at the scan's border."""
    radius = candidate.diameter_mm / 2
    blurred = radius + float(np.linalg.norm(volume.grid.spacing)) / 2
    index, away = voxels_near(volume.grid, candidate.centre, blurred + SHELL_MM[1])
    shell = index[away > blurred + SHELL_MM[0]]
    values = volume.array[shell[:, 2], shell[:, 1], shell[:, 0]]
    return float(np.percentile(values, 90)) if values.size else float("inf")


def _elongation(volume: Volume, candidate: Candidate) -> float:
    """Longest to shortest axis of what is brighter than half of the candidate and lies near it."""
    spacing = volume.grid.spacing
    index, _ = voxels_near(volume.grid, candidate.centre, candidate.diameter_mm / 2 + 1.5 * float(spacing.max()))
    values = volume.array[index[:, 2], index[:, 1], index[:, 0]].astype(np.float64)
    weights = np.clip(values - values.max() / 2, 0, None)
    offsets = (index - np.average(index, axis=0, weights=weights)) * spacing
    # a voxel of width h has the second moment h²/12 about its own centre
    moments = (offsets * weights[:, None]).T @ offsets / weights.sum() + np.diag(spacing**2) / 12
    shortest, _, longest = np.linalg.eigvalsh(moments)
    return float(np.sqrt(longest / shortest))
