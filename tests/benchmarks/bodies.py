"""Analytic bodies as scans of any voxel size, and how far a mesh lies from their true boundary, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.examples.render import render
from surgplan.examples.scenes import BONE, SOFT, Part, Scene, femur, skull
from surgplan.examples.shapes import Shape, arc, ellipsoid, volume_mm3
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.isosurface import isosurface
from surgplan.surface.ruler import Ruler

Array = NDArray[np.float64]

SPACINGS = {"0.7 × 0.7 × 1.0": (0.7, 0.7, 1.0), "0.5 × 0.5 × 2.0": (0.5, 0.5, 2.0)}

FINE_MM = 0.8
"""Grid on which points of the true boundary are looked for, before they are moved onto it."""

SAMPLES = 20_000


@dataclass(frozen=True)
class Body:
    """What is scanned: the scene, the structure that is looked for in it, its true shape and its volume, mm³."""

    scene: Scene
    structure: str
    parts: int

    @cached_property
    def shape(self) -> Shape:
        """The true shape: its field is the signed distance, mm, to first order near the boundary."""
        return next(part.shape for part in self.scene.parts if part.name == self.structure)

    @cached_property
    def volume_mm3(self) -> float:
        """By midpoints of a grid that is finer than any scan's."""
        return volume_mm3(self.shape, 0.35)

    def distance(self, points: Array) -> Array:
        """(n,) distance, mm, of points, (n, 3) LPS mm, to the true boundary."""
        return np.abs(self.shape.field(*points.T))

    @cached_property
    def boundary(self) -> Array:
        """(n, 3) points spread over the true boundary, LPS mm."""
        low, high = (np.array(end) for end in (self.shape.low, self.shape.high))
        size = np.ceil((high - low) / FINE_MM).astype(int) + 5
        grid = Grid(tuple(size), (FINE_MM,) * 3, low - 2 * FINE_MM)
        x, y, z = (grid.origin[axis] + FINE_MM * np.arange(size[axis]) for axis in range(3))
        field = np.stack([self.shape.field(x[None, :], y[:, None], np.full((1, 1), height)) for height in z]).astype(
            np.float32
        )
        points = surface_samples(isosurface(field, grid, Label(1, "truth")), SAMPLES)
        for _ in range(3):
            points = points - self.shape.field(*points.T)[:, None] * self._slope(points)
        return points[np.abs(self.shape.field(*points.T)) < 1e-3]

    def _slope(self, points: Array) -> Array:
        step, slope = 1e-3, np.empty_like(points)
        for axis in range(3):
            shift = np.zeros(3)
            shift[axis] = step
            rise = self.shape.field(*(points + shift).T) - self.shape.field(*(points - shift).T)
            slope[:, axis] = rise / (2 * step)
        return slope / np.maximum((slope**2).sum(axis=1, keepdims=True), 1e-9)


def torus() -> Scene:
    """A ring of bone in soft tissue."""
    shape = arc((0.13, -0.21, 0.07), (30.0, 30.0, 0.0), 9.0)
    return Scene("torus", (Part("torus", shape, BONE),), (-45, -45, -15), (45, 45, 15))


def egg() -> Scene:
    """An ellipsoid of bone in soft tissue."""
    shape = ellipsoid((0.13, -0.21, 0.07), (30.0, 22.0, 16.0))
    return Scene("ellipsoid", (Part("ellipsoid", shape, BONE),), (-36, -28, -22), (36, 28, 22))


def in_tissue(scene: Scene) -> Scene:
    """The scene with soft tissue all round."""
    around = ellipsoid((0, 0, 0), (500.0, 500.0, 500.0))
    return Scene(scene.name, (Part("tissue", around, SOFT), *scene.parts), scene.low, scene.high)


BODIES = {
    "torus": Body(in_tissue(torus()), "torus", 1),
    "ellipsoid": Body(in_tissue(egg()), "ellipsoid", 1),
    "hollow femur": Body(femur(), "femur", 2),
    "skull": Body(skull(), "skull", 1),
}


def scanned(body: Body, spacing: tuple[float, float, float], seed: int = 0) -> Volume:
    """A CT of the body: point spread of 0.6 mm, averaged over each voxel, noise of 20 HU."""
    low, high, steps = np.array(body.scene.low), np.array(body.scene.high), np.array(spacing)
    size = np.ceil((high - low) / steps).astype(int)
    grid = Grid(tuple(size), steps, (low + high) / 2 - steps * (size - 1) / 2)
    return Volume(grid, render(body.scene, grid, seed), Modality.CT)


def held_to_truth(body: Body, surface: Surface) -> dict[str, Any]:
    """Distances, mm, from the surface to the true boundary and back, the worse of the two ways; error of the volume."""
    there, truth = surface_samples(surface, SAMPLES), body.boundary
    ways = body.distance(there), Ruler(surface.vertices, surface.triangles)(truth)
    worst = max(range(2), key=lambda way: ways[way].max())
    place = (there, truth)[worst][ways[worst].argmax()]
    return {
        "triangles": len(surface.triangles),
        "mean_mm": round(max(float(way.mean()) for way in ways), 4),
        "p95_mm": round(max(float(np.percentile(way, 95)) for way in ways), 4),
        "maximum_mm": round(float(ways[worst].max()), 3),
        "place_mm": [round(float(value), 1) for value in place],
        "volume_percent": round(100 * (surface.volume_mm3 / body.volume_mm3 - 1), 3),
    }
