"""A scan along the network's axes, and from one spacing to another along each of them.

An oblique scan is not turned: its own axes are taken, each for the one of the network that it lies nearest to, as
nnU-Net and MONAI do. The extent of the scan stays: n voxels become m, and the centre of voxel y lies at
(y + ½) · n / m − ½.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.formats.model_card import Interpolation
from surgplan.model.volume import Grid

Reals = NDArray[np.float32]
WORLD = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""Letter → axis of LPS, and whether the letter's way is its positive one."""


@dataclass(frozen=True)
class Turn:
    """Which of the scan's array axes (k, j, i) each axis of the network is, and which of them run the other way."""

    order: tuple[int, int, int]
    turned: tuple[bool, bool, bool]

    @classmethod
    def to(cls, grid: Grid, orientation: str) -> Turn:
        """From a scan's array to one whose axes grow as the three letters say, as nearly as its own axes do."""
        along = np.array([grid.direction[WORLD[letter][0]] * WORLD[letter][1] for letter in orientation])
        best = max(itertools.permutations(range(3)), key=lambda order: sum(abs(along[a, order[a]]) for a in range(3)))
        a, b, c = (2 - axis for axis in best)  # arrays are (k, j, i)
        return cls((a, b, c), tuple(bool(along[n, axis] < 0) for n, axis in enumerate(best)))  # type: ignore[arg-type]

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """A view of a scan's array (k, j, i) with the network's axes: writing to it writes to the scan's."""
        return array.transpose(self.order)[tuple(slice(None, None, -1 if back else 1) for back in self.turned)]

    def spacing(self, grid: Grid) -> tuple[float, float, float]:
        """The scan's spacing along the network's axes, mm."""
        a, b, c = (float(grid.spacing[2 - axis]) for axis in self.order)
        return a, b, c


@dataclass(frozen=True, eq=False)
class Taps:
    """How values along an axis are mixed from others: (m, t) indices and weights."""

    index: NDArray[np.intp]
    weight: Reals

    def along(self, array: Reals, axis: int) -> Reals:
        """The array with m values along the axis."""
        shape = [1] * array.ndim
        shape[axis] = -1
        mixed: Reals | None = None
        for index, weight in zip(self.index.T, self.weight.T, strict=True):
            part = array.take(index, axis=axis)
            part *= weight.reshape(shape)
            mixed = part if mixed is None else np.add(mixed, part, out=mixed)
        assert mixed is not None
        return mixed


def count_at(count: int, spacing: float, wanted: float) -> int:
    """How many voxels of the wanted size the extent of an axis makes, at least one (nnU-Net: rounded)."""
    return max(1, round(count * spacing / wanted))


def taps(count: int, wanted: int, how: Interpolation) -> Taps:
    """From `count` values along an axis to `wanted` ones over the same extent; beyond the ends the last value goes on.

    For `cubic`, the array must hold the coefficients of a cubic B-spline: see `resampled`.
    """
    places = (np.arange(wanted) + 0.5) * (count / wanted) - 0.5
    if how == "nearest":
        nearest = np.clip(np.floor(places + 0.5).astype(np.intp), 0, count - 1)
        return Taps(nearest[:, None], np.ones((wanted, 1), np.float32))
    first = np.floor(places).astype(np.intp)
    t = places - first
    if how == "linear":
        index, weight = first[:, None] + [0, 1], np.stack([1 - t, t], axis=1)
    else:
        index = first[:, None] + [-1, 0, 1, 2]
        rest = 1 - t
        parts = [rest**3, 3 * t**3 - 6 * t**2 + 4, 3 * rest**3 - 6 * rest**2 + 4, t**3]
        weight = np.stack(parts, axis=1) / 6
    return Taps(np.clip(index, 0, count - 1) if how == "linear" else _mirrored(index, count), weight.astype(np.float32))


def _mirrored(index: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Indices beyond the ends, mirrored about the last values, as the spline's coefficients are meant."""
    if count == 1:
        return np.zeros_like(index)
    period = 2 * count - 2
    index = np.abs(index) % period
    return np.where(index < count, index, period - index)


def resampled(array: Reals, counts: tuple[int, int, int], how: tuple[Interpolation, ...]) -> Reals:
    """The array (a, b, c) with other counts along its axes, one axis after the other; shrinking ones first."""
    result = array
    for axis in sorted(range(3), key=lambda axis: counts[axis] / array.shape[axis]):
        if counts[axis] == array.shape[axis]:
            continue
        source = result
        if how[axis] == "cubic" and result.shape[axis] > 1:
            from scipy.ndimage import spline_filter1d

            source = spline_filter1d(result, 3, axis=axis, output=np.float32, mode="mirror")
        result = taps(array.shape[axis], counts[axis], how[axis]).along(source, axis)
    if "cubic" in how and result is not array:
        np.clip(result, array.min(), array.max(), out=result)  # splines overshoot at edges
    return result
