"""Grid and Volume: where voxels lie, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.model.frames import IJK, LPS, RIGID_TOLERANCE, Array, Transform

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

SAME_GRID_MM = 0.01
"""Two grids are one when no voxel centre differs by more than this."""


def _frozen(values: ArrayLike, shape: tuple[int, ...], what: str) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite numbers of shape {shape}, not {np.asarray(values).tolist()}")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular, right-handed grid of voxels in LPS millimetres.

    Parameters
    ----------
    size:
        Voxels along i, j, k. Arrays on the grid have the shape `(k, j, i)`: i is fastest in memory.
    spacing:
        (3,) distance of voxel centres along i, j, k, mm.
    origin:
        (3,) centre of voxel (0, 0, 0), LPS mm.
    direction:
        (3, 3), columns are the unit vectors of i, j, k in LPS.

    Raises
    ------
    ValueError
        No voxels, spacing not positive, directions not orthonormal (sheared by a gantry tilt, say), or left-handed. A
        reader flips one axis together with its voxels to make the grid right-handed; see `right_handed`.
    """

    size: tuple[int, int, int]
    spacing: Array
    origin: Array
    direction: Array

    def __init__(self, size: Any, spacing: ArrayLike, origin: ArrayLike, direction: ArrayLike = IDENTITY) -> None:
        counts = tuple(int(n) for n in size)
        if len(counts) != 3 or min(counts) < 1:
            raise ValueError(f"a grid needs three sizes of at least 1, not {counts}")
        steps = _frozen(spacing, (3,), "spacing")
        if steps.min() <= 0:
            raise ValueError(f"spacing {steps.tolist()} mm is not positive")
        axes = _frozen(direction, (3, 3), "direction")
        if not np.allclose(axes.T @ axes, np.eye(3), atol=RIGID_TOLERANCE):
            raise ValueError("the grid's axes are not at right angles")
        if np.linalg.det(axes) < 0:
            raise ValueError("the grid is left-handed: left and right would be exchanged")
        object.__setattr__(self, "size", counts)
        object.__setattr__(self, "spacing", steps)
        object.__setattr__(self, "origin", _frozen(origin, (3,), "origin"))
        object.__setattr__(self, "direction", axes)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the arrays on this grid: (k, j, i)."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def lps_from_ijk(self) -> Transform:
        """From voxel indices to LPS millimetres."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * self.spacing
        matrix[:3, 3] = self.origin
        return Transform(LPS, IJK, matrix)

    @property
    def ijk_from_lps(self) -> Transform:
        """From LPS millimetres to (fractional) voxel indices."""
        return self.lps_from_ijk.inverse()

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, mm³."""
        return float(np.prod(self.spacing))

    @property
    def corners(self) -> Array:
        """(8, 3) outer corners of the corner voxels, LPS mm."""
        top = np.array(self.size) - 0.5
        ends = np.array(np.meshgrid(*[(-0.5, n) for n in top], indexing="ij")).reshape(3, -1).T
        return self.lps_from_ijk.apply(ends)

    @property
    def centre(self) -> Array:
        """(3,) middle of the grid, LPS mm."""
        return self.lps_from_ijk.apply((np.array(self.size) - 1) / 2)

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """(n,) which of the (n, 3) points, LPS mm, lie in a voxel of the grid."""
        ijk = self.ijk_from_lps.apply(np.atleast_2d(np.asarray(points, dtype=np.float64)))
        inside: NDArray[np.bool_] = np.all((ijk >= -0.5) & (ijk <= np.array(self.size) - 0.5), axis=1)
        return inside

    def matches(self, other: Grid) -> bool:
        """Whether both have the same size and no voxel lies `SAME_GRID_MM` or more apart."""
        if self.size != other.size:
            return False
        return bool(np.abs(self.corners - other.corners).max() < SAME_GRID_MM)

    def cropped(self, start: ArrayLike, size: ArrayLike) -> Grid:
        """The part of `size` voxels (i, j, k) whose first voxel is `start` (i, j, k); may reach beyond."""
        return Grid(tuple(np.asarray(size, dtype=int)), self.spacing, self.lps_from_ijk.apply(start), self.direction)

    def first_of(self, part: Grid) -> NDArray[np.int64]:
        """(3,) the voxel, i, j, k, at which a grid that was `cropped` from this one begins."""
        return np.rint(self.ijk_from_lps.apply(part.origin)).astype(np.int64).reshape(3)

    def orientation_code(self) -> str:
        """Where i, j and k grow to, as three letters, for example `LPS` or `LIP`."""
        letters = ("LR", "PA", "SI")
        code = ""
        for axis in self.direction.T:
            main = int(np.abs(axis).argmax())
            code += letters[main][int(axis[main] < 0)]
        return code


def right_handed(
    size: ArrayLike, spacing: ArrayLike, origin: ArrayLike, direction: ArrayLike, array: NDArray[Any]
) -> tuple[Grid, NDArray[Any]]:
    """The grid and its array, (k, j, i); where the axes are left-handed, k is turned round together with its voxels.

    Every voxel keeps its place in LPS.
    """
    axes = np.array(direction, dtype=np.float64)
    start = np.array(origin, dtype=np.float64)
    if np.linalg.det(axes) < 0:
        count, step = np.asarray(size)[2], np.asarray(spacing, dtype=np.float64)[2]
        start = start + axes[:, 2] * step * (count - 1)
        axes[:, 2] = -axes[:, 2]
        array = array[::-1]
    return Grid(size, spacing, start, axes), array


class Modality(StrEnum):
    """How the scan was made; only CT has intensities in Hounsfield units."""

    CT = "CT"
    MR = "MR"
    OTHER = "OTHER"


VOXEL_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image.

    Parameters
    ----------
    grid:
        Where its voxels lie.
    array:
        (k, j, i), of one of `VOXEL_TYPES`; Hounsfield units when the modality is CT. It is made read-only.
    modality:
        How it was made.
    frame_of_reference:
        The DICOM Frame of Reference UID, or "" when unknown.

    Raises
    ------
    ValueError
        Shape or type do not fit, or a value is not finite.
    """

    grid: Grid
    array: NDArray[Any]
    modality: Modality = Modality.OTHER
    frame_of_reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "modality", Modality(self.modality))
        object.__setattr__(self, "array", checked_voxels(self.grid, self.array, VOXEL_TYPES))
        if self.array.dtype == np.float32 and not np.isfinite(self.array.sum(dtype=np.float64)):
            raise ValueError("the volume holds values that are not finite")


def checked_voxels(grid: Grid, array: NDArray[Any], types: tuple[str, ...]) -> NDArray[Any]:
    """The array, contiguous and read-only; `ValueError` when shape or type do not fit."""
    if array.shape != grid.shape:
        raise ValueError(f"voxels of shape {array.shape} do not fit a grid of shape {grid.shape}")
    if array.dtype.name not in types:
        raise ValueError(f"voxels of type {array.dtype.name} are not supported")
    view = np.ascontiguousarray(array).view()
    view.setflags(write=False)
    return view
