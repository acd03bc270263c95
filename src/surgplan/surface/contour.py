"""Where the boundary of a label lies between the voxels: the isosurface of the scan's own intensities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import EmptyLabel
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Volume
from surgplan.surface.isosurface import stitched
from surgplan.surface.mask_field import Field, keep_sign, mask_field, reach

Indices = NDArray[np.int64]
Slabs = Iterator[tuple[Field, Grid]]

NEAREST = 0.02
"""No vertex comes nearer to a voxel's centre than about this share of a voxel: keeps triangles from collapsing."""

COARSE_MM = 1.5
"""Voxels at least this far apart get values half way between them."""

SLAB_VOXELS = 8_000_000
"""About so many voxels are worked on at once."""

MIN_PLANES = 8
"""No slab has fewer planes, however large they are."""

HALO = 2
"""Planes beyond a slab that `finer` and `cap` need."""

COUNTED_BYTES = 2
"""Values of so few bytes are counted instead of sorted."""

BOX_PLANES = 16
"""Planes in which a label is looked for at once."""

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
    """
    start, size = label_box(labels, label)
    if volume is None or label.level is None:
        return stitched(_mask_slabs(labels, label, start, size), label)
    return stitched(_intensity_slabs(volume, labels, label, start, size), label)


def _intensity_slabs(volume: Volume, labels: LabelMap, label: Label, start: Indices, size: Indices) -> Slabs:
    """The field of a label's box, (k, j, i), slab by slab along k, each with its grid; the next one overwrites it."""
    assert label.level is not None
    sign, nearest = contrast(volume, labels, label, start, size)
    slabs = slabs_of(size)
    thickest = min(max(last - first for first, last in slabs) + 1 + 2 * HALO, int(size[2]))
    room = np.empty((thickest, size[1], size[0]), np.float32)  # taken once: new memory costs time for each slab
    for first, last in slabs:
        low, high = max(first - HALO, 0), min(last + HALO, int(size[2]) - 1)
        at, count = start + np.array([0, 0, low]), np.array([*size[:2], high - low + 1])
        field = room[: count[2]]
        planes = zip(field, crop(volume.array, at, count, 0), crop(labels.array, at, count, 0), strict=True)
        for plane, values, named in planes:  # one by one: stays in the processor's cache
            plane[:] = values
            plane -= np.float32(label.level)
            plane *= sign
            keep_sign(plane, named == label.value, nearest)
        cap(field, at, labels.grid)
        fine, grid = finer(field, labels.grid.cropped(at, count))
        times = (len(fine) - 1) // (high - low)
        yield _planes(fine, grid, times * (first - low), times * (last - low))


def _mask_slabs(labels: LabelMap, label: Label, start: Indices, size: Indices) -> Slabs:
    """The same of a label without intensities."""
    spacing = labels.grid.spacing
    for first, last in slabs_of(size):
        halo = reach(spacing)
        low, high = max(first - halo, 0), min(last + halo, int(size[2]) - 1)
        at, count = start + np.array([0, 0, low]), np.array([*size[:2], high - low + 1])
        field = mask_field(crop(labels.array, at, count, 0) == label.value, spacing)
        cap(field, at, labels.grid)
        yield _planes(field, labels.grid.cropped(at, count), first - low, last - low)


def _planes(field: Field, grid: Grid, first: int, last: int) -> tuple[Field, Grid]:
    """Planes `first` to `last`, k."""
    return field[first : last + 1], grid.cropped([0, 0, first], [*grid.size[:2], last - first + 1])


