"""A ball in a scan, measured by fitting a blurred ball to its voxels: centre, diameter, and how well it fits.

A centroid of intensities is biased as soon as air lies on one side of a marker and skin on the other: by 0.9 mm for a
5 mm ball that touches the skin. The fit knows of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.volume import Grid, Volume

REACH_MM, REACH_VOXELS = 2.5, 1.5
"""How far beyond the ball voxels are fitted, in mm or in voxels: past its blur, short of its neighbours."""

FINEST_MM = 1.0
"""A voxel longer than this is averaged from several places within it."""

MOST_VOXELS = 6000
"""More voxels than this add time and no accuracy."""

VOXELS_FOR_EACH, MOST_STEPS = 3, 40
"""Voxels for each parameter without which a fit says nothing; steps after which it leads nowhere (balls take 20)."""

BLUR_MM = 0.65
"""Standard deviation of the point spread to start from: what clinical CT scanners have with standard kernels."""

TWO_SIDED_HU = 300.0
"""A background that differs more than this has skin on one side and air on the other."""

CORRELATED, NEVER_BELOW_MM = 2.0, 0.02
"""By how much correlated noise widens what independent noise would give; what no marker is known better than."""

SCALES = np.array([0.1, 0.1, 0.1, 0.1, 100.0, 0.1, 100.0, 100.0, 0.1, 0.1, 0.1, 0.01])
"""Typical change of each parameter: centre, radius, ball, blur, air; tissue, and of the boundary between air and tissue
two tilts, height and curvature (1/mm)."""


@dataclass(frozen=True)
class Ball:
    """A fitted ball.

    `centre` is (3,) LPS mm, `blur_mm` the standard deviation of its point spread. `misfit` is the root mean square of
    what the fit leaves over, as a share of how far the ball stands out of the brighter side of its background: 0.01 to
    0.05 for balls with noise, more for anything else. `sd_mm` is the standard deviation of the centre along each axis.
    """

    centre: Array
    diameter_mm: float
    blur_mm: float
    misfit: float
    sd_mm: float = 0.0


def fit_ball(volume: Volume, centre: Array, radius_mm: float) -> Ball | None:
    """The ball near `centre` (3,), LPS mm, with a radius near `radius_mm`; None when the voxels do not determine one.

    Least squares, with two levels behind the ball (skin and air) where there are two, and between them a boundary that
    is curved as a paraboloid.
    """
    from scipy.optimize import least_squares

    patch = _patch(volume, centre, radius_mm)
    start = _start(patch, radius_mm)
    if patch.values.size < VOXELS_FOR_EACH * start.size:
        return None
    scales = SCALES[: start.size]

    def left_over(scaled: Array) -> Array:
        return patch.model(scaled * scales) - patch.values

    found = least_squares(left_over, start / scales, method="lm", ftol=1e-6, xtol=1e-6, max_nfev=MOST_STEPS)
    values = found.x * scales
    # the levels behind the ball as seen, not as fitted: of a boundary at the patch's rim, one side is hardly known
    stands_out = min(values[4], patch.top) - start[6:8].max()
    if not np.isfinite(values).all() or stands_out <= 0:
        return None
    noise = np.sqrt((found.fun**2).sum() / (patch.values.size - start.size))
    sure = sure_mm(found.jac / scales, float(noise), np.eye(start.size)[:3])
    return Ball(centre + values[:3], 2 * abs(float(values[3])), abs(float(values[5])), float(noise / stands_out), sure)


def sure_mm(jacobian: Array, noise: float, moves: Array) -> float:
    """Standard deviation along each axis, mm, of a place that depends on a fit's parameters as `moves` (3, p) says.

    To first order, from the residuals' size and the Jacobian (n, p). CT noise hangs together over neighbouring voxels,
    which counts as fewer of them: `CORRELATED` stands for it, and `NEVER_BELOW_MM` for the model's own faults.
    """
    spread = np.linalg.pinv(jacobian.T @ jacobian)
    variance = float(np.trace(moves @ spread @ moves.T)) / 3 * noise**2
    return float(np.hypot(CORRELATED * np.sqrt(max(variance, 0.0)), NEVER_BELOW_MM))


@dataclass(frozen=True)
class _Patch:
    """Voxels round a ball: `places` (s, n, 3) of s samples in each of n voxels, mm from the middle; `values` (n,).

    `top` is the highest value; where the scanner cut off what is above it, `clipped` says so. `normal` (3,) points
    from skin to air, `along` (2, 3) spans the plane between them.
    """

    places: Array
    values: Array
    normal: Array
    along: Array
    clipped: bool

    @property
    def top(self) -> float:
        return float(self.values.max())

    def model(self, parameters: Array) -> Array:
        """(n,) what the voxels of a perfect ball would hold."""
        from scipy.special import ndtr

        centre, (radius, ball, blur, air) = parameters[:3], parameters[3:7]
        blur = max(abs(blur), 0.05)
        behind: Any = air
        if parameters.size > 7:
            normal = self.normal + parameters[8:10] @ self.along
            normal /= np.linalg.norm(normal)
            height = self.places @ normal
            sag = ((self.places**2).sum(axis=-1) - height**2) * parameters[11] / 2
            behind = air + (parameters[7] - air) * ndtr((parameters[10] - height - sag) / blur)
        cover = blurred_ball(np.linalg.norm(self.places - centre, axis=-1), abs(radius), blur)
        seen: Array = (behind + (ball - behind) * cover).mean(axis=0)
        return np.minimum(seen, self.top) if self.clipped else seen


def blurred_ball(distance: Array, radius: float, blur: float) -> Array:
    """Share of a ball's intensity at a distance from its centre, after a Gaussian point spread, all in mm.

    Source: the Gaussian integrated over a ball in spherical coordinates: ½ [erf(a) + erf(b)] − s / (r √(2π))
    [exp(−a²) − exp(−b²)] with a = (R − r) / (s √2) and b = (R + r) / (s √2).
    """
    from scipy.special import erf

    r = np.maximum(distance, 1e-3)
    a, b = (radius - r) / (blur * np.sqrt(2)), (radius + r) / (blur * np.sqrt(2))
    tail = blur / (r * np.sqrt(2 * np.pi)) * (np.exp(-a * a) - np.exp(-b * b))
    share: Array = 0.5 * (erf(a) + erf(b)) - tail
    return share


def _patch(volume: Volume, centre: Array, radius_mm: float) -> _Patch:
    grid = volume.grid
    beyond = max(REACH_MM, REACH_VOXELS * float(grid.spacing.min()))
    index = voxels_near(grid, centre, radius_mm + beyond)[0]
    index = index[:: 1 + len(index) // MOST_VOXELS]
    values = volume.array[index[:, 2], index[:, 1], index[:, 0]].astype(np.float64)
    steps = np.ceil(grid.spacing / FINEST_MM).astype(int)
    parts = [(np.arange(count) + 0.5) / count - 0.5 for count in steps]
    within = np.stack(np.meshgrid(*parts, indexing="ij"), axis=-1).reshape(-1, 3)
    places = grid.lps_from_ijk.apply(index[None] + within[:, None]) - centre
    outside = np.linalg.norm(places.mean(axis=0), axis=1) > radius_mm + 1.0
    normal = _towards_air(places.mean(axis=0)[outside], values[outside])
    helper = np.eye(3)[np.abs(normal).argmin()]
    first = np.cross(normal, helper) / np.linalg.norm(np.cross(normal, helper))
    clipped = values.size > 0 and int((values == values.max()).sum()) >= 3
    return _Patch(places, values, normal, np.array([first, np.cross(normal, first)]), clipped)


def voxels_near(grid: Grid, centre: Array, reach_mm: float) -> tuple[NDArray[np.int64], Array]:
    """(n, 3) indices i, j, k of the voxels whose centres lie within reach of a place, and (n,) how far off, mm."""
    middle, ends = grid.ijk_from_lps.apply(centre), reach_mm / grid.spacing
    low = np.maximum(np.ceil(middle - ends).astype(int), 0)
    high = np.minimum(np.floor(middle + ends).astype(int) + 1, grid.size)
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    away = np.linalg.norm((index - middle) * grid.spacing, axis=1)
    return index[away <= reach_mm], away[away <= reach_mm]


def _towards_air(places: Array, values: Array) -> Array:
    """(3,) unit vector along which the background darkens most, by linear regression."""
    if len(values) < 4:
        return np.array([0.0, 0.0, 1.0])
    slope = np.asarray(np.linalg.lstsq(np.c_[places, np.ones(len(places))], values, rcond=None)[0][:3], np.float64)
    steep = float(np.linalg.norm(slope))
    return -slope / steep if steep > 0 else np.array([0.0, 0.0, 1.0])


def _start(patch: _Patch, radius_mm: float) -> Array:
    """Parameters to start from; those of the boundary only where the background has two levels."""
    middles = patch.places.mean(axis=0)
    outside = np.linalg.norm(middles, axis=1) > radius_mm + 1.0
    background = patch.values[outside] if outside.any() else patch.values
    air, tissue = (float(level) for level in np.percentile(background, [10, 90])) if background.size else (0.0, 0.0)
    top = patch.top if patch.values.size else 0.0
    one_level = [0.0, 0.0, 0.0, radius_mm, top, BLUR_MM, air]
    if tissue - air < TWO_SIDED_HU:
        return np.array([*one_level[:6], (air + tissue) / 2])
    height = np.sort(middles[outside] @ patch.normal)
    deep = int((background > (air + tissue) / 2).sum())
    return np.array([*one_level, tissue, 0.0, 0.0, float(height[min(deep, len(height) - 1)]), 0.0])
