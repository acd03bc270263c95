"""The scan as the viewer gets it: as many voxels and as fine intensities as fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Grid, Modality, Volume
from surgplan.report.packing import packed

MOST_VOXELS = 16_000_000
"""A browser unpacks so many in less than a second; a scan of 512 × 512 × 400 has 105 million."""
STEPS_HU = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How finely intensities of a CT are kept: the first of these with which the scan fits. Noise is larger than 4 HU."""
LEVELS = 4000
"""So many intensities of a scan that has no scale of its own are told apart."""
MOST_STEPS = 65_000
PROBED = 8
"""The size is told from every so many-th slice."""


@dataclass(frozen=True, eq=False)
class PackedScan:
    """A scan of fewer voxels, each the mean of a block.

    Parameters
    ----------
    grid:
        Where the blocks lie.
    block:
        How many voxels along i, j, k make one.
    low, step:
        An intensity is `low + step * number`.
    data:
        The numbers, in the order of the array, packed.
    """

    grid: Grid
    block: tuple[int, int, int]
    low: float
    step: float
    data: bytes


def packed_scan(volume: Volume, most_bytes: int | None) -> PackedScan:
    """The scan in at most `most_bytes`, as they are in the file before base64; None: every voxel and intensity."""
    found = None
    for block, step in _choices(volume, most_bytes is None):
        if found is None or found[0] != block:
            found = (block, _blocks(volume.array, block))
        low = float(found[1].min())
        numbers = np.rint((found[1] - low) / step).astype(np.uint16)
        if most_bytes is None or _likely_bytes(numbers) <= most_bytes:
            data = packed(numbers.reshape(-1, 1))
            if most_bytes is None or len(data) <= most_bytes:
                return PackedScan(_grid(volume.grid, block), block, low, step, data)
    raise AssertionError("a scan of one voxel fits")


def _choices(volume: Volume, full: bool) -> Iterator[tuple[tuple[int, int, int], float]]:
    """Blocks and steps, the finest first."""
    low, high = float(volume.array.min()), float(volume.array.max())
    finest = (high - low) / MOST_STEPS
    whole = np.issubdtype(volume.array.dtype, np.integer)
    coarse = (high - low) / LEVELS or 1.0
    usual = STEPS_HU if volume.modality is Modality.CT else (1.0, max(1.0, coarse)) if whole else (coarse,)
    if full:
        yield (1, 1, 1), max(1.0 if whole else usual[0], finest)
        return
    block, size = np.ones(3, int), np.array(volume.grid.size)
    while True:
        if np.prod(np.ceil(size / block)) <= MOST_VOXELS:
            yield from (((int(block[0]), int(block[1]), int(block[2])), max(step, finest)) for step in usual)
        if (block >= size).all():
            return
        spacing = np.where(block < size, volume.grid.spacing * block, np.inf)
        block[spacing < spacing.min() * 1.05] += 1  # those that are as good as equal grow together


def _blocks(array: NDArray[Any], block: tuple[int, int, int]) -> NDArray[np.float32]:
    """Means over blocks of (i, j, k) voxels; at the far edges, the last voxels count for those that are not there."""
    i, j, k = block
    tall, deep, wide = array.shape
    if block == (1, 1, 1):
        return array.astype(np.float32)
    rows, columns = -(-deep // j), -(-wide // i)
    means = np.empty((-(-tall // k), rows, columns), np.float32)
    for number in range(len(means)):
        slices = array[number * k : number * k + k]
        total = slices.sum(axis=0, dtype=np.float32) / len(slices)
        total = np.pad(total, [(0, rows * j - deep), (0, columns * i - wide)], mode="edge")
        total = np.add.reduce([total[start::j] for start in range(j)])
        means[number] = np.add.reduce([total[:, start::i] for start in range(i)]) / (i * j)
    return means


def _grid(grid: Grid, block: tuple[int, int, int]) -> Grid:
    size = -(-np.array(grid.size) // np.array(block))
    first = (np.array(block) - 1) / 2
    return Grid(size, grid.spacing * block, grid.lps_from_ijk.apply(first), grid.direction)


def _likely_bytes(numbers: NDArray[np.uint16]) -> float:
    probe = np.ascontiguousarray(numbers[::PROBED])
    return len(packed(probe.reshape(-1, 1))) * numbers.size / probe.size
