"""A ring or a rod in a scan, measured by fitting a blurred tube to its voxels: centre, axis, sizes, and how sure.

Both are cylinders with flat ends, the ring with a hole. Behind them lie two levels (skin and air, or bone and scalp)
with a boundary between, as behind a ball; behind a rod also a third, the air.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.volume import Grid, Volume
from surgplan.navigation.ball import BLUR_MM, MOST_VOXELS, VOXELS_FOR_EACH, sure_mm, voxels_near
from surgplan.navigation.skin import AIR_HU, TISSUE_HU

BEYOND_MM = 2.5
"""How far beyond the tube voxels are fitted: past its blur."""

FINEST_MM = 0.6
"""A voxel longer than this is averaged from two places within it."""

MOST_CALLS = 1500
"""Calls of the model after which a fit leads nowhere; rings and rods take 200 to 700."""

BLUR_SD_MM, METAL_HU, METAL_SD_HU, HELD_HU = 0.1, 9000.0, 2000.0, 300.0
"""A rod's blur is held near a scanner's usual one, and its brightness at what titanium has or less: a standard
deviation from either costs as much as residuals of 300 HU in every voxel."""

RADII = 160
"""Distances from the axis at which the blurred disc is computed; between them it is interpolated, to 0.001."""

SCALES = np.array([0.1, 0.1, 0.1, 0.02, 0.02, 0.1, 0.1, 100.0, 0.1, 100.0, 100.0, 0.1, 0.05, 0.05, 0.01])
HOLE_SCALES, AIR_SCALES = (0.1,), (100.0, 0.1)
"""Typical change of each parameter: centre, two tilts of the axis, radius, length, tube, blur, the outer and the inner
level, and of the boundary between them height, two slopes and curvature (1/mm); the hole's radius; the air and its
boundary's height."""


@dataclass(frozen=True)
class Tube:
    """A cylinder with or without a hole.

    `centre` is (3,) LPS mm, `axis` (3,) a unit vector that points outwards, `length_mm` along it. `boundary_mm` is how
    far along the axis from the centre the boundary behind it lies. `blur_mm`, `misfit` as a ball's; `sd_mm` is the
    standard deviation of the centre along each axis, `end_sd_mm` that of an end's place.
    """

    centre: Array
    axis: Array
    diameter_mm: float
    length_mm: float
    hole_mm: float = 0.0
    boundary_mm: float = 0.0
    blur_mm: float = BLUR_MM
    misfit: float = 0.0
    sd_mm: float = 0.0
    end_sd_mm: float = 0.0

    def end(self, side: int) -> Array:
        """(3,) LPS mm: the middle of the outer (1) or the inner (-1) end's face."""
        place: Array = self.centre + side * self.length_mm / 2 * self.axis
        return place


def fit_tube(volume: Volume, rough: Tube) -> Tube | None:
    """The tube near a rough one; None when the voxels do not determine one. With a hole only when the rough one has.

    Least squares; the patch, and so the choice of voxels, follows from the rough tube.
    """
    from scipy.optimize import least_squares

    patch = _patch(volume, rough)
    start = _start(patch, rough)
    if patch.values.size < VOXELS_FOR_EACH * start.size:
        return None
    scales = np.array([*SCALES, *(HOLE_SCALES if patch.hollow else AIR_SCALES if patch.layered else ())])

    def left_over(scaled: Array) -> Array:
        values = scaled * scales
        off = patch.model(values) - patch.values
        if patch.hollow:
            return off
        # cut off and as thin as the blur, a rod's brightness, width and blur hardly show apart
        held = [(values[8] - BLUR_MM) / BLUR_SD_MM, max(0.0, values[7] - METAL_HU) / METAL_SD_HU]
        return np.append(off, HELD_HU * np.sqrt(off.size) * np.array(held))

    found = least_squares(left_over, start / scales, method="lm", ftol=1e-5, xtol=1e-5, max_nfev=MOST_CALLS)
    values = found.x * scales
    stands_out = min(values[7], patch.values.max()) - start[9:11].max()
    if not found.success or not np.isfinite(values).all() or stands_out <= 0:
        return None
    noise = float(np.sqrt((found.fun**2).sum() / (patch.values.size - start.size)))
    return replace(
        _tube(patch, rough, values),
        misfit=float(noise / stands_out),
        sd_mm=sure_mm(found.jac / scales, noise, np.eye(start.size)[:3]),
        end_sd_mm=sure_mm(found.jac / scales, noise, _moves_of_an_end(patch, abs(float(values[6])), start.size)),
    )


