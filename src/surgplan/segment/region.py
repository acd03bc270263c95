"""Box and Region: the part of a volume on which a structure is worked out, so that the rest costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.volume import Grid

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Box:
    """A block of voxels, in array order (k, j, i): `start` is its first voxel, `stop` lies one beyond its last."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The block as an index into an array (k, j, i)."""
        k, j, i = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along k, j, i."""
        k, j, i = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    def grown(self, margin: tuple[int, int, int], shape: tuple[int, int, int]) -> Box:
        """The block with `margin` more voxels on every side, as far as an array of `shape` reaches."""
        ends = zip(self.start, self.stop, margin, shape, strict=True)
        pairs = [(max(0, a - m), min(n, b + m)) for a, b, m, n in ends]
        return Box((pairs[0][0], pairs[1][0], pairs[2][0]), (pairs[0][1], pairs[1][1], pairs[2][1]))


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels of a structure.

    Parameters
    ----------
    grid:
        The whole volume's grid.
    box:
        The block that holds the structure.
    mask:
        Which voxels of the block are its, of the box's shape.
    """

    grid: Grid
    box: Box
    mask: Mask

    @property
    def voxels(self) -> int:
        """How many voxels it has."""
        return int(np.count_nonzero(self.mask))

    @property
    def volume_mm3(self) -> float:
        """Its volume as the sum of its voxels, mm³."""
        return self.voxels * self.grid.voxel_volume_mm3

    @property
    def spacing_kji(self) -> tuple[float, float, float]:
        """Distance of voxel centres along k, j, i, mm."""
        i, j, k = (float(step) for step in self.grid.spacing)
        return k, j, i

    @property
    def centre(self) -> Array:
        """(3,) its centroid, LPS mm; not a number when it has no voxels."""
        with np.errstate(invalid="ignore"):
            middle = [self._profile(axis) for axis in (2, 1, 0)]
        return self.grid.lps_from_ijk.apply(np.array(middle) + self.box.start[::-1])

    def _profile(self, axis: int) -> float:
        counts = np.array([np.count_nonzero(layer) for layer in np.moveaxis(self.mask, axis, 0)])
        return float(counts @ np.arange(len(counts)) / counts.sum())

    def with_mask(self, mask: Mask) -> Region:
        """Other voxels of the same box."""
        return Region(self.grid, self.box, mask)

    def within(self, box: Box) -> Region:
        """The same voxels in another box, which must hold all of this one."""
        if box == self.box:
            return self
        mask = np.zeros(box.shape, dtype=np.bool_)
        offset = (inner - outer for inner, outer in zip(self.box.start, box.start, strict=True))
        mask[tuple(slice(o, o + n) for o, n in zip(offset, self.box.shape, strict=True))] = self.mask
        return Region(self.grid, box, mask)

    def grown(self, margin: tuple[int, int, int]) -> Region:
        """The same voxels in a box larger by `margin`, as far as the scan reaches."""
        return self.within(self.box.grown(margin, self.grid.shape))

    def thinned(self, step: tuple[int, int, int]) -> Region:
        """Each `step`-th voxel along k, j, i, counted from the volume's first one, on the grid of these voxels."""
        offset = [-a % s for a, s in zip(self.box.start, step, strict=True)]
        mask = self.mask[tuple(slice(o, None, s) for o, s in zip(offset, step, strict=True))]
        start = [(a + o) // s for a, o, s in zip(self.box.start, offset, step, strict=True)]
        stop = [a + n for a, n in zip(start, mask.shape, strict=True)]
        size = [-(-n // s) for n, s in zip(self.grid.size, step[::-1], strict=True)]
        grid = Grid(size, self.grid.spacing * step[::-1], self.grid.origin, self.grid.direction)
        return Region(grid, Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])), mask)

    def trimmed(self) -> Region:
        """The same voxels in the smallest box; a region without voxels stays as it is."""
        flat: Mask = np.any(self.mask, axis=0)
        used = [
            np.flatnonzero(np.any(self.mask, axis=(1, 2))),
            np.flatnonzero(flat.any(axis=1)),
            np.flatnonzero(flat.any(axis=0)),
        ]
        if not len(used[0]):
            return self
        first = [int(axis[0]) for axis in used]
        last = [int(axis[-1]) + 1 for axis in used]
        if first == [0, 0, 0] and tuple(last) == self.box.shape:
            return self
        k, j, i = (slice(a, b) for a, b in zip(first, last, strict=True))
        start = [a + b for a, b in zip(self.box.start, first, strict=True)]
        stop = [a + b for a, b in zip(self.box.start, last, strict=True)]
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        return Region(self.grid, box, np.ascontiguousarray(self.mask[k, j, i]))


def nothing(grid: Grid) -> Region:
    """A region without voxels."""
    return Region(grid, Box((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1), dtype=np.bool_))
