"""Fiducial markers in a CT: small bright balls on the skin, to sub-voxel centres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.ball import BLUR_MM, fit_ball, voxels_near
from surgplan.navigation.skin import Skin, find_skin
from surgplan.navigation.spots import Spots, bright_spots
from surgplan.navigation.stage import NavigationParams

WIDER, NARROWER = 1.3, 1.6
"""Before it is fitted, a marker may look so many times wider than it is (bright ones) or narrower (small ones)."""

SPECK = 0.35
"""Spots that at `marker_hu` have under this share of the smallest marker's diameter are noise: not even told."""

MOST_SPOTS = 20_000
"""More spots than any body has: noise, at some 0.2 ms each."""

STAND_OFF_MM = 12.0
"""Plasters and posts hold markers at most this far off the skin."""

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


@dataclass(frozen=True)
class Candidate:
    """A bright spot of about a marker's size: where, how large, and why it is no marker ("" when it is one)."""

    centre: Array
    diameter_mm: float
    reason: str = ""


def find_fiducials(
    volume: Volume, params: NavigationParams, taken: Container[str] = ()
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The fiducial markers of a CT in LPS mm, and what was found.

    They are named F-1, F-2, … from superior to inferior, at one height (0.1 mm) from left to right; names in `taken`
    are left out. Centre and diameter come from fitting a blurred ball (`ball.fit_ball`).
    """
    if volume.modality is not Modality.CT:
        note = Finding("fiducials", Level.NOTE, "not looked for: only a CT has the intensities to tell them")
        return PointSet(()), (note,)
    smallest, largest = params.marker_diameter_mm
    spots = bright_spots(volume, params.marker_hu, _ball_mm3(SPECK * smallest), WIDER * largest)
    if len(spots) > MOST_SPOTS:
        measured = f"not looked for: {len(spots)} bright spots"
        advice = "Raise navigation.marker_hu above the scan's noise"
        return PointSet(()), (Finding("fiducials", Level.WARN, measured, f"at most {MOST_SPOTS}", advice),)
    skin = find_skin(volume)
    candidates = [_examined(volume, spots, n, skin, params) for n in range(len(spots))]
    good = sorted((each for each in candidates if not each.reason), key=_rank)
    findings = [*_told_found(good, params), *_told_rejected(candidates), *_told_skin(skin, good)]
    if len(good) < params.min_markers:
        return PointSet(()), tuple(findings)
    names = (name for name in (f"F-{number}" for number in range(1, 100_000)) if name not in taken)
    points = (Landmark(next(names), each.centre, description=_described(each)) for each in good)
    return PointSet(points), tuple(findings)


def _rank(candidate: Candidate) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in candidate.centre)
    return -round(z, 1), -x, y


def _described(candidate: Candidate) -> str:
    return f"fiducial marker found in the scan, diameter {candidate.diameter_mm:.2f} mm"


def _ball_mm3(diameter_mm: float) -> float:
    return np.pi / 6 * diameter_mm**3


def _examined(volume: Volume, spots: Spots, n: int, skin: Skin, params: NavigationParams) -> Candidate:
    """One spot measured: cheap tests first, the fit last."""
    smallest, largest = params.marker_diameter_mm
    centre, diameter = _estimate(volume, spots, n)
    rough = Candidate(centre, diameter)
    if not smallest / NARROWER <= diameter <= largest * WIDER:
        return _no(rough, _wrong_size(params))
    if reason := _misplaced(rough, skin, params):
        return _no(rough, reason)
    if _brightness_around(volume, rough) > AROUND_HU:
        return _no(rough, "beside bone, metal or contrast medium")
    if _elongation(volume, rough) > MOST_ELONGATED:
        return _no(rough, "not shaped like a ball")
    ball = fit_ball(volume, centre, diameter / 2)
    if ball is None:
        return _no(rough, "too indistinct to be measured")
    drift = float(np.linalg.norm(ball.centre - centre)) - float(volume.grid.spacing.max()) / 3
    if ball.misfit > MOST_MISFIT or drift > MOST_DRIFT_MM or ball.blur_mm > MOST_BLUR_MM:
        return _no(rough, "not shaped like a ball")
    # far finer than it is known, so that the last bits of a threaded sum do not show in the files
    fitted = Candidate(np.round(ball.centre, 4), ball.diameter_mm)
    if _cut(volume, fitted):
        return _no(fitted, "cut by the scan's end")
    if not smallest - SAME_SIZE_MM <= ball.diameter_mm <= largest + SAME_SIZE_MM:
        return _no(fitted, _wrong_size(params))
    return fitted


def _no(candidate: Candidate, reason: str) -> Candidate:
    return Candidate(candidate.centre, candidate.diameter_mm, reason)


def _wrong_size(params: NavigationParams) -> str:
    smallest, largest = params.marker_diameter_mm
    return f"not {smallest:g} to {largest:g} mm in diameter"


def _cut(volume: Volume, candidate: Candidate) -> bool:
    """Whether a candidate and its blur reach beyond the scan's outermost voxel centres."""
    reach = (candidate.diameter_mm / 2 + BLUR_MM) / volume.grid.spacing
    middle = volume.grid.ijk_from_lps.apply(candidate.centre)
    return bool((middle < reach).any() or (middle > np.array(volume.grid.size) - 1 - reach).any())


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


def _misplaced(candidate: Candidate, skin: Skin, params: NavigationParams) -> str:
    """Why a candidate's place is no place for a marker, or ""."""
    radius, grain = candidate.diameter_mm / 2, skin.grain_mm
    seen = skin.outside.any()
    if seen and not np.isfinite(skin.to_air_mm(candidate.centre, radius + params.skin_mm + grain)):
        return f"more than {params.skin_mm:g} mm below the skin"
    if not np.isfinite(skin.to_body_mm(candidate.centre, radius + STAND_OFF_MM + grain)):
        return f"more than {STAND_OFF_MM:g} mm off the body"
    return ""


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


def _told_found(good: Sequence[Candidate], params: NavigationParams) -> list[Finding]:
    if not good:
        return []
    sizes = ", ".join(f"{each.diameter_mm:.2f}" for each in good)
    if len(good) >= params.min_markers:
        return [Finding("fiducials", Level.NOTE, f"found in the scan: {len(good)}, with diameters of {sizes} mm")]
    places = "; ".join("[" + ", ".join(f"{value:.1f}" for value in each.centre) + "]" for each in good)
    measured = f"{len(good)} found and left out, at {places} mm LPS, with diameters of {sizes} mm"
    advice = "Lower navigation.min_markers if they are real"
    return [Finding("fiducials", Level.NOTE, measured, f"at least {params.min_markers}", advice, "the recipe")]


def _told_rejected(candidates: Sequence[Candidate]) -> list[Finding]:
    counts = Counter(each.reason for each in candidates if each.reason)
    if not counts:
        return []
    told = "; ".join(f"{counts[reason]} {reason}" for reason in sorted(counts))
    return [Finding("fiducials-rejected", Level.NOTE, f"bright spots that are no markers: {told}")]


def _told_skin(skin: Skin, good: Sequence[Candidate]) -> list[Finding]:
    if skin.outside.any() or not good:
        return []
    advice = "Look at each of them in the report: it may lie within the body"
    return [Finding("fiducials-skin", Level.WARN, "the scan shows no air outside of the body", "", advice)]
