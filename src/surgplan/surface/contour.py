"""Where the boundary of a label lies between the voxels: the isosurface of the scan's own intensities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import EmptyLabel
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Volume
from surgplan.surface.mask_field import Field, keep_sign, mask_field

NEAREST = 0.02
"""No vertex comes nearer to a voxel's centre than about this share of a voxel: keeps triangles from collapsing."""

COARSE_MM = 1.5
"""Voxels at least this far apart get values half way between them."""

PAD = 2
"""Voxels of outside round the label: one so that a structure that the scan cuts off is closed there, and one more
because cubics look at two on either side. Without it, what ends between coarse slices ended 0.1 mm early."""


def contour(volume: Volume | None, labels: LabelMap, label: Label) -> Surface:
    """Sub-voxel boundary of one label, in LPS millimetres.

    The surface separates the label's voxels from all others exactly; between the two, it lies where the intensity
    crosses the label's level. Voxels that contradict the level (filled, closed, or left to another structure) are
    taken to be just on their side of it. Without a volume or a level, it follows the voxels without their staircase,
    but with their volume (`mask_field`). Where the scan cuts a structure off, it is flat, along the voxels' faces.

    Raises
    ------
    EmptyLabel
        The label has no voxels.

    Source: Schroeder, Maynard and Geveci, "Flying edges", LDAV 2015.
    """
    start, size = label_box(labels, label)
    mask = _crop(labels.array, start, size, 0) == label.value
    grid = labels.grid.cropped(start, size)
    if volume is None or label.level is None:
        field = mask_field(mask, labels.grid.spacing)
        _cap(field, start, labels.grid)
        return isosurface(field, grid, label)
    field = intensity_field(_crop(volume.array, start, size, volume.array.min()), mask, label.level)
    _cap(field, start, labels.grid)
    return isosurface(*finer(field, grid), label)


def finer(field: Field, grid: Grid) -> tuple[Field, Grid]:
    """The field with values half way between voxels that are far apart: flat triangles would cut off round bodies.

    They are interpolated by cubics; between two voxels on one side of zero they stay on that side.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29, 1981.
    """
    for axis in range(3):
        if grid.spacing[2 - axis] < COARSE_MM:
            continue
        along = np.moveaxis(field, axis, 0)
        padded = np.concatenate([along[:1], along, along[-1:]])
        between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / np.float32(16)
        least = np.minimum(np.abs(along[:-1]), np.abs(along[1:])) / 2
        same = (along[:-1] > 0) == (along[1:] > 0)
        np.copyto(between, np.copysign(np.maximum(np.abs(between), least), along[:-1]), where=same)
        both = np.empty((2 * len(along) - 1, *along.shape[1:]), np.float32)
        both[::2], both[1::2] = along, between
        field = np.moveaxis(both, 0, axis)
        spacing, size = grid.spacing.copy(), list(grid.size)
        spacing[2 - axis] /= 2
        size[2 - axis] = len(both)
        grid = Grid(size, spacing, grid.origin, grid.direction)
    return field, grid


def _cap(field: Field, start: NDArray[np.int64], grid: Grid) -> None:
    """Mirror the field at the scan's faces, in place: its zero lies half way to the padding beyond."""
    end = start[::-1] + field.shape
    for axis in range(3):
        along = np.moveaxis(field, axis, 0)
        for beyond in range(-int(start[2 - axis])):
            first = -int(start[2 - axis])
            along[first - 1 - beyond] = -np.abs(along[first + beyond])
        for beyond in range(int(end[axis] - grid.shape[axis])):
            last = len(along) - 1 - int(end[axis] - grid.shape[axis])
            along[last + 1 + beyond] = -np.abs(along[last - beyond])


def label_box(labels: LabelMap, label: Label) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First voxel and size, both i, j, k, of the label's bounding box with its padding; may reach beyond the grid."""
    there = labels.array == label.value
    planes = there.any(axis=(1, 2))
    if not planes.any():
        raise EmptyLabel(label.name, "has no voxels", advice="Check the recipe's thresholds")
    low, high = _ends(planes)
    part = there[low : high + 1]
    rows, columns = part.any(axis=(0, 2)), part.any(axis=(0, 1))
    ends = [_ends(columns), _ends(rows), (low, high)]
    start = np.array([first for first, _ in ends]) - PAD
    return start, np.array([last for _, last in ends]) - start + 1 + PAD


def _ends(line: NDArray[np.bool_]) -> tuple[int, int]:
    set_at = np.flatnonzero(line)
    return int(set_at[0]), int(set_at[-1])


def _crop(array: NDArray[np.generic], start: NDArray[np.int64], size: NDArray[np.int64], outside: object) -> NDArray:  # type: ignore[type-arg]
    """The box of an array, (k, j, i), filled with `outside` where the box reaches beyond it."""
    begin, count = start[::-1], size[::-1]
    low, high = np.maximum(begin, 0), np.minimum(begin + count, array.shape)
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if (low == begin).all() and (high == begin + count).all():
        return part
    around = list(zip(low - begin, begin + count - high, strict=True))
    return np.pad(part, around, constant_values=outside)  # type: ignore[call-overload,no-any-return]


def intensity_field(intensity: NDArray[np.generic], mask: NDArray[np.bool_], level: float) -> Field:
    """Intensity above the level, positive exactly inside the mask and never near zero.

    Where the structure is darker than the level, like a ventricle, it is the intensity below the level.
    """
    field = intensity.astype(np.float32)
    field -= np.float32(level)
    inside = field[mask]
    if np.median(inside) < 0:
        np.negative(field, out=field)
    nearest = np.float32(max(NEAREST * float(np.median(np.abs(inside))), 1e-3))
    keep_sign(field, mask, nearest)
    return field


def isosurface(field: Field, grid: Grid, label: Label) -> Surface:
    """Where a field on the grid, (k, j, i), is zero, facing away from what is positive; empty when it is nowhere."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    from surgplan.surface.vtk_mesh import in_threads

    image = vtkImageData()
    image.SetDimensions(*grid.size)
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
        return Surface(label, np.empty((0, 3)), np.empty((0, 3), np.int32))
    points = vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64)
    triangles = vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int32)
    surface = Surface(label, grid.lps_from_ijk.apply(points), triangles)
    # the grid is right-handed, so all triangles face the same way; which one depends on the filter's table
    return surface if surface.volume_mm3 > 0 else surface.with_mesh(surface.vertices, triangles[:, ::-1])
