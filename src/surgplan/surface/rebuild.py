"""A mesh made anew from its distance field: whatever is wrong with it, the result is closed.

Outside is what can be reached from far away without coming nearer to the mesh than the pitch. The result is what is
left when that is grown back by the pitch: gaps up to twice as wide are closed, and cavities that nothing leads into.

Source: the idea is that of morphological closing, as in Portaneri and others, "Alpha wrapping with an offset", ACM TOG
41(4), 2022; their mesh is made another way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface
from surgplan.model.volume import Grid
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.isosurface import isosurface
from surgplan.surface.local_level import grown
from surgplan.surface.mask_field import NEAREST, Field, keep_sign
from surgplan.surface.ruler import Ruler

MOST_VOXELS = 30_000_000
"""A finer grid is refused: it would take too much memory."""

MOST_NEAR = 3_000_000
"""With more voxels near the mesh it is refused too: measuring them would take minutes."""

MARGIN = 6
"""Voxels round the mesh."""

BAND = 3
"""Distances are measured within so many voxels of a mesh."""

FAR = 100.0
"""Beyond, in pitches, they are this large."""


class TooFine(ValueError):
    """The pitch is too small for the size of the mesh."""


def rebuilt(surface: Surface, pitch_mm: float) -> Surface:
    """A closed surface round the mesh, within about `pitch_mm` of it where it is sound; empty when it encloses nothing.

    Raises
    ------
    TooFine
        The grid would have too many voxels.
    """
    low = surface.bounds[0] - MARGIN * pitch_mm
    size = np.ceil((surface.bounds[1] + MARGIN * pitch_mm - low) / pitch_mm).astype(int) + 1
    if np.prod(size, dtype=np.float64) > MOST_VOXELS:
        raise TooFine(f"{pitch_mm:g} mm would need {np.prod(size, dtype=np.float64) / 1e6:.0f} million voxels")
    grid = Grid(tuple(size), (pitch_mm,) * 3, low)
    pitch = np.float32(pitch_mm)
    away = _distances(surface, grid)
    outside = _reached(away > pitch)
    if not (~outside & (away > pitch)).any():  # all is outside or near the mesh: growing back leaves nothing
        return surface.with_mesh(np.empty((0, 3)), np.empty((0, 3), np.int32))
    hull = isosurface(np.where(outside | (away <= pitch), pitch - away, pitch), grid, surface.label)
    depth = _distances(hull, grid, ~outside)
    field = np.where(outside, -depth, depth) - pitch
    keep_sign(field, field >= 0, np.float32(NEAREST * pitch))
    return isosurface(field, grid, surface.label)


def _distances(surface: Surface, grid: Grid, where: NDArray[np.bool_] | None = None) -> Field:
    """(k, j, i) distance, mm, to the mesh within `BAND` voxels of it, and a large one beyond.

    With `where`, (k, j, i), only there and one voxel beyond.
    """
    from scipy.ndimage import maximum_filter1d

    pitch = float(grid.spacing[0])
    count = int(min(8 * surface.area_mm2 / pitch**2, 4e6)) + 100
    points = np.concatenate([surface.vertices, surface_samples(surface, count)])
    near = np.zeros(grid.shape, dtype=np.uint8)
    i, j, k = np.rint((points - grid.origin) / pitch).astype(np.int64).T
    near[k, j, i] = 1
    for axis in range(3):
        near = maximum_filter1d(near, 2 * BAND + 1, axis=axis)
    if where is not None:
        near &= grown(where)
    if np.count_nonzero(near) > MOST_NEAR:
        raise TooFine(f"{pitch:g} mm would need {np.count_nonzero(near) / 1e6:.1f} million distances")
    distances = np.full(grid.shape, FAR * pitch, dtype=np.float32)
    there = np.nonzero(near)
    places = grid.origin + pitch * np.column_stack(there[::-1])
    distances[there] = Ruler(surface.vertices, surface.triangles)(places)
    return distances


def _reached(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(k, j, i) the free voxels that can be reached from the first one, which is far outside."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(free.astype(np.uint8))
    filled = sitk.ConnectedThreshold(image, seedList=[(0, 0, 0)], lower=1, upper=1)
    return np.asarray(sitk.GetArrayViewFromImage(filled) > 0)
