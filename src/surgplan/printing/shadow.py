"""What a body covers of the build plate, exactly as an outline, and safely as cells of a raster.

Two bodies whose grown rasters share no cell are at least the gap apart: each raster has every cell whose centre is
nearer to the body than half the gap and half a cell's diagonal, and a point half way between two bodies that are nearer
than the gap lies that near to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.pack import Cells
from surgplan.surface.solid import NotManifold, as_solid

COARSEST_MM = 0.05
"""Outlines are simplified by this much after they were grown by as much more."""
CIRCLE = 32
"""Segments of a full circle where outlines are grown round a corner."""


def solid_of(surface: Surface) -> Any:
    """The surface as a solid; one that bounds none as its convex hull, which contains it."""
    from manifold3d import Manifold

    try:
        return as_solid(surface)
    except NotManifold:
        return Manifold.hull_points(np.ascontiguousarray(surface.vertices, np.float64))


def outline_of(surfaces: Sequence[Surface]) -> Any:
    """What surfaces in PRINT coordinates cover of the plate, as a `manifold3d.CrossSection`."""
    from manifold3d import CrossSection, OpType

    shadows = [solid_of(each).project() for each in surfaces]
    return shadows[0] if len(shadows) == 1 else CrossSection.batch_boolean(shadows, OpType.Add)


def grown(outline: Any, by_mm: float) -> Any:
    """The outline with everything that is nearer than `by_mm`, and a hair more."""
    from manifold3d import JoinType

    # a circle of segments lies within the round one: the radius of the round one that it contains counts
    radius = (by_mm + 2 * COARSEST_MM) / np.cos(np.pi / CIRCLE)
    return outline.offset(radius, JoinType.Round, 2.0, CIRCLE).simplify(COARSEST_MM)


def cells_of(outline: Any, cell_mm: float) -> tuple[Cells, Array]:
    """(rows, columns) cells whose centres an outline covers, and the corner, (2,) mm, where the first cell begins."""
    low_x, low_y, high_x, high_y = outline.bounds()
    corner = np.array([low_x, low_y])
    columns = max(1, int(np.ceil((high_x - low_x) / cell_mm)))
    rows = max(1, int(np.ceil((high_y - low_y) / cell_mm)))
    flips = np.zeros((rows, columns + 1), np.int64)
    for polygon in outline.to_polygons():
        points = (np.asarray(polygon, np.float64) - corner) / cell_mm - 0.5
        _count_crossings(flips, points)
    inside = (np.cumsum(flips, axis=1) % 2 == 1)[:, :columns]
    return np.ascontiguousarray(inside), corner


def _count_crossings(flips: np.ndarray[Any, Any], points: Array) -> None:
    """Count, in each row of centres, from which column on every edge of a polygon has been passed."""
    rows, columns = flips.shape
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        first, last = np.ceil(min(y0, y1)), np.ceil(max(y0, y1)) - 1
        row = np.arange(max(0, int(first)), min(rows - 1, int(last)) + 1)
        if len(row):
            at = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
            flips[row, np.clip(np.ceil(at), 0, columns - 1).astype(np.int64)] += 1


def voxels_of(surfaces: Sequence[Surface], cell_mm: float, by_mm: float) -> tuple[Cells, Array]:
    """(k, j, i) cells within `by_mm` of surfaces in PRINT coordinates or inside of them; the corner of the first, (3,).

    Cavities are filled, so that nothing is laid into one from which it would not come out.
    """
    from scipy.ndimage import binary_fill_holes
    from scipy.spatial import KDTree

    apart = cell_mm / 4
    points = np.vstack([covering(each, apart) for each in surfaces])
    reach = by_mm + apart + cell_mm * np.sqrt(3) / 2
    corner = points.min(axis=0) - reach
    shape = np.ceil((points.max(axis=0) + reach - corner) / cell_mm).astype(np.int64)[::-1]
    k, j, i = np.indices(shape).reshape(3, -1)
    centres = corner + cell_mm * (np.column_stack([i, j, k]) + 0.5)
    away, _ = KDTree(points).query(centres, distance_upper_bound=reach)
    taken = binary_fill_holes(np.isfinite(away).reshape(shape))
    there = [np.flatnonzero(taken.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    window = tuple(slice(each[0], each[-1] + 1) for each in there)
    return np.ascontiguousarray(taken[window]), corner + cell_mm * np.array([each[0] for each in reversed(there)])


def covering(surface: Surface, apart_mm: float) -> Array:
    """(n, 3) points of a surface such that none of its places is farther than `apart_mm` from one."""
    corners = surface.corners
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    steps = np.ceil(longest / apart_mm).astype(np.int64)
    found = [surface.vertices[np.unique(surface.triangles)]]
    for count in np.unique(steps[steps > 1]):
        u, v = np.meshgrid(np.arange(count + 1), np.arange(count + 1))
        keep = (u + v) <= count
        a, b, c = corners[steps == count].transpose(1, 0, 2)[:, :, None, :]
        within = a + (b - a) * (u[keep] / count)[:, None] + (c - a) * (v[keep] / count)[:, None]
        found.append(within.reshape(-1, 3))
    return np.vstack(found)
