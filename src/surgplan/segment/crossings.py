"""Where between voxels a surface of equal intensity lies, and how far places are from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.segment.region import Mask

NEIGHBOURS = 4
"""So many points of a surface are looked at: the nearest one may lie across a thin wall."""

Spacing = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Crossings:
    """Points of a surface of equal intensity.

    Parameters
    ----------
    points:
        (n, 3) k, j, i in mm from the first voxel of the block.
    normals:
        (n, 3) unit vectors along which the intensity rises, k, j, i; zero where it does not change.
    spacing:
        Of the voxels along k, j, i, mm.
    """

    points: Array
    normals: Array
    spacing: Spacing

    def distance(self, places: Array) -> Array:
        """(m,) how far places, (m, 3) mm, lie from the surface; infinite without one.

        Between its points the surface is taken as flat, for half a voxel from each: so a distance much smaller than
        a voxel is told as well.
        """
        from scipy.spatial import cKDTree

        if not len(self.points):
            return np.full(len(places), np.inf)
        count = min(NEIGHBOURS, len(self.points))
        tree = cKDTree(self.points, balanced_tree=False, compact_nodes=False)
        nearest = tree.query(places, k=range(1, count + 1))[1]
        offset = places[:, None, :] - self.points[nearest]
        normal = self.normals[nearest]
        along = np.einsum("mnc,mnc->mn", offset, normal)
        aside = np.abs(offset - along[..., None] * normal)
        beyond = np.maximum(aside - np.array(self.spacing) / 2, 0.0)
        found: Array = np.sqrt(along**2 + (beyond**2).sum(axis=2)).min(axis=1)
        return found


def crossings(values: NDArray[Any], inside: Mask, level: float, spacing: Spacing) -> Crossings:
    """Where the intensity falls below a level between a voxel inside and a neighbour by a face that is not.

    A pair of voxels of which not the inner one is at or above the level and the outer one below it has no such place:
    there something else than the intensity made the boundary.
    """
    inner, outer = [], []
    for axis in range(3):
        first, second = _pair(inside, axis)
        places = np.flatnonzero(first != second)
        falls = np.take(np.ascontiguousarray(first), places)  # along the axis, from inside to outside
        for sign, chosen in ((1, places[falls]), (-1, places[~falls])):
            at = np.stack(np.unravel_index(chosen, first.shape), axis=1)
            step = np.zeros(3, dtype=at.dtype)
            step[axis] = 1
            inner.append(at if sign > 0 else at + step)
            outer.append(at + step if sign > 0 else at)
    one, other = np.concatenate(inner), np.concatenate(outer)
    high, low = (values[tuple(at.T)].astype(np.float64) for at in (one, other))
    crossed = (high >= level) & (low < level)
    one, other, high, low = one[crossed], other[crossed], high[crossed], low[crossed]
    share = ((high - level) / (high - low))[:, None]
    points = one + share * (other - one)
    slope = (1 - share) * _slope(values, one, spacing) + share * _slope(values, other, spacing)
    steepness = np.linalg.norm(slope, axis=1, keepdims=True)
    return Crossings(points * np.array(spacing), slope / np.maximum(steepness, 1e-9), spacing)


def _pair(array: Mask, axis: int) -> tuple[Mask, Mask]:
    return array[(slice(None),) * axis + (slice(0, -1),)], array[(slice(None),) * axis + (slice(1, None),)]


def _slope(values: NDArray[Any], at: NDArray[Any], spacing: Spacing) -> Array:
    """(n, 3) change of the intensity per mm along k, j, i, by central differences; one-sided at the block's ends."""
    slope = np.empty(at.shape)
    for axis, step in enumerate(spacing):
        ahead, behind = at.copy(), at.copy()
        ahead[:, axis] = np.minimum(ahead[:, axis] + 1, values.shape[axis] - 1)
        behind[:, axis] = np.maximum(behind[:, axis] - 1, 0)
        change = values[tuple(ahead.T)].astype(np.float64) - values[tuple(behind.T)]
        slope[:, axis] = change / (step * np.maximum(ahead[:, axis] - behind[:, axis], 1))
    return slope
