"""The zero of a field as triangles, slab by slab: neighbouring slabs are stitched vertex by vertex, without a gap.

Two slabs share a plane of voxels. Vertices in it are computed from the same two values by the same steps in both, so
they are equal to the last bit, and in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid
from surgplan.surface.mask_field import Field

Ints = NDArray[np.int32]

POINTS_AT_ONCE = 1 << 14
"""Points carried to millimetres at once: stays in the processor's cache."""


def isosurface(field: Field, grid: Grid, label: Label) -> Surface:
    """Where a field on the grid, (k, j, i), is zero, facing away from what is positive; empty when it is nowhere."""
    return stitched([(field, grid)], label)


def stitched(slabs: Iterable[tuple[Field, Grid]], label: Label) -> Surface:
    """The same of a field that comes in slabs along k, each with the last plane of the one before as its first.

    The field must not be exactly zero at any voxel. The filter's triangles face what is smaller, on any right-handed
    grid.

    Source: Schroeder, Maynard and Geveci, "Flying edges", LDAV 2015.
    """
    vertices: list[Array] = []
    triangles: list[Ints] = []
    count, seam, places = 0, np.empty(0, np.int32), np.empty((0, 2), np.float32)
    for field, grid in slabs:
        points, faces = _flying_edges(field)
        # points come plane by plane: only at the head are some that the slab before has too
        height = np.ascontiguousarray(points[:, 2])
        head, tail = np.searchsorted(height, (1, len(field) - 1))
        shared = np.flatnonzero(height[:head] == 0) if triangles else np.empty(0, np.int64)
        if not np.array_equal(points[shared, :2], places):
            raise AssertionError("neighbouring slabs differ in the plane that they share")
        own = np.ones(head, dtype=bool)
        own[shared] = False
        index = (np.cumsum(own) - 1 + count).astype(np.int32)
        index[shared] = seam
        vertices += [_in_mm(points[:head][own], grid), _in_mm(points[head:], grid)]
        count += len(points) - len(shared)
        first = faces < head
        there = index[faces[first]]
        faces += np.int32(count - len(points))
        faces[first] = there
        triangles.append(faces)
        seam, places = np.arange(tail - len(points), 0, dtype=np.int32) + np.int32(count), points[tail:, :2].copy()
    return Surface(label, np.concatenate(vertices), np.concatenate(triangles))


def _in_mm(points: Field, grid: Grid) -> Array:
    lps_from_ijk = grid.lps_from_ijk
    placed = np.empty((len(points), 3))
    for start in range(0, len(points), POINTS_AT_ONCE):
        part = slice(start, start + POINTS_AT_ONCE)
        placed[part] = lps_from_ijk.apply(points[part])
    return placed


def _flying_edges(field: Field) -> tuple[Field, Ints]:
    """Vertices (n, 3) i, j, k in voxels of this field, and triangles (m, 3)."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    from surgplan.surface.vtk_mesh import in_threads

    image = vtkImageData()
    image.SetDimensions(*field.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(field).ravel()))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.0)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    with in_threads():
        edges.Update()
    mesh = edges.GetOutput()
    if not mesh.GetNumberOfCells():
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
    points = vtk_to_numpy(mesh.GetPoints().GetData())
    return points, vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
