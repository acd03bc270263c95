"""Distances from points to a triangle mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Bools = NDArray[np.bool_]

WORTH_CHOOSING = 200_000
"""With more triangles, those near the points are looked for first."""

MOST_CHOSEN = 0.6
"""When more than this share of the triangles is near, all of them are made ready."""

AT_ONCE = 1 << 14
"""Triangles or vertices that are looked at at once: they stay in the processor's cache."""

MOST_CELLS = 1 << 24

FIRST_REACH = 1.3
"""So many times as far as the largest triangle reaches is looked at first."""

LEAST_REACH_MM = 1e-3
"""For meshes of which all triangles are points."""


def distances_of_few(points: Array, vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """The same as `Ruler(vertices, triangles)(points)`, for points that most of the mesh is far from.

    Only triangles that have a corner near a point are made ready, which takes less memory and time. A distance counts
    when no other triangle, as large as the largest one, can be nearer; otherwise it is measured again among more.
    """
    if len(triangles) < WORTH_CHOOSING:
        return Ruler(vertices, triangles)(points)
    largest = _largest_extent(vertices, triangles)
    found, open_, reach = np.empty(len(points)), np.arange(len(points)), max(FIRST_REACH * largest, LEAST_REACH_MM)
    while len(open_):
        near = _near(points[open_], reach, vertices, triangles)
        if len(near) > MOST_CHOSEN * len(triangles):
            found[open_] = Ruler(vertices, triangles)(points[open_])
            break
        if len(near):
            found[open_] = Ruler(vertices, np.take(triangles, near, axis=0))(points[open_])
            open_ = open_[found[open_] + largest > reach]
        reach *= 4
    return found


def _largest_extent(vertices: Array, triangles: NDArray[np.int32]) -> float:
    """How far, mm, a triangle reaches along an axis at the most."""
    most = 0.0
    for start in range(0, len(triangles), AT_ONCE):
        a, b, c = (np.take(vertices, triangles[start : start + AT_ONCE, corner], axis=0) for corner in range(3))
        low, high = np.minimum(a, b), np.maximum(a, b)
        np.minimum(low, c, out=low)
        np.maximum(high, c, out=high)
        most = max(most, float((high - low).max()))
    return most


def _near(points: Array, reach: float, vertices: Array, triangles: NDArray[np.int32]) -> NDArray[np.int64]:
    """Numbers of the triangles that have a corner within `reach` mm of a point along each axis, and of some more."""
    low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
    step = max(reach, float(np.cbrt(np.prod(high - low) / MOST_CELLS)))
    taken = np.zeros(np.floor((high - low) / step).astype(int) + 1, dtype=bool)
    taken[tuple(((points - low) / step).astype(int).T)] = True
    for axis in range(3):
        line = np.moveaxis(taken, axis, 0)
        before = line.copy()
        line[1:] |= before[:-1]
        line[:-1] |= before[1:]
    corner = np.zeros(len(vertices), dtype=bool)
    for start in range(0, len(vertices), AT_ONCE):
        corner[start : start + AT_ONCE] = _in_cells(vertices[start : start + AT_ONCE], taken, low, step)
    a, b, c = (np.take(corner, triangles[:, number]) for number in range(3))
    return np.flatnonzero(a | b | c)


def _in_cells(points: Array, taken: Bools, low: Array, step: float) -> Bools:
    """(n,) which points lie in cells of a grid that are taken."""
    i, j, k = ((line - start) / step for line, start in zip(points.T, low, strict=True))
    within = (i >= 0) & (j >= 0) & (k >= 0)
    within &= (i < taken.shape[0]) & (j < taken.shape[1]) & (k < taken.shape[2])
    cells = tuple(line[within].astype(np.int64) for line in (i, j, k))
    within[within] = taken[cells]
    return np.asarray(within)


class Ruler:
    """A mesh made ready for measuring distances to it: vertices (n, 3) mm, triangles (m, 3) indices."""

    def __init__(self, vertices: Array, triangles: NDArray[np.int32]) -> None:
        from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator

        from surgplan.surface.vtk_mesh import in_threads, to_polydata

        self._locator = vtkStaticCellLocator()  # three times as fast to build as vtkCellLocator
        self._locator.CacheCellBoundsOff()  # as fast without, in a third less memory
        self._locator.SetDataSet(to_polydata(vertices, triangles, precise=True))
        with in_threads():
            self._locator.BuildLocator()

    def __call__(self, points: Array) -> Array:
        """(n,) distance, mm, of each of the points, (n, 3), to the nearest point of the mesh."""
        squares = np.empty(len(points))
        for n, (_, _, square) in enumerate(self._closest(points)):
            squares[n] = square.get()
        return np.asarray(np.sqrt(squares))

    def nearest(self, point: Array) -> tuple[Array, int]:
        """The mesh's point, (3,) mm, that is nearest to a point, and the triangle that it lies in."""
        places, triangles = self.places(point[None])
        return places[0], int(triangles[0])

    def places(self, points: Array) -> tuple[Array, NDArray[np.int32]]:
        """The mesh's points, (n, 3) mm, that are nearest to each of the points, and the triangles that they lie in."""
        places, triangles = np.empty((len(points), 3)), np.empty(len(points), np.int32)
        for n, (found, number, _) in enumerate(self._closest(points)):
            places[n], triangles[n] = found, number.get()
        return places, triangles

    def _closest(self, points: Array) -> Iterator[tuple[list[float], Any, Any]]:
        """For each point the nearest one of the mesh, and references to its triangle's number and to the square of the
        distance, mm²; the next point overwrites them."""
        from vtkmodules.vtkCommonCore import reference
        from vtkmodules.vtkCommonDataModel import vtkGenericCell

        found, cell = [0.0, 0.0, 0.0], vtkGenericCell()
        number: Any = reference(0)
        part: Any = reference(0)
        square: Any = reference(0.0)
        find: Any = self._locator.FindClosestPoint
        for point in points.tolist():
            find(point, found, cell, number, part, square)
            yield found, number, square
