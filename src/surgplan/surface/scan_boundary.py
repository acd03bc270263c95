"""Where a structure ends in the scan itself, on the lines between neighbouring voxels: what surfaces are held to.

Nothing here uses the contour filter or any mesh. Where the scan's intensities cross the structure's level between a
voxel inside and its neighbour outside, that point is the boundary. Where they do not, because the label was filled,
closed, cut or drawn by hand, only the label tells that the boundary lies somewhere between the two voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import EmptyLabel
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ScanBoundary:
    """Points of the boundary of one structure.

    `points` (n, 3) LPS mm: crossings of the level where the scan `decided` (n,), else the middles between the two
    voxels; `slack_mm` (n,) is 0 for the former, and half of the voxels' distance for the latter.
    """

    points: Array
    decided: Bools
    slack_mm: Array

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
    array, start = _around(labels, label)
    mask = array == label.value
    dark = _is_dark(volume, mask, start, label)
    found = [_along(volume, labels, mask, start, axis, label.level, dark) for axis in range(3)]
    ijk, decided, slack = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return ScanBoundary(labels.grid.lps_from_ijk.apply(ijk), decided, slack)


def _around(labels: LabelMap, label: Label) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The label's box with one voxel round it, as far as the scan reaches, and its first voxel (k, j, i)."""
    there = labels.array == label.value
    ends = []
    for axis in range(3):
        line = np.flatnonzero(there.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(line):
            raise EmptyLabel(label.name, "has no voxels", advice="Check the recipe's thresholds")
        ends.append(slice(max(int(line[0]) - 1, 0), int(line[-1]) + 2))
        there = there[(slice(None),) * axis + (slice(line[0], line[-1] + 1),)]
    return labels.array[tuple(ends)], np.array([end.start for end in ends])


def _is_dark(volume: Volume | None, mask: Bools, start: NDArray[np.int64], label: Label) -> bool:
    """Whether the structure is darker than its level, like a ventricle."""
    if volume is None or label.level is None:
        return False
    box = tuple(slice(at, at + size) for at, size in zip(start, mask.shape, strict=True))
    return float(np.median(volume.array[box][mask])) < label.level


def _along(
    volume: Volume | None,
    labels: LabelMap,
    mask: Bools,
    start: NDArray[np.int64],
    axis: int,
    level: float | None,
    dark: bool,
) -> tuple[Array, Bools, Array]:
    """Boundary points along one array axis: (n, 3) i, j, k, whether the scan decided, and the slack in mm."""
    low, high = np.moveaxis(mask, axis, 0)[:-1], np.moveaxis(mask, axis, 0)[1:]
    places = np.argwhere(np.moveaxis(low != high, 0, axis)) + start
    beyond = places.copy()
    beyond[:, axis] += 1
    part = np.full(len(places), 0.5)
    decided = np.zeros(len(places), dtype=bool)
    if volume is not None and level is not None:
        here, there = (volume.array[tuple(at.T)].astype(np.float64) - level for at in (places, beyond))
        first = mask[tuple((places - start).T)]  # the voxel here is the inner one
        inner, outer = np.where(first, here, there), np.where(first, there, here)
        decided = (np.minimum(-inner, outer) if dark else np.minimum(inner, -outer)) >= 0
        decided &= inner != outer
        part[decided] = here[decided] / (here - there)[decided]
    ijk = places[:, ::-1].astype(np.float64)
    ijk[:, 2 - axis] += part
    step = float(labels.grid.spacing[2 - axis])
    return ijk, decided, np.where(decided, 0.0, step / 2)
