"""Runs: a mask as stretches of voxels along i, and which stretches hang together.

A structure has some hundred times fewer runs than the volume has voxels, so what is told of its connected parts
(number, volume, place, what they touch) costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.segment.region import Mask

Ints = NDArray[np.int64]

PAINTED_AT_ONCE = 1 << 22
"""Voxels whose indices are held in memory at one time."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of voxels along i.

    `start` and `stop` (one beyond the end), (n,) ascending, count voxels of the mask laid flat with one empty column
    before each row and one empty row after each plane: so a step to a neighbouring row never ends in another plane.
    """

    shape: tuple[int, int, int]
    start: Ints
    stop: Ints

    @property
    def lengths(self) -> Ints:
        """(n,) voxels of each run."""
        return self.stop - self.start

    @property
    def ijk(self) -> tuple[Ints, Ints, Ints]:
        """(n,) i, j, k of the first voxel of each run."""
        row, i = np.divmod(self.start, self.shape[2] + 1)
        k, j = np.divmod(row, self.shape[1] + 1)
        return i - 1, j, k

    def paint(self, mask: Mask, chosen: Mask, value: bool) -> None:
        """Set the voxels of the chosen runs, (n,) bool, in a contiguous mask of the same shape."""
        i, j, k = (index[chosen] for index in self.ijk)
        flat = mask.reshape(-1)
        first = (k * self.shape[1] + j) * self.shape[2] + i
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        cuts = np.searchsorted(ends, np.arange(PAINTED_AT_ONCE, ends[-1] if len(ends) else 0, PAINTED_AT_ONCE))
        for part in np.split(np.arange(len(first)), cuts):
            before = np.cumsum(lengths[part]) - lengths[part]
            flat[np.repeat(first[part] - before, lengths[part]) + np.arange(lengths[part].sum())] = value


def runs_of(mask: Mask) -> Runs:
    """The runs of a mask (k, j, i)."""
    nk, nj, ni = mask.shape
    plane = np.zeros((nj + 1, ni + 1), dtype=np.bool_)
    flat = plane.reshape(-1)
    changes = []
    for k in range(nk):
        plane[:nj, 1:] = mask[k]
        changes.append(np.flatnonzero(flat[1:] != flat[:-1]) + (k * flat.size + 1))
    turns = np.concatenate(changes)
    return Runs((nk, nj, ni), turns[0::2], turns[1::2])


def connected(runs: Runs, corners: bool = False) -> Ints:
    """(n,) for each run the number, from 0 and in order of first appearance, of the connected part that it belongs to.

    Voxels hang together when they share a face, or with `corners` also when they share only an edge or a corner.
    """
    row = runs.shape[2] + 1
    plane = row * (runs.shape[1] + 1)
    steps = (row, plane - row, plane, plane + row) if corners else (row, plane)
    pairs = [_touching(runs, step, int(corners)) for step in steps]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    roots = _united(len(runs.start), one, other)
    numbers: Ints = np.cumsum(roots == np.arange(len(roots))) - 1
    return numbers[roots]


def _touching(runs: Runs, step: int, reach: int) -> tuple[Ints, Ints]:
    """Pairs of runs that overlap once the first is moved by `step` and lengthened by `reach` at both ends."""
    first = np.searchsorted(runs.stop, runs.start + (step - reach), side="right")
    behind = np.searchsorted(runs.start, runs.stop + (step + reach), side="left")
    count = behind - first
    one = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    return one, np.arange(len(one)) + np.repeat(first - before, count)


def _united(n: int, one: Ints, other: Ints) -> Ints:
    """(n,) for each node the smallest node of its connected part.

    In each round every root hangs itself below a smaller neighbour, then all paths are shortened; at most half of
    the roots survive a round. Source: Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm", 1982.
    """
    parent = np.arange(n)
    while len(one):
        low, high = np.minimum(one, other), np.maximum(one, other)
        parent[high] = low
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
        one, other = parent[one], parent[other]
        apart = one != other
        one, other = one[apart], other[apart]
    return parent
