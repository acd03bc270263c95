"""Where a structure ends in the scan itself, on the lines between neighbouring voxels: what surfaces are held to.

Nothing here uses the contour filter or any mesh. Where the scan's intensities cross the structure's level between a
voxel inside and its neighbour outside, that point is the boundary. Where they do not, because the label was filled,
closed, cut or drawn by hand, only the label tells that the boundary lies somewhere between the two voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.contour import label_box

Bools = NDArray[np.bool_]


PLANES = 32
"""So many planes of voxels are looked at at once."""

AT_ONCE = 1 << 14
"""Points carried to millimetres at once: stays in the processor's cache."""


@dataclass(frozen=True)
class ScanBoundary:
    """Points of the boundary of one structure.

    `points` (n, 3) LPS mm: crossings of the level where the scan `decided` (n,), else the middles between the two
    voxels; `slack_mm` (n,) is 0 for the former, and half of the voxels' distance for the latter.
    """

    points: NDArray[np.float32]
    decided: Bools
    slack_mm: NDArray[np.float32]

    def thinned(self, count: int) -> ScanBoundary:
        """About `count` of the points, evenly by number."""
        step = max(1, len(self.points) // count)
        return ScanBoundary(self.points[::step], self.decided[::step], self.slack_mm[::step])

    def without(self, gone: Bools) -> ScanBoundary:
        """The points that are not `gone`, (n,)."""
        return ScanBoundary(self.points[~gone], self.decided[~gone], self.slack_mm[~gone])


def scan_boundary(volume: Volume | None, labels: LabelMap, label: Label) -> ScanBoundary:
    """Every place where the label meets another along a line of voxels; the scan's border is none.

    Raises
    ------
    EmptyLabel
        The label has no voxels.
    """
    start, size = label_box(labels, label)
    low, high = np.maximum(start, 0)[::-1], np.minimum(start + size, labels.grid.size)[::-1]
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    dark = _is_dark(volume, labels, label, box)
    found = []
    for first in range(box[0].start, max(box[0].stop - 1, box[0].start + 1), PLANES):
        slab = (slice(first, min(first + PLANES + 1, box[0].stop)), *box[1:])
        mask = labels.array[slab] == label.value
        for axis in range(3):
            # the slab's last plane is the next one's first: only lines across the planes may end there
            lines = mask if axis == 0 or slab[0].stop == box[0].stop else mask[:-1]
            corner = np.array([side.start for side in slab])
            found.append(_along(volume, labels, lines, corner, axis, label.level, dark))
    return ScanBoundary(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _is_dark(volume: Volume | None, labels: LabelMap, label: Label, box: tuple[slice, ...]) -> bool:
    """Whether the structure is darker than its level, like a ventricle."""
    if volume is None or label.level is None:
        return False
    inside = []
    for first in range(box[0].start, box[0].stop, PLANES):
        slab = (slice(first, min(first + PLANES, box[0].stop)), *box[1:])
        inside.append(volume.array[slab][labels.array[slab] == label.value])
    return float(np.median(np.concatenate(inside))) < label.level


def _along(
    volume: Volume | None,
    labels: LabelMap,
    mask: Bools,
    start: NDArray[np.int64],
    axis: int,
    level: float | None,
    dark: bool,
) -> tuple[NDArray[np.float32], Bools, NDArray[np.float32]]:
    """Boundary points along one array axis: (n, 3) LPS mm, whether the scan decided, and the slack in mm."""
    upper, lower = np.moveaxis(mask, axis, 0)[:-1], np.moveaxis(mask, axis, 0)[1:]
    ends = np.moveaxis(upper != lower, 0, axis)
    shape = ends.shape
    places = np.column_stack(np.unravel_index(np.flatnonzero(ends), shape))
    first = mask[tuple(places.T)]  # the voxel here is the inner one
    places += start
    part = np.full(len(places), 0.5)
    decided = np.zeros(len(places), dtype=bool)
    if volume is not None and level is not None:
        here = np.ravel_multi_index(tuple(places.T), volume.array.shape)
        step = int(np.prod(volume.array.shape[axis + 1 :], dtype=np.int64))
        near, far = (np.take(volume.array, at).astype(np.float64) - level for at in (here, here + step))
        inner, outer = np.where(first, near, far), np.where(first, far, near)
        decided = (np.minimum(-inner, outer) if dark else np.minimum(inner, -outer)) >= 0
        decided &= inner != outer
        part[decided] = near[decided] / (near - far)[decided]
    ijk = places[:, ::-1].astype(np.float64)
    ijk[:, 2 - axis] += part
    half = np.float32(labels.grid.spacing[2 - axis] / 2)
    return _in_mm(ijk, labels), decided, np.where(decided, np.float32(0), half)


def _in_mm(ijk: Array, labels: LabelMap) -> NDArray[np.float32]:
    points = np.empty((len(ijk), 3), np.float32)
    lps_from_ijk = labels.grid.lps_from_ijk
    for first in range(0, len(ijk), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        points[part] = lps_from_ijk.apply(ijk[part])
    return points
