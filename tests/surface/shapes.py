"""Analytic bodies as scans, with the distance to the truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Grid, Modality, Volume

Array = NDArray[np.float64]
Distance = Callable[[Array], Array]

SOFT, BONE = 40.0, 1040.0
LEVEL = (SOFT + BONE) / 2


def torus(major: float = 20.0, minor: float = 8.0) -> Distance:
    """Signed distance to a torus round z, mm, positive inside."""

    def distance(points: Array) -> Array:
        flat = np.hypot(points[..., 0], points[..., 1]) - major
        return np.asarray(minor - np.hypot(flat, points[..., 2]))

    return distance


def torus_volume(major: float = 20.0, minor: float = 8.0) -> float:
    return 2 * np.pi**2 * major * minor**2


def shell(outer: float = 25.0, inner: float = 21.0) -> Distance:
    """A hollow ball."""

    def distance(points: Array) -> Array:
        away = np.linalg.norm(points, axis=-1)
        return np.asarray(np.minimum(outer - away, away - inner))

    return distance


def shell_volume(outer: float = 25.0, inner: float = 21.0) -> float:
    return 4 / 3 * np.pi * (outer**3 - inner**3)


def scan(
    distance: Distance, spacing: tuple[float, float, float], half_mm: float = 33.0, seed: int = 1
) -> tuple[Volume, LabelMap]:
    """A CT of the body with a point spread of 0.6 mm and noise of 20 HU, on an oblique grid, and its label map."""
    grid, points = oblique(spacing, half_mm)
    volume = noisy(grid, SOFT + (BONE - SOFT) * ndtr(distance(points) / 0.6), seed)
    return volume, LabelMap(grid, (volume.array > LEVEL).astype(np.uint8), (Label(1, "body", level=LEVEL),))


def halves(
    spacing: tuple[float, float, float], second: float, level: float | None, radius: float
) -> tuple[Volume, LabelMap]:
    """A CT of a ball, of bone for x > 0 and of `second` HU with a `level` for x < 0, and the label map of the two."""
    grid, points = oblique(spacing, radius + 2.5)
    away, x = np.linalg.norm(points, axis=-1), points[..., 0]
    within = second + (BONE - second) * ndtr(x / 0.6)
    labels = Label(1, "one", level=LEVEL), Label(2, "two", level=level)
    array = np.where(away < radius, np.where(x > 0, 1, 2), 0).astype(np.uint8)
    return noisy(grid, SOFT + (within - SOFT) * ndtr((radius - away) / 0.6), 1), LabelMap(grid, array, labels)


def oblique(spacing: tuple[float, float, float], half_mm: float) -> tuple[Grid, Array]:
    """A grid turned about z, with its middle near the origin, and its places, (k, j, i, 3) LPS mm."""
    steps = np.array(spacing)
    size = np.ceil(2 * half_mm / steps).astype(int)
    angle = 0.3
    direction = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    origin = direction @ (-(size - 1) / 2 * steps) + [0.13, -0.21, 0.07]
    grid = Grid(tuple(size), steps, origin, direction)
    k, j, i = np.indices(grid.shape)
    points = grid.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*grid.shape, 3)
    return grid, points


def noisy(grid: Grid, values: Array, seed: int) -> Volume:
    """The values with noise of 20 HU."""
    noise = np.random.default_rng(seed).normal(0, 20, grid.shape)
    return Volume(grid, np.rint(values + noise).astype(np.int16), Modality.CT)
