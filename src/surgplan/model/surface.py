"""Surface: a triangle mesh that knows its structure and its frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import LPS, Array, Frame, Transform
from surgplan.model.labels import Label

AT_ONCE = 1 << 14
"""Triangles that are measured at once."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh in millimetres; it may be open, and need not be watertight.

    Parameters
    ----------
    label:
        The structure it bounds.
    vertices:
        (n, 3) float64, mm, in `frame`.
    triangles:
        (m, 3) int32 vertex indices, counter-clockwise seen from outside.
    frame:
        Where the vertices lie.

    Raises
    ------
    ValueError
        Wrong shapes, a vertex that is not finite, or a triangle that names no vertex.
    """

    label: Label
    vertices: Array
    triangles: NDArray[np.int32]
    frame: Frame = LPS

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, dtype=np.float64).view()
        triangles = np.ascontiguousarray(self.triangles, dtype=np.int32).view()
        for what, array in (("vertices", vertices), ("triangles", triangles)):
            if array.ndim != 2 or array.shape[1] != 3:
                raise ValueError(f"{what} must have the shape (n, 3), not {array.shape}")
        if not np.isfinite(vertices).all():
            raise ValueError("a vertex is not finite")
        if triangles.size and (triangles.min() < 0 or triangles.max() >= len(vertices)):
            raise ValueError("a triangle names a vertex that does not exist")
        vertices.setflags(write=False)
        triangles.setflags(write=False)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "triangles", triangles)

    @property
    def corners(self) -> Array:
        """(m, 3, 3) the three corners of each triangle, mm."""
        return self.vertices[self.triangles]

    @cached_property
    def bounds(self) -> Array:
        """(2, 3) lowest and highest coordinates that triangles reach, mm; `ValueError` when there are none."""
        if not len(self.triangles):
            raise ValueError("a surface without triangles has no bounds")
        taken = np.zeros(len(self.vertices), dtype=bool)  # forty times as fast as np.unique
        taken[self.triangles] = True
        used = self.vertices[taken]
        ends = np.array([used.min(axis=0), used.max(axis=0)])
        ends.setflags(write=False)
        return ends

    @cached_property
    def volume_mm3(self) -> float:
        """Signed volume by the divergence theorem: positive when the triangles face outward."""
        if not len(self.triangles):
            return 0.0
        middle = self.vertices.mean(axis=0)
        parts = [np.einsum("ij,ij->", a - middle, normal) for _, a, normal in self._in_parts()]
        return float(np.sum(parts) / 6.0)

    @property
    def area_mm2(self) -> float:
        """Sum of the triangles' areas, mm²."""
        return float(self.areas.sum(dtype=np.float64))

    @cached_property
    def areas(self) -> NDArray[np.float32]:
        """(m,) area of each triangle, mm²."""
        found = np.empty(len(self.triangles), np.float32)
        for part, _, normal in self._in_parts():
            found[part] = np.sqrt(np.einsum("ij,ij->i", normal, normal)) / 2.0
        found.setflags(write=False)
        return found

    def _in_parts(self) -> Iterator[tuple[slice, Array, Array]]:
        """Some triangles at a time, as many as the processor's cache holds: first corners, and normals of twice the
        area, (k, 3) each."""
        for start in range(0, len(self.triangles), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            a, b, c = (np.take(self.vertices, self.triangles[part, corner], axis=0) for corner in range(3))
            b -= a
            c -= a
            normal = np.empty_like(a)
            for axis in range(3):
                one, two = (axis + 1) % 3, (axis + 2) % 3
                normal[:, axis] = b[:, one] * c[:, two] - b[:, two] * c[:, one]
            yield part, a, normal

    def with_mesh(self, vertices: Array, triangles: NDArray[np.int32]) -> Surface:
        """Another mesh of the same structure in the same frame."""
        return Surface(self.label, vertices, triangles, self.frame)

    def moved(self, transform: Transform) -> Surface:
        """The surface in `transform.fixed`; call it as `transform @ surface`."""
        return Surface(self.label, transform.apply(self.vertices), self.triangles, transform.fixed)
