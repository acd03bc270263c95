"""Fiducial screws: short rods of metal that stand in bone with their heads under or above the skin.

A plate's screws, wires and stumps of leads look much the same: so they are looked for only when the recipe says so.
"""

from __future__ import annotations

import numpy as np

from surgplan.model.volume import Volume
from surgplan.navigation.candidate import Candidate, cut_off, misplaced, not_between, weighted_voxels
from surgplan.navigation.skin import Skin
from surgplan.navigation.spots import Spots, bright_spots
from surgplan.navigation.stage import NavigationParams
from surgplan.navigation.tube import Tube, fit_tube

LONGER = 1.3
"""Before it is fitted, a screw may look so many times longer than it is; its blur adds to that."""

BLUR_ADDS_MM = 2.0

SPECK = 0.25
"""Spots with under this share of the smallest screw's volume are not even told."""

LEAST_SLENDER = 1.4
"""Longest to second axis by standard deviations: a rod of 4 by 2 mm has 2.3, its blur takes some of that."""

LEAST_UPRIGHT = 0.35
"""One end lies nearer to the air outside than the other by this share of the length: that one is the head."""

MOST_MISFIT, MOST_DRIFT_MM, MOST_TILT = 0.12, 1.5, 0.85
"""As a donut's; rods in bone have 0.01 to 0.06."""

NEVER_BELOW_MM, END_NEVER_BELOW_MM = 0.2, 0.3
"""What no screw's middle and end are known better than, along each axis: heads are wider than the rod that is fitted,
which moves both by 0.3 and 0.5 mm (RMS)."""


def spots(volume: Volume, params: NavigationParams) -> Spots:
    """Bright spots of about a screw's size."""
    least = SPECK * np.pi / 4 * params.screw_diameter_mm[0] ** 2 * params.screw_length_mm[0]
    return bright_spots(volume, params.screw_hu, least, LONGER * params.screw_length_mm[1] + BLUR_ADDS_MM)


def examined(volume: Volume, spots: Spots, n: int, skin: Skin, params: NavigationParams) -> Candidate:
    """One spot measured: cheap tests first, the fit last."""
    low, high = np.maximum(spots.low[n] - 1, 0), np.minimum(spots.high[n] + 1, volume.grid.size)
    middle, variances, axes = weighted_voxels(volume, low, high, params.screw_hu)
    variances = variances + (volume.grid.spacing**2).min() / 12
    length = float(np.sqrt(12 * variances[2]))
    spot = Candidate(middle, length)
    shortest, longest = params.screw_length_mm
    if not shortest / LONGER - 1 <= length <= longest * LONGER + BLUR_ADDS_MM:
        return spot.rejected(not_between(params.screw_length_mm, "long"))
    if variances[2] < LEAST_SLENDER**2 * variances[1]:
        return spot.rejected("not shaped like a rod")
    ends = [skin.to_air_mm(middle + side * length / 2 * axes[2], 60.0) for side in (1, -1)]
    if not np.isfinite(ends).all():
        return spot.rejected("deep in the body, or no air is seen: which end is the head cannot be told")
    axis = axes[2] if ends[0] < ends[1] else -axes[2]
    if reason := misplaced(middle + length / 2 * axis, 0.0, skin, params.skin_mm):
        return spot.rejected(reason)
    if abs(ends[0] - ends[1]) < LEAST_UPRIGHT * length:
        return spot.rejected("along the skin: which end is the head cannot be told")
    return _fitted(volume, spot, Tube(middle, axis, float(np.mean(params.screw_diameter_mm)), length), params)


def _fitted(volume: Volume, spot: Candidate, rough: Tube, params: NavigationParams) -> Candidate:
    if cut_off(volume, rough.centre, rough.length_mm / 2):
        return spot.rejected("cut by the scan's end")
    rod = fit_tube(volume, rough)
    if rod is None:
        return spot.rejected("too indistinct to be measured")
    drift = float(np.linalg.norm(rod.centre - rough.centre))
    if rod.misfit > MOST_MISFIT or drift > MOST_DRIFT_MM or abs(float(rod.axis @ rough.axis)) < MOST_TILT:
        return spot.rejected("not shaped like a rod")
    for size, limits, what in (
        (rod.diameter_mm, params.screw_diameter_mm, "thick"),
        (rod.length_mm, params.screw_length_mm, "long"),
    ):
        if not limits[0] - 0.2 <= size <= limits[1] + 0.2:
            return spot.rejected(not_between(limits, what))
    sides = {"head": 1, "tip": -1, "middle": 0}
    sure = (rod.sd_mm, NEVER_BELOW_MM) if params.screw_point == "middle" else (rod.end_sd_mm, END_NEVER_BELOW_MM)
    told = f"screw found in the scan, its {params.screw_point}, length {rod.length_mm:.1f} mm"
    point = rod.centre + sides[params.screw_point] * rod.length_mm / 2 * rod.axis
    return Candidate(
        np.round(rod.centre, 4), rod.length_mm, "", np.round(point, 4), round(float(np.hypot(*sure)), 3), told
    )
