"""Analytic shapes as fields of signed distance, mm, positive inside, LPS; exact at the surface, close near it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]]
Profile = Callable[[NDArray[Any]], NDArray[Any]]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """A field and the box, (low, high) mm, outside of which it is negative."""

    field: Field
    low: Vector
    high: Vector

    def __or__(self, other: Shape) -> Shape:
        """Union."""
        low = tuple(min(pair) for pair in zip(self.low, other.low, strict=True))
        high = tuple(max(pair) for pair in zip(self.high, other.high, strict=True))
        return Shape(lambda x, y, z: np.maximum(self.field(x, y, z), other.field(x, y, z)), low, high)  # type: ignore[arg-type]

    def __and__(self, other: Shape) -> Shape:
        """Intersection."""
        low = tuple(max(pair) for pair in zip(self.low, other.low, strict=True))
        high = tuple(min(pair) for pair in zip(self.high, other.high, strict=True))
        return Shape(lambda x, y, z: np.minimum(self.field(x, y, z), other.field(x, y, z)), low, high)  # type: ignore[arg-type]

    def __sub__(self, other: Shape) -> Shape:
        """Difference."""
        return Shape(lambda x, y, z: np.minimum(self.field(x, y, z), -other.field(x, y, z)), self.low, self.high)

    def shrunk(self, by_mm: float) -> Shape:
        """The part deeper than `by_mm`; grown for a negative one."""
        low = tuple(value + by_mm for value in self.low)
        high = tuple(value - by_mm for value in self.high)
        return Shape(lambda x, y, z: self.field(x, y, z) - by_mm, low, high)  # type: ignore[arg-type]


def ellipsoid(centre: Vector, radii: Vector) -> Shape:
    """Semi-axes along x, y, z. Source of the distance: f / |∇f| with f = |p / r| − 1 (Taubin 1994), times |p / r|."""
    a, b, c = radii

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        u, v, w = (x - centre[0]) / a, (y - centre[1]) / b, (z - centre[2]) / c
        unit = np.sqrt(u * u + v * v + w * w)
        slope = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
        return np.asarray(unit * (1 - unit) / np.maximum(slope, 1e-6))

    low = tuple(at - r for at, r in zip(centre, radii, strict=True))
    high = tuple(at + r for at, r in zip(centre, radii, strict=True))
    return Shape(field, low, high)  # type: ignore[arg-type]


def ball(centre: Vector, radius: float) -> Shape:
    """A sphere's inside: exact."""

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(radius - np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2))

    low = tuple(at - radius for at in centre)
    high = tuple(at + radius for at in centre)
    return Shape(field, low, high)  # type: ignore[arg-type]


def capsule(start: Vector, end: Vector, radius: float, end_radius: float | None = None) -> Shape:
    """All points within `radius` of a segment; with an `end_radius`, it changes linearly along the segment."""
    last = radius if end_radius is None else end_radius
    a, b = np.array(start), np.array(end)
    along = b - a
    square = float(along @ along)
    slant = np.float32(np.sqrt(1 + ((last - radius) ** 2) / square))

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        u, v, w = x - a[0], y - a[1], z - a[2]
        t = np.clip((u * along[0] + v * along[1] + w * along[2]) / square, 0, 1)
        away = np.sqrt((u - t * along[0]) ** 2 + (v - t * along[1]) ** 2 + (w - t * along[2]) ** 2)
        return np.asarray((radius + t * (last - radius) - away) / slant)

    most = max(radius, last)
    return Shape(field, tuple(np.minimum(a, b) - most), tuple(np.maximum(a, b) + most))


def arc(centre: Vector, major: Vector, minor: float) -> Shape:
    """A tube of radius `minor` round an ellipse in the x-y plane; `major` holds its semi-axes (x, y, unused)."""
    a, b = major[0], major[1]

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        u, v = x - centre[0], y - centre[1]
        unit = np.sqrt((u / a) ** 2 + (v / b) ** 2)
        slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2)
        flat = unit * (unit - 1) / np.maximum(slope, 1e-6)
        return np.asarray(minor - np.sqrt(flat * flat + (z - centre[2]) ** 2))

    low = (centre[0] - a - minor, centre[1] - b - minor, centre[2] - minor)
    high = (centre[0] + a + minor, centre[1] + b + minor, centre[2] + minor)
    return Shape(field, low, high)


def half_space(point: Vector, normal: Vector) -> Shape:
    """All points behind the plane, against its normal."""
    n = np.array(normal) / np.linalg.norm(normal)
    shift = float(n @ np.array(point))

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.float32(shift) - (n[0] * x + n[1] * y + n[2] * z))

    return Shape(field, (-1e4,) * 3, (1e4,) * 3)


def slab(point: Vector, normal: Vector, width: float) -> Shape:
    """All points within half of `width` of a plane."""
    n = np.array(normal) / np.linalg.norm(normal)
    one, other = (tuple(np.array(point) + side * width / 2 * n) for side in (1, -1))
    return half_space(one, tuple(n)) & half_space(other, tuple(-n))


def tube(centre: Profile, radius: Profile, low: float, high: float, most: float) -> Shape:
    """A tube along z from `low` to `high`: its centre's x and its radius are functions of z; `most` bounds both."""

    def field(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
        away = np.sqrt((x - centre(z)) ** 2 + y**2)
        step = 0.01
        slope = (radius(z + step) - radius(z - step)) / (2 * step)
        side = (radius(z) - away) / np.sqrt(1 + slope**2)
        return np.asarray(np.minimum(side, np.minimum(z - low, high - z)))

    return Shape(field, (-most, -most, low), (most, most, high))


def volume_mm3(shape: Shape, step_mm: float = 0.7) -> float:
    """Volume by midpoint sampling with a linear ramp across the surface: second order in the step."""
    axes = [
        (np.arange(np.ceil((high - low) / step_mm) + 2) - 0.5) * step_mm + low
        for low, high in zip(shape.low, shape.high, strict=True)
    ]
    x, y, z = axes
    total = 0.0
    for height in z:
        field = shape.field(x[None, :], y[:, None], np.full((1, 1), height))
        total += float(np.clip(0.5 + field / step_mm, 0, 1).sum())
    return total * step_mm**3