def _moves_of_an_end(patch: _Patch, length: float, count: int) -> Array:
    """(3, count) how the inner end's place depends on the parameters: centre, tilts, length."""
    moves = np.eye(count)[:3]
    moves[:, 3:5] = -length / 2 * patch.axes[:2].T
    moves[:, 6] = -patch.axes[2] / 2
    return moves


def _tube(patch: _Patch, rough: Tube, values: Array) -> Tube:
    hole = 2 * abs(float(values[15])) if patch.hollow else 0.0
    return Tube(
        rough.centre + values[:3],
        patch.axis(values[3:5]),
        2 * abs(float(values[5])),
        abs(float(values[6])),
        hole,
        float(values[11]),
        abs(float(values[8])),
    )


@dataclass(frozen=True)
class _Patch:
    """Voxels round a tube: `places` (s, n, 3) of s samples in each of n voxels, mm from its rough centre.

    `values` (n,) are theirs. `axes` (3, 3): rows are two directions across, and the rough axis. Where the scanner cut
    off what is brighter, `clipped` says so. `hollow` is a ring, `layered` a rod near air.
    """

    places: Array
    values: Array
    axes: Array
    clipped: bool
    hollow: bool
    layered: bool

    def axis(self, tilts: Array) -> Array:
        """(3,) the rough axis, tilted."""
        tilted = self.axes[2] + tilts @ self.axes[:2]
        return np.asarray(tilted / np.linalg.norm(tilted), np.float64)

    def model(self, p: Array) -> Array:
        """(n,) what the voxels of a perfect tube would hold."""
        from scipy.special import ndtr

        radius, length, blur = abs(p[5]), abs(p[6]), max(abs(p[8]), 0.05)
        offsets = self.places - p[:3]
        height = offsets @ self.axis(p[3:5])
        squared = np.maximum((offsets**2).sum(axis=-1) - height**2, 0)
        away = np.sqrt(squared)
        ring = _blurred_disc(away, radius, blur)
        if self.hollow:
            ring -= _blurred_disc(away, abs(p[15]), blur)
        foot, top = (ndtr((level - height) / blur) for level in (-length / 2, length / 2))
        uneven = offsets @ self.axes[:2].T @ p[12:14] - squared * p[14] / 2

        def beside(level: float) -> Array:
            """The share of what lies below a boundary and is not in the tube."""
            below = ndtr((level + uneven - height) / blur)
            share: Array = below - ring * (np.clip(below, foot, top) - foot)
            return share

        seen = p[9] + (p[10] - p[9]) * beside(p[11]) + (p[7] - p[9]) * ring * (top - foot)
        if self.layered:
            seen += (p[15] - p[9]) * (1 - ring * (top - foot) - beside(p[16]))
        mean: Array = seen.mean(axis=0)
        return np.minimum(mean, self.values.max()) if self.clipped else mean


def _blurred_disc(away: Array, radius: float, blur: float) -> Array:
    """Share of a disc's intensity at distances from its centre, after a Gaussian point spread, all in mm.

    Source: the squared distance of a Gaussian's draw from the disc's centre, over blur², follows a noncentral χ² with
    two degrees of freedom (Rice 1945); the share is its distribution at radius².
    """
    from scipy.special import chndtr

    table = np.linspace(0, radius + 6 * blur, RADII)
    shares = chndtr((radius / blur) ** 2, 2, (table / blur) ** 2)
    share: Array = np.interp(away, table, shares, right=0.0)
    return share


