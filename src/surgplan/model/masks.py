"""NamedMask: which voxels another program, or a person, says belong to one structure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.labels import LONGEST_NAME, Code, Side
from surgplan.model.volume import Grid


@dataclass(frozen=True, eq=False)
class NamedMask:
    """One structure on the grid of the file that it came from, which need not be the scan's.

    Parameters
    ----------
    name:
        What it is called there.
    grid:
        The whole image's grid, LPS mm.
    start:
        First voxel (k, j, i) of the block that holds the structure.
    array:
        Which voxels of that block are the structure's, (k, j, i) bool; it is made read-only. Everything else of the
        grid is not: a hundred masks of one scan fit into memory.
    frame_of_reference:
        The DICOM Frame of Reference UID, or "" when the file has none.
    color, side, code:
        What the file says about the structure, or None.
    source:
        Name of the file.

    Raises
    ------
    ValueError
        The name is none, or the block does not lie in the grid.
    """

    name: str
    grid: Grid
    start: tuple[int, int, int]
    array: NDArray[np.bool_]
    frame_of_reference: str = ""
    color: tuple[int, int, int] | None = None
    side: Side | None = None
    code: Code | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise ValueError(f"a structure's name has 1 to {LONGEST_NAME} printable characters")
        array = np.ascontiguousarray(self.array, dtype=np.bool_).view()
        array.setflags(write=False)
        object.__setattr__(self, "array", array)
        ends = zip(self.start, array.shape, self.grid.shape, strict=True)
        if array.ndim != 3 or not all(first >= 0 and first + count <= size for first, count, size in ends):
            raise ValueError(f"a block of {array.shape} voxels at {self.start} does not lie in {self.grid.shape}")

    @classmethod
    def cut(cls, name: str, grid: Grid, whole: NDArray[Any], **told: Any) -> NamedMask:
        """The mask of an array (k, j, i) on the whole grid, cut to the smallest block; one voxel when it is empty."""
        flat = np.any(whole, axis=0)
        used = [
            np.flatnonzero(axis) for axis in (np.any(whole, axis=(1, 2)), np.any(flat, axis=1), np.any(flat, axis=0))
        ]
        ends = [(int(axis[0]), int(axis[-1]) + 1) if len(axis) else (0, 1) for axis in used]
        k, j, i = (slice(first, stop) for first, stop in ends)
        start = (ends[0][0], ends[1][0], ends[2][0])
        return cls(name, grid, start, np.array(whole[k, j, i], dtype=np.bool_), **told)

    @property
    def voxels(self) -> int:
        """How many voxels it has."""
        return int(np.count_nonzero(self.array))

    @property
    def volume_mm3(self) -> float:
        """Its volume as the sum of its voxels, mm³."""
        return self.voxels * self.grid.voxel_volume_mm3

    @property
    def block_grid(self) -> Grid:
        """The grid of its block alone."""
        return self.grid.cropped(self.start[::-1], self.array.shape[::-1])

    def renamed(self, name: str) -> NamedMask:
        """The same mask under another name."""
        return replace(self, name=name)
