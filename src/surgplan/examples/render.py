"""From a scene to the voxels of a CT: partial volume, point spread and noise."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.examples.scenes import AIR, Part, Scene
from surgplan.model.volume import Grid

PSF_SIGMA_MM = 0.6
"""Standard deviation of the scanner's Gaussian point spread."""

NOISE_HU = 20.0
REACH = 4.0
"""Beyond so many standard deviations a surface leaves no trace."""

SIZES = {"small": (128, 128, 120), "full": (512, 512, 300), "large": (512, 512, 400)}


def scan_grid(scene: Scene, size: str) -> Grid:
    """The grid that covers the scene with square pixels and evenly spaced slices."""
    columns, rows, slices = SIZES[size]
    low, high = np.array(scene.low), np.array(scene.high)
    pixel = round(float(max((high - low)[:2]) / columns), 4)
    step = round(float((high - low)[2] / slices), 4)
    middle = (low + high) / 2
    spacing = np.array([pixel, pixel, step])
    origin = np.round(middle - spacing * (np.array([columns, rows, slices]) - 1) / 2, 4)
    return Grid((columns, rows, slices), spacing, origin)


def render(scene: Scene, grid: Grid, seed: int) -> NDArray[np.int16]:
    """(k, j, i) Hounsfield units.

    Each part covers a voxel by Φ(d / s), d the signed distance of the voxel's centre to its surface and
    s² = PSF² + mean square voxel edge / 12: a plane edge blurred by the Gaussian point spread and by averaging over
    the voxel. Balls are blurred exactly. Noise is Gaussian, seeded by slice, so that it does not depend on the number
    of threads.
    """
    spread = float(np.sqrt(PSF_SIGMA_MM**2 + np.mean(grid.spacing**2) / 12))
    volume = np.empty(grid.shape, np.int16)
    x = (grid.origin[0] + grid.spacing[0] * np.arange(grid.size[0])).astype(np.float32)
    y = (grid.origin[1] + grid.spacing[1] * np.arange(grid.size[1])).astype(np.float32)

    def one(k: int) -> None:
        z = float(grid.origin[2] + grid.spacing[2] * k)
        plane = np.full(grid.shape[1:], AIR, np.float32)
        for part in scene.parts:
            _lay(plane, part, x, y, z, spread)
        noise = np.random.Generator(np.random.PCG64([seed, k])).standard_normal(plane.shape, np.float32)
        plane += np.float32(NOISE_HU) * noise
        volume[k] = np.clip(np.rint(plane), -1024, 3071).astype(np.int16)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(one, range(grid.size[2])))
    return volume


def _lay(plane: NDArray[np.float32], part: Part, x: NDArray[Any], y: NDArray[Any], z: float, spread: float) -> None:
    """Lay a part over one slice, within its box only."""
    reach = REACH * spread
    if not part.shape.low[2] - reach <= z <= part.shape.high[2] + reach:
        return
    columns = slice(*np.searchsorted(x, [part.shape.low[0] - reach, part.shape.high[0] + reach]))
    rows = slice(*np.searchsorted(y, [part.shape.low[1] - reach, part.shape.high[1] + reach]))
    here = x[None, columns], y[rows, None]
    if not here[0].size or not here[1].size:
        return
    distance = part.shape.field(*here, np.full((1, 1), z, np.float32))
    cover = _blurred_ball(distance, part.exact_ball[1], spread) if part.exact_ball else _normal_cdf(distance / spread)
    patch = plane[rows, columns]
    patch += cover * (np.float32(part.hu) - patch)


def _normal_cdf(t: NDArray[Any]) -> NDArray[np.float32]:
    from scipy.special import ndtr

    return np.asarray(ndtr(np.clip(t, -8, 8).astype(np.float32)))


def _blurred_ball(distance: NDArray[Any], radius: float, spread: float) -> NDArray[np.float32]:
    """A ball convolved with an isotropic Gaussian, in closed form.

    Source: radial integral of the Gaussian over a ball: ½ [erf(a) + erf(b)] − s / (r √(2π)) [exp(−a²) − exp(−b²)] with
    a = (R − r) / (s √2), b = (R + r) / (s √2).
    """
    from scipy.special import erf

    r = np.maximum(radius - distance.astype(np.float64), 1e-6)
    a, b = (radius - r) / (spread * np.sqrt(2)), (radius + r) / (spread * np.sqrt(2))
    tail = spread / (r * np.sqrt(2 * np.pi)) * (np.exp(-(a**2)) - np.exp(-(b**2)))
    return np.asarray(0.5 * (erf(a) + erf(b)) - tail, dtype=np.float32)