def _patch(volume: Volume, rough: Tube) -> _Patch:
    grid = volume.grid
    long, wide = rough.length_mm / 2 + BEYOND_MM, rough.diameter_mm / 2 + BEYOND_MM
    index = voxels_near(grid, rough.centre, float(np.hypot(long, wide)))[0]
    offsets = grid.lps_from_ijk.apply(index) - rough.centre
    height = offsets @ rough.axis
    away = np.sqrt(np.maximum((offsets**2).sum(axis=1) - height**2, 0))
    index = index[(np.abs(height) <= long) & (away <= wide)]
    index = index[:: 1 + len(index) // MOST_VOXELS]
    values = volume.array[index[:, 2], index[:, 1], index[:, 0]].astype(np.float64)
    clipped = values.size > 0 and int((values == values.max()).sum()) >= 3
    dark, light = np.percentile(values, [5, 80]) if values.size else (0.0, 0.0)
    layered = not rough.hole_mm and bool(dark < AIR_HU and light > TISSUE_HU)
    axes = across_and_along(rough.axis)
    return _Patch(_places(grid, index) - rough.centre, values, axes, clipped, rough.hole_mm > 0, layered)


def _places(grid: Grid, index: Array) -> Array:
    """(s, n, 3) LPS mm: two places along each long axis of a voxel, which have a voxel's mean and second moment."""
    parts = [np.array([-1, 1]) / np.sqrt(12) if length > FINEST_MM else np.zeros(1) for length in grid.spacing]
    within = np.stack(np.meshgrid(*parts, indexing="ij"), axis=-1).reshape(-1, 3)
    return grid.lps_from_ijk.apply(index[None] + within[:, None])


def across_and_along(axis: Array) -> Array:
    """(3, 3) orthonormal rows, the last of which is `axis`."""
    helper = np.eye(3)[np.abs(axis).argmin()]
    first = np.cross(axis, helper) / np.linalg.norm(np.cross(axis, helper))
    return np.array([first, np.cross(axis, first), axis])


def _start(patch: _Patch, rough: Tube) -> Array:
    """Parameters to start from: levels from the voxels clear of the tube, their boundary where a step fits best."""
    middles = patch.places.mean(axis=0)
    height = middles @ rough.axis
    away = np.sqrt(np.maximum((middles**2).sum(axis=1) - height**2, 0))
    clear = (away > rough.diameter_mm / 2 + 1.0) | (np.abs(height) > rough.length_mm / 2 + 1.0)
    height, values = height[clear], patch.values[clear]
    bright = float(patch.values.max()) if patch.values.size else 0.0
    sizes = [0.0, 0.0, 0.0, 0.0, 0.0, rough.diameter_mm / 2, rough.length_mm, bright, BLUR_MM]
    if patch.hollow:
        outer, inner, _ = _step(height, values)
        # a ring lies on the skin
        return np.array([*sizes, outer, inner, -rough.length_mm / 2, 0.0, 0.0, 0.0, rough.hole_mm / 2])
    if not patch.layered:
        return np.array([*sizes, *_step(height, values), 0.0, 0.0, 0.0])
    air, _, skin = _step(height, np.where(values < AIR_HU, -1000.0, 0.0))
    body = values > TISSUE_HU
    return np.array([*sizes, *_step(height[body], values[body]), 0.0, 0.0, 0.0, air, skin])


def _step(height: Array, values: Array) -> tuple[float, float, float]:
    """The levels above and below the height that parts values best in two, and that height."""
    if len(values) < 4:
        return 0.0, 0.0, 0.0
    order = np.argsort(height, kind="stable")
    sorted_values = values[order]
    below = np.cumsum(sorted_values)[:-1]
    count = np.arange(1, len(values))
    between = below**2 / count + (sorted_values.sum() - below) ** 2 / (len(values) - count)
    cut = int(between.argmax())
    low, high = sorted_values[: cut + 1], sorted_values[cut + 1 :]
    return float(np.median(high)), float(np.median(low)), float(height[order][cut])
