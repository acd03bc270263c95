"""Donut markers: flat rings stuck on the skin, brighter than it by some hundred HU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.volume import Volume
from surgplan.navigation.candidate import Candidate, cut_off, misplaced, not_between, weighted_voxels
from surgplan.navigation.skin import Skin
from surgplan.navigation.spots import Spots, bright_spots
from surgplan.navigation.stage import NavigationParams
from surgplan.navigation.tube import Tube, across_and_along, fit_tube

WIDER, NARROWER = 1.25, 1.35
"""Before it is fitted, a donut may look so many times wider or narrower than it is."""

SPECK = 0.25
"""Spots with under this share of the smallest donut's volume (2 mm high) are not even told."""

THINNEST_MM, THICKEST_MM = 1.5, 8.0
"""Heights of donuts; coarse slices draw them out."""

STARTS = (1.5, 1.0, 2.2)
"""Heights to start from, as multiples of what is brighter than `donut_hu`: that is lower than the ring."""

MOST_OVAL, MOST_THICK = 1.35, 0.75
"""Longest to middle axis, and shortest to middle axis, by standard deviations."""

LEAST_HOLLOW = 0.3
"""Share of the ring's contrast with the air or skin round it by which its hole is darker than the ring."""

MOST_MISFIT, MOST_DRIFT_MM, MOST_TILT = 0.2, 1.5, 0.94
"""Of a fit: what it leaves over as a share of the contrast (a faint ring with noise of 40 HU has 0.12), how far it ends
from the rough centre, and the cosine of the angle between both axes."""

NEVER_BELOW_MM = 0.05
"""What no donut is known better than, along each axis: it bends with the skin, the model does not."""


def spots(volume: Volume, params: NavigationParams) -> Spots:
    """Bright spots of about a donut's size."""
    smallest, largest = params.donut_diameter_mm
    least = SPECK * np.pi / 4 * (smallest**2 - params.donut_hole_mm[0] ** 2) * 2.0
    return bright_spots(volume, params.donut_hu, least, WIDER * largest)


def examined(volume: Volume, spots: Spots, n: int, skin: Skin, params: NavigationParams) -> Candidate:
    """One spot measured: cheap tests first, the fit last."""
    low, high = np.maximum(spots.low[n] - 1, 0), np.minimum(spots.high[n] + 1, volume.grid.size)
    middle, variances, axes = weighted_voxels(volume, low, high, params.donut_hu)
    hole = float(np.mean(params.donut_hole_mm))
    diameter = float(np.sqrt(max(16 * float(np.mean(variances[1:])) - hole**2, 1.0)))
    spot = Candidate(middle, diameter)
    smallest, largest = params.donut_diameter_mm
    if not smallest / NARROWER <= diameter <= largest * WIDER:
        return spot.rejected(not_between(params.donut_diameter_mm, "in diameter"))
    shortest, second, longest = np.sqrt(np.maximum(variances, 0.0))
    if longest > MOST_OVAL * second or shortest > MOST_THICK * second:
        return spot.rejected("not flat and round")
    if reason := misplaced(middle, THINNEST_MM, skin, params.skin_mm):
        return spot.rejected(reason)
    axis = _outwards(skin, middle, axes[0], diameter)
    if not _hollow(volume, middle, axis, diameter):
        return spot.rejected("without a hole")
    height = float(np.clip(np.sqrt(12 * variances[0]), THINNEST_MM, THICKEST_MM))
    return _fitted(volume, spot, Tube(middle, axis, diameter, height, hole), params)


def _fitted(volume: Volume, spot: Candidate, rough: Tube, params: NavigationParams) -> Candidate:
    if cut_off(volume, rough.centre, rough.diameter_mm / 2):
        return spot.rejected("cut by the scan's end")
    ring = _best_fit(volume, rough)
    if ring is None:
        return spot.rejected("too indistinct to be measured")
    drift = float(np.linalg.norm(ring.centre - rough.centre))
    off = ring.misfit > MOST_MISFIT or drift > MOST_DRIFT_MM or abs(float(ring.axis @ rough.axis)) < MOST_TILT
    if off or not THINNEST_MM / 2 <= ring.length_mm <= THICKEST_MM:
        return spot.rejected("not shaped like a ring")
    for size, limits, what in (
        (ring.diameter_mm, params.donut_diameter_mm, "in diameter"),
        (ring.hole_mm, params.donut_hole_mm, "in the hole's diameter"),
    ):
        if not limits[0] - 0.1 <= size <= limits[1] + 0.1:
            return spot.rejected(not_between(limits, what))
    if params.donut_point == "skin" and abs(ring.boundary_mm + ring.length_mm / 2) > ring.length_mm:
        return spot.rejected("not on the skin")
    on_skin = ring.centre + ring.boundary_mm * ring.axis
    point, which = (
        (ring.centre, "middle of the ring") if params.donut_point == "middle" else (on_skin, "skin under the hole")
    )
    told = f"donut marker found in the scan, {which}, {ring.diameter_mm:.1f} mm wide, hole {ring.hole_mm:.1f} mm"
    sd = float(np.hypot(ring.sd_mm if params.donut_point == "middle" else ring.end_sd_mm, NEVER_BELOW_MM))
    return Candidate(np.round(ring.centre, 4), ring.diameter_mm, "", np.round(point, 4), round(sd, 3), told)


def _best_fit(volume: Volume, rough: Tube) -> Tube | None:
    """The ring, from starts of different heights until one leaves little over: a wrong one can end in the air."""
    fits = list[Tube]()
    for times in STARTS:
        ring = fit_tube(volume, replace(rough, length_mm=min(times * rough.length_mm, THICKEST_MM)))
        if ring is not None:
            fits.append(ring)
            if ring.misfit < MOST_MISFIT:
                break
    return min(fits, key=lambda ring: ring.misfit, default=None)


def _outwards(skin: Skin, middle: Array, axis: Array, diameter: float) -> Array:
    """The axis in the direction that leads away from the body."""
    body = [skin.to_body_mm(middle + side * diameter * axis, 2 * diameter) for side in (1, -1)]
    return axis if body[0] >= body[1] else -axis


def _hollow(volume: Volume, middle: Array, axis: Array, diameter: float) -> bool:
    """Whether the ring's middle is darker than its circle half way out."""
    from scipy.ndimage import map_coordinates

    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    across = across_and_along(axis)[:2]
    circle = (
        middle
        + np.outer(np.cos(turns), across[0]) * diameter * 0.34
        + np.outer(np.sin(turns), across[1]) * diameter * 0.34
    )
    places = volume.grid.ijk_from_lps.apply(np.vstack([middle, circle, middle + axis * diameter / 2]))
    low = np.maximum(np.floor(places.min(axis=0)).astype(int), 0)
    high = np.ceil(places.max(axis=0)).astype(int) + 2
    box = volume.array[low[2] : high[2], low[1] : high[1], low[0] : high[0]].astype(np.float64)
    values = map_coordinates(box, (places - low)[:, ::-1].T, order=1, mode="nearest")
    ring = float(np.median(values[1:-1]))
    return float(values[0]) < ring - LEAST_HOLLOW * min(abs(ring - float(values[-1])), 400.0)
