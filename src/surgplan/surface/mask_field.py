"""A smooth field whose zero is the boundary of a mask: for structures without intensities behind them.

Smoothing alone eats thin parts: a rib of two voxels loses a third of its volume. So what each voxel has lost or won is
measured along the grid's edges and given back, smoothed in its turn: the staircase goes, the volume stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Bools = NDArray[np.bool_]
Edges = list[tuple[NDArray[np.int64], NDArray[np.int64]]]

FAR = 3.0
"""Distances count up to so many voxel edges: what lies deeper has no say in where the boundary is."""

ROUNDS = 4
"""How often lost and won volume is measured and given back."""

SPREAD = 4
"""Passes of smoothing over what is given back: together with the first pass, a staircase cannot come back with it."""

NEAREST = 0.02
"""The field keeps away from zero by this share of a voxel, so that no triangle collapses."""


def mask_field(mask: Bools, spacing: NDArray[np.float64]) -> Field:
    """(k, j, i) mm, about the distance to the mask's boundary, positive exactly inside of it.

    Boundaries lie half way between voxel centres before smoothing. `spacing` is that of i, j, k in mm. The outermost
    voxels of the array must be outside.

    Source: the idea of giving back what smoothing takes is that of iterative back-projection (Irani and Peleg,
    "Improving resolution by image registration", CVGIP 53, 1991).
    """
    nearest = np.float32(NEAREST * spacing.min())
    edges = [_boundary_edges(mask, axis) for axis in range(3)]
    field = smoothed(distance(mask, spacing, FAR * float(spacing.max())))
    for _ in range(ROUNDS):
        keep_sign(field, mask, nearest)
        lost = _lost(field, edges, spacing)
        for _ in range(SPREAD):
            lost = smoothed(lost)
        field += lost
    keep_sign(field, mask, nearest)
    return field


def reach(spacing: NDArray[np.float64]) -> int:
    """So many planes along k away, the mask changes nothing in `mask_field`."""
    return int(np.ceil(FAR * spacing.max() / spacing[2])) + ROUNDS * (SPREAD + 1) + 2


def keep_sign(field: Field, mask: Bools, nearest: np.float32) -> None:
    """Make the field at least `nearest` inside the mask and at most minus that outside, in place."""
    field[mask & (field < nearest)] = nearest
    field[~mask & (field > -nearest)] = -nearest


def smoothed(field: Field) -> Field:
    """Weighted 1, 2, 1 along each axis: a Gaussian of 0.7 voxels, whatever their size."""
    plane = np.empty_like(field)
    for k in range(len(field)):  # plane by plane: stays in the processor's cache
        plane[k] = _pass(_pass(field[k]).T).T
    result = np.empty_like(field)
    for k in range(len(field)):
        below, above = plane[max(k - 1, 0)], plane[min(k + 1, len(plane) - 1)]
        np.add(below, above, out=result[k])
        result[k] *= np.float32(0.25)
        result[k] += np.float32(0.5) * plane[k]
    return result


def _pass(rows: Field) -> Field:
    result = np.float32(0.5) * rows
    quarter = np.float32(0.25) * rows
    result[1:] += quarter[:-1]
    result[:-1] += quarter[1:]
    result[0] += quarter[0]
    result[-1] += quarter[-1]
    return result


def distance(mask: Bools, spacing: NDArray[np.float64], far: float) -> Field:
    """How far each voxel inside is from the nearest outside, and each outside (negative) from the nearest inside.

    Both in mm, up to `far`.
    """
    import SimpleITK as sitk

    away = []
    for there in (mask, ~mask):
        image = sitk.GetImageFromArray(there.view(np.uint8))
        image.SetSpacing(spacing.tolist())
        signed = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
        away.append(np.clip(sitk.GetArrayViewFromImage(signed), 0.0, far))
    return np.asarray(away[1] - away[0], dtype=np.float32)


def _boundary_edges(mask: Bools, axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat indices of the inner and the outer voxel of each pair of neighbours along the axis that the mask divides."""
    step = int(np.prod(mask.shape[axis + 1 :], dtype=np.int64))
    low, high = np.moveaxis(mask, axis, 0)[:-1], np.moveaxis(mask, axis, 0)[1:]
    cut = np.zeros(mask.shape, dtype=bool)
    np.not_equal(low, high, out=np.moveaxis(cut, axis, 0)[:-1])
    first = np.flatnonzero(cut)
    second = first + step
    inner = mask.ravel()[first]
    return np.where(inner, first, second), np.where(inner, second, first)


def _lost(field: Field, edges: Edges, spacing: NDArray[np.float64]) -> Field:
    """How far, mm, the boundary lies on the inner side of the middle of the edges that it cuts: negative outside.

    What is lost counts for the inner voxel of an edge, and what is won for the outer one.
    """
    flat = field.ravel()
    lost = np.zeros(field.size, dtype=np.float32)
    for (inner, outer), step in zip(edges, spacing[::-1], strict=True):
        inside = flat[inner]
        past = (np.float32(0.5) - inside / (inside - flat[outer])) * np.float32(step)
        # a voxel has two neighbours along the axis: np.add.at adds for both
        np.add.at(lost, inner, np.maximum(past, 0))
        np.add.at(lost, outer, np.minimum(past, 0))
    return lost.reshape(field.shape)
