"""Heads with markers on them, drawn finely and blurred by brute force: the truth that the finder is held against.

Nothing here knows the finder's formulas: materials are painted on a grid several times finer than the scan's, smeared
with the scanner's point spread, averaged over each voxel, and made noisy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from surgplan.model.volume import Grid, Modality, Volume

Array = NDArray[np.float64]
AIR, SKIN, BONE, MARKER = -1000.0, 40.0, 1000.0, 2000.0
PSF_MM, NOISE_HU = 0.6, 20.0
FINE_MM = 0.4
HIGHEST = 3071
"""Where 12-bit scanners cut off."""


@dataclass(frozen=True)
class Ball:
    """A ball of one material, LPS mm."""

    centre: Sequence[float]
    radius: float
    hu: float = MARKER


@dataclass(frozen=True)
class Rod:
    """A cylinder with round ends."""

    start: Sequence[float]
    end: Sequence[float]
    radius: float
    hu: float = MARKER


@dataclass(frozen=True)
class Tube:
    """A cylinder with flat ends, with a hole of radius `hole` when that is not 0: a donut, a screw's shaft or head."""

    centre: Sequence[float]
    axis: Sequence[float]
    radius: float
    length: float
    hole: float = 0.0
    hu: float = MARKER


Thing = Ball | Rod | Tube


def scan(
    things: Sequence[Thing],
    size_mm: float = 64.0,
    spacing: Sequence[float] = (0.8, 0.8, 1.0),
    direction: Array | None = None,
    noise_hu: float = NOISE_HU,
    seed: int = 1,
    fine_mm: float = FINE_MM,
) -> Volume:
    """A CT of a cube of `size_mm` round LPS (0, 0, 0); later things lie over earlier ones."""
    axes = np.eye(3) if direction is None else direction
    size = np.ceil(size_mm / np.array(spacing)).astype(int)
    grid = Grid(size, spacing, -axes @ ((size - 1) / 2 * spacing), axes)
    finer = np.ceil(grid.spacing / fine_mm).astype(int)
    fine = Grid(size * finer, grid.spacing / finer, grid.lps_from_ijk.apply(-0.5 + 0.5 / finer), axes)
    painted = np.full(fine.shape, AIR, np.float32)
    for thing in things:
        _paint(painted, fine, thing)
    blurred = gaussian_filter(painted, PSF_MM / fine.spacing[::-1], mode="nearest")
    k, j, i = grid.shape
    voxels = blurred.reshape(k, finer[2], j, finer[1], i, finer[0]).mean(axis=(1, 3, 5))
    voxels += np.random.default_rng(seed).normal(0, noise_hu, voxels.shape).astype(np.float32)
    return Volume(grid, np.clip(np.rint(voxels), -1024, HIGHEST).astype(np.int16), Modality.CT, "1.2.3")


def _paint(painted: NDArray[np.float32], fine: Grid, thing: Thing) -> None:
    middle, reach_mm = _around(thing)
    ends, reach = fine.ijk_from_lps.apply(middle), reach_mm / fine.spacing + 1
    low = np.maximum(np.floor(ends.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(ends.max(axis=0) + reach) + 1, fine.size).astype(int)
    if (high <= low).any():
        return
    i, j, k = np.meshgrid(*[np.arange(x, y) for x, y in zip(low, high, strict=True)], indexing="ij")
    inside = _inside(thing, fine.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3)))
    window = painted[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    window[inside.reshape(i.shape).transpose(2, 1, 0)] = thing.hu


def _around(thing: Thing) -> tuple[Array, float]:
    """Points, (n, 3) LPS mm, and the distance from them within which the thing lies."""
    if isinstance(thing, Rod):
        return np.array([thing.start, thing.end], float), thing.radius
    reach = thing.radius if isinstance(thing, Ball) else float(np.hypot(thing.radius, thing.length / 2))
    return np.array([thing.centre], float), reach


def _inside(thing: Thing, places: Array) -> NDArray[np.bool_]:
    if isinstance(thing, Tube):
        offsets = places - thing.centre
        along = offsets @ (np.array(thing.axis, float) / np.linalg.norm(thing.axis))
        away = np.sqrt(np.maximum((offsets**2).sum(axis=1) - along**2, 0))
        inside: NDArray[np.bool_] = (np.abs(along) <= thing.length / 2) & (away <= thing.radius) & (away >= thing.hole)
        return inside
    if isinstance(thing, Ball):
        return np.asarray(((places - thing.centre) ** 2).sum(axis=1) <= thing.radius**2)
    start, whole = thing.start, np.subtract(thing.end, thing.start)
    share = np.clip((places - start) @ whole / max(float(whole @ whole), 1e-9), 0, 1)[:, None]
    return np.asarray(((places - start - share * whole) ** 2).sum(axis=1) <= thing.radius**2)


HEAD = Ball((0, 0, 0), 22.0, SKIN)
"""Soft tissue whose skin the markers sit on: small, so far more curved than a patient's."""
SKULL, BRAIN = Ball((0, 0, 0), 16.0, BONE), Ball((0, 0, 0), 12.0, SKIN)


def on_skin(direction: Sequence[float], radius: float, gap_mm: float = 0.0) -> tuple[float, float, float]:
    """Where a ball's centre lies that stands `gap_mm` off the head's skin, sunk into it when negative."""
    unit = np.array(direction, dtype=float) / np.linalg.norm(direction)
    x, y, z = (float(v) for v in np.array(HEAD.centre) + unit * (HEAD.radius + radius + gap_mm))
    return x, y, z