def slabs_of(size: Indices) -> list[tuple[int, int]]:
    """First and last plane of each slab of a box of `size` (i, j, k); each one's first is the last one's last."""
    thick = max(MIN_PLANES, SLAB_VOXELS // int(size[0] * size[1]))
    last = int(size[2]) - 1
    return [(first, min(first + thick, last)) for first in range(0, last, thick)]


def contrast(
    volume: Volume, labels: LabelMap, label: Label, start: Indices, size: Indices
) -> tuple[np.float32, np.float32]:
    """-1 where the structure is darker than its level, else 1; and how near to zero its field may come."""
    inside = []
    for first, last in slabs_of(size):
        at, count = start + np.array([0, 0, first]), np.array([*size[:2], last - first])
        inside.append(crop(volume.array, at, count, 0)[crop(labels.array, at, count, 0) == label.value])
    values, times = _counted(np.concatenate(inside))
    offsets = values.astype(np.float32) - np.float32(label.level or 0.0)
    sign = np.float32(-1 if _median(offsets, times) < 0 else 1)
    return sign, np.float32(max(NEAREST * _median(np.abs(offsets), times), 1e-3))


def _counted(values: NDArray[Any]) -> tuple[NDArray[Any], Indices]:
    """The different values, and how often each of them comes."""
    if values.dtype.itemsize > COUNTED_BYTES:
        return np.unique(values, return_counts=True)
    least = int(values.min())
    times = np.bincount(values.astype(np.int64) - least)
    there = np.flatnonzero(times)
    return there + least, times[there]


def _median(values: Field, times: Indices) -> float:
    """The median of values that come so many times."""
    order = np.argsort(values)
    upto = np.cumsum(times[order])
    middle = np.searchsorted(upto, ((upto[-1] - 1) // 2, upto[-1] // 2), side="right")
    return float(values[order[middle]].mean())


def finer(field: Field, grid: Grid) -> tuple[Field, Grid]:
    """The field with values half way between voxels that are far apart: flat triangles would cut off round bodies.

    They are interpolated by cubics; between two voxels on one side of zero they stay on that side, and nowhere do they
    become zero.

    Source: Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29, 1981.
    """
    for axis in range(3):
        if grid.spacing[2 - axis] < COARSE_MM:
            continue
        field = doubled(field, axis)
        spacing, size = grid.spacing.copy(), list(grid.size)
        spacing[2 - axis] /= 2
        size[2 - axis] = field.shape[axis]
        grid = Grid(size, spacing, grid.origin, grid.direction)
    return field, grid


def doubled(field: Field, axis: int) -> Field:
    """The field with values half way between its planes along the axis; see `finer`."""
    along = np.moveaxis(field, axis, 0)
    padded = np.concatenate([along[:1], along, along[-1:]])
    between = (9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / np.float32(16)
    same = (along[:-1] > 0) == (along[1:] > 0)
    least = np.minimum(np.abs(along[:-1]), np.abs(along[1:])) / 2
    least[~same] *= np.float32(NEAREST)
    between = np.copysign(np.maximum(np.abs(between), least), np.where(same, along[:-1], between))
    both = np.empty((2 * len(along) - 1, *along.shape[1:]), np.float32)
    both[::2], both[1::2] = along, between
    return np.moveaxis(both, 0, axis)


def cap(field: Field, start: Indices, grid: Grid) -> None:
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


def label_box(labels: LabelMap, label: Label) -> tuple[Indices, Indices]:
    """First voxel and size, both i, j, k, of the label's bounding box with its padding; may reach beyond the grid."""
    shape = labels.array.shape
    axes = [np.zeros(count, dtype=bool) for count in shape]
    for first in range(0, shape[0], BOX_PLANES):
        there = labels.array[first : first + BOX_PLANES] == label.value
        planes = there.any(axis=(1, 2))
        if planes.any():
            axes[0][first : first + BOX_PLANES] = planes
            rows = there.any(axis=0)
            axes[1] |= rows.any(axis=1)
            axes[2] |= rows.any(axis=0)
    if not axes[0].any():
        raise EmptyLabel(label.name, "has no voxels", advice="Check the recipe's thresholds")
    ends = [_ends(line) for line in reversed(axes)]
    start = np.array([first for first, _ in ends]) - PAD
    return start, np.array([last for _, last in ends]) - start + 1 + PAD


def _ends(line: NDArray[np.bool_]) -> tuple[int, int]:
    set_at = np.flatnonzero(line)
    return int(set_at[0]), int(set_at[-1])


def crop(array: NDArray[np.generic], start: Indices, size: Indices, outside: object) -> NDArray:  # type: ignore[type-arg]
    """The box of an array, (k, j, i), filled with `outside` where the box reaches beyond it."""
    begin, count = start[::-1], size[::-1]
    low, high = np.maximum(begin, 0), np.minimum(begin + count, array.shape)
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    if (low == begin).all() and (high == begin + count).all():
        return part
    around = list(zip(low - begin, begin + count - high, strict=True))
    return np.pad(part, around, constant_values=outside)  # type: ignore[call-overload,no-any-return]
