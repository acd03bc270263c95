"""Places where a surface is meant to be changed, told as functions of points: balls, slabs, the inside of a solid.

A region takes points, (n, 3) mm, and tells which of them lie in it, (n,). All are in the frame of the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface

Bools = NDArray[np.bool_]
Region = Callable[[Array], Bools]


def within_ball(centre: Sequence[float] | Array, radius_mm: float) -> Region:
    """All points within `radius_mm` of the centre, mm."""
    return lambda points: np.asarray(((points - np.asarray(centre)) ** 2).sum(axis=1) <= radius_mm**2)


def within_slab(point: Sequence[float] | Array, normal: Sequence[float] | Array, half_mm: float) -> Region:
    """All points within `half_mm` of a plane: where it was cut. The normal need not have unit length."""
    axis = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)
    return lambda points: np.asarray(np.abs((points - np.asarray(point)) @ axis) <= half_mm)


def beyond_plane(point: Sequence[float] | Array, normal: Sequence[float] | Array, half_mm: float = 0.0) -> Region:
    """All points on the side of a plane that its normal faces, and within `half_mm` of it: what was cut off."""
    axis = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)
    return lambda points: np.asarray((points - np.asarray(point)) @ axis >= -half_mm)


def deeper(solid: Surface, by_mm: float) -> Region:
    """All points deeper than `by_mm` inside a closed, outward surface.

    A negative value takes in what lies outside of it, but nearer than that: `deeper(tool, -0.1)` is where a tool that
    was added or subtracted changed something; `deeper(body, 0.5 * wall)` is where the inner wall of a hollowed body is.
    """
    from surgplan.surface.ruler import Ruler

    ruler = Ruler(solid.vertices, solid.triangles)

    def holds(points: Array) -> Bools:
        away = ruler(points)
        if by_mm < 0:
            there = away < -by_mm
            there[~there] = enclosed(points[~there], solid)
            return there
        there = away > by_mm
        there[there] = enclosed(points[there], solid)
        return there

    return holds


def enclosed(points: Array, solid: Surface) -> Bools:
    """(n,) which of the points, (n, 3) mm, lie inside a closed surface.

    Source: VTK's vtkSelectEnclosedPoints, which counts the crossings of rays.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersModeling import vtkSelectEnclosedPoints

    from surgplan.surface.vtk_mesh import in_threads, to_polydata

    select = vtkSelectEnclosedPoints()
    select.SetInputData(to_polydata(points, np.empty((0, 3), np.int32), precise=True))
    select.SetSurfaceData(to_polydata(solid.vertices, solid.triangles, precise=True))
    select.SetTolerance(1e-9)
    with in_threads():
        select.Update()
    chosen = vtk_to_numpy(select.GetOutput().GetPointData().GetArray("SelectedPoints"))
    return np.asarray(chosen > 0)


def in_any(regions: Sequence[Region], points: Array) -> Bools:
    """(n,) which of the points, (n, 3) mm, lie in one of the regions."""
    there = np.zeros(len(points), dtype=bool)
    for region in regions:
        if len(points):
            there |= region(points)
    return there
