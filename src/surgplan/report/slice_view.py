"""How a slice of the scan lies in its picture: turned as radiologists expect, in true proportions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.model.frames import Array
from surgplan.model.volume import Grid

PLANES = ("sagittal", "coronal", "axial")
"""The plane across the patient's x, y and z axis."""

PICTURE_AXES = ((1, 2), (0, 2), (0, 1))
"""For the same planes: which patient's axes run along the picture's width and height."""

TO_THE_RIGHT = np.array([1, 1, 0])
"""Radiological convention: the patient's left (x) lies at the picture's right, and so does posterior (y)."""
TO_THE_TOP = np.array([0, -1, 1])
"""Anterior (−y) lies at the top of axial slices, superior (z) at the top of the others."""

TILTED_DEG = 10.0
"""Slices that lean more than this from the patient's axes are said to, and get second letters."""


def patient_axes(grid: Grid) -> tuple[int, int, int]:
    """For the patient's x, y, z: which of the grid's axes i, j, k (0, 1, 2) lies nearest to it."""
    near = np.abs(grid.direction)
    best = max(permutations(range(3)), key=lambda chosen: round(sum(near[row, chosen[row]] for row in range(3)), 9))
    return best[0], best[1], best[2]


def letters(direction: ArrayLike) -> str:
    """Where a direction, (3,) LPS, points: `L`, or `LA` when it leans over by more than `TILTED_DEG`."""
    towards = np.asarray(direction, dtype=np.float64)
    order = np.argsort(-np.abs(towards), kind="stable")
    told = [axis for n, axis in enumerate(order) if n == 0 or abs(towards[axis]) > np.sin(np.radians(TILTED_DEG))]
    return "".join(("RL", "AP", "IS")[axis][int(towards[axis] > 0)] for axis in told)


@dataclass(frozen=True)
class SliceView:
    """A square picture of one slice, along the scan's own axes.

    Parameters
    ----------
    grid:
        The scan's.
    plane:
        0, 1, 2 for the plane nearest to sagittal, coronal, axial.
    at:
        Number of the slice along the grid's axis `through`.
    middle:
        (3,) voxel index in the middle of the picture.
    field_mm:
        Side of the picture, mm.
    pixels:
        Side of the picture, pixels.
    """

    grid: Grid
    plane: int
    at: int
    middle: Array
    field_mm: float
    pixels: int

    @property
    def through(self) -> int:
        """The grid's axis that the slice lies across."""
        return patient_axes(self.grid)[self.plane]

    @property
    def across(self) -> int:
        """The grid's axis along the picture's width."""
        return patient_axes(self.grid)[PICTURE_AXES[self.plane][0]]

    @property
    def down(self) -> int:
        """The grid's axis along the picture's height."""
        return patient_axes(self.grid)[PICTURE_AXES[self.plane][1]]

    @property
    def mm_per_pixel(self) -> float:
        """Scale, the same in both directions."""
        return self.field_mm / self.pixels

    @property
    def tilt_deg(self) -> float:
        """Angle between the slice's normal and the patient's axis."""
        return float(np.degrees(np.arccos(min(1.0, abs(self.grid.direction[self.plane, self.through])))))

    @property
    def name(self) -> str:
        """`axial`, or `axial, tilted 18°`."""
        tilted = f", tilted {self.tilt_deg:.0f}°" if self.tilt_deg > TILTED_DEG else ""
        return PLANES[self.plane] + tilted

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """The patient's sides at the left, right, top and bottom edge."""
        right = self.grid.direction[:, self.across] * self._sign(self.across, TO_THE_RIGHT)
        top = self.grid.direction[:, self.down] * -self._sign(self.down, -TO_THE_TOP)
        return letters(-right), letters(right), letters(top), letters(-top)

    def _sign(self, axis: int, wanted: NDArray[np.int_]) -> int:
        """1 when the grid's axis grows along the picture, −1 when it must be turned round."""
        patient = patient_axes(self.grid).index(axis)
        return 1 if self.grid.direction[patient, axis] * wanted[patient] > 0 else -1

    @property
    def _steps(self) -> tuple[float, float]:
        """Pixels for each voxel along width and height, negative where the axis is turned round."""
        x = self._sign(self.across, TO_THE_RIGHT) * self.grid.spacing[self.across] / self.mm_per_pixel
        y = self._sign(self.down, -TO_THE_TOP) * self.grid.spacing[self.down] / self.mm_per_pixel
        return float(x), float(y)

    def project(self, ijk: Array) -> Array:
        """(…, 2) pixels, from the picture's left and top edge, of voxel indices (…, 3)."""
        x, y = self._steps
        half = self.pixels / 2
        across = half + (ijk[..., self.across] - self.middle[self.across]) * x
        down = half + (ijk[..., self.down] - self.middle[self.down]) * y
        return np.stack([across, down], axis=-1)

    def sampled(self, array: NDArray[np.generic], outside: float, finer: int = 1) -> NDArray[np.float32]:
        """The slice of a (k, j, i) array, interpolated linearly at the centres of the picture's pixels.

        `finer` gives that many times more pixels each way; pixels beyond the scan get the value `outside`.
        """
        plane = np.take(array, self.at, axis=2 - self.through).astype(np.float32)
        if self.across > self.down:  # arrays have k first: the faster of the two axes comes last
            plane = plane.T
        centre = (np.arange(self.pixels * finer) + 0.5) / finer - self.pixels / 2
        x, y = self._steps
        columns, inside_x = _weights(self.middle[self.across] + centre / x, plane.shape[1])
        rows, inside_y = _weights(self.middle[self.down] + centre / y, plane.shape[0])
        tall = plane[rows[0]] * (1 - rows[1])[:, None] + plane[rows[0] + rows[2]] * rows[1][:, None]
        full = tall[:, columns[0]] * (1 - columns[1]) + tall[:, columns[0] + columns[2]] * columns[1]
        full[~inside_y, :] = outside
        full[:, ~inside_x] = outside
        return np.asarray(full, dtype=np.float32)


Weights = tuple[NDArray[np.int64], NDArray[np.float32], int]


def _weights(places: Array, count: int) -> tuple[Weights, NDArray[np.bool_]]:
    """Index of the voxel before each place, the next one's share, the step to it; and which places lie in voxels."""
    inside = (places >= -0.5) & (places <= count - 0.5)
    held = np.clip(places, 0, count - 1)
    first = np.clip(np.floor(held).astype(np.int64), 0, max(count - 2, 0))
    return (first, (held - first).astype(np.float32), int(count > 1)), inside
