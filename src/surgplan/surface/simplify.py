"""Fewer triangles within a tolerance; the result stays manifold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from surgplan.model.surface import Surface

MOST_COARSE_MM = 5.0
"""Simplifying to a number of triangles never goes beyond steps of this size."""

FIRST_STEP = 0.35
"""Share of the tolerance for the simplifier's first try: on smooth anatomy its steps add up to about three times."""

FINER_STEPS = 4
"""So many tries are made to keep the tolerance; then the surface stays as it is."""


class NotManifold(ValueError):
    """The mesh does not bound a solid, so that it cannot be simplified safely."""


def simplify(
    surface: Surface, tolerance_mm: float, max_triangles: int | None, farthest: Callable[[Surface], float]
) -> tuple[Surface, float]:
    """The surface with fewer triangles, and how far, mm, it then lies from what `farthest` measures against.

    The simplifier bounds each of its steps but not their sum, so the result is measured, and done again in finer steps
    until it keeps `tolerance_mm`. When it still has more than `max_triangles`, steps are made coarser without regard
    to the tolerance until it has fewer. Vertices are a subset of the given ones.

    Raises
    ------
    NotManifold
        The mesh is open, or an edge has more than two triangles.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    solid = as_solid(surface)
    step = FIRST_STEP * tolerance_mm
    for _ in range(FINER_STEPS):
        result = from_solid(solid.simplify(step), surface)
        far = farthest(result)
        if far <= tolerance_mm:
            break
        step *= max(0.3, 0.8 * tolerance_mm / far)
    else:
        result, far = surface, farthest(surface)
    if max_triangles is None or len(result.triangles) <= max_triangles:
        return result, far
    coarse = as_solid(result)
    while coarse.num_tri() > max_triangles and step < MOST_COARSE_MM:
        step *= 1.4
        # from the last result on: from the first one, large steps leave more triangles than small ones
        coarse = coarse.simplify(step)
    result = from_solid(coarse, surface)
    return result, farthest(result)


def as_solid(surface: Surface) -> Any:
    """The surface as a `manifold3d.Manifold`."""
    from manifold3d import Error, Manifold, Mesh

    vertices = np.ascontiguousarray(surface.vertices, dtype=np.float32)
    solid = Manifold(Mesh(vert_properties=vertices, tri_verts=np.ascontiguousarray(surface.triangles, dtype=np.uint32)))
    if solid.status() != Error.NoError or solid.is_empty():
        raise NotManifold(f"manifold3d says: {solid.status().name}")
    return solid


def from_solid(solid: Any, like: Surface) -> Surface:
    """A `manifold3d.Manifold` as a surface of the same structure."""
    mesh = solid.to_mesh()
    vertices = np.asarray(mesh.vert_properties, dtype=np.float64)[:, :3]
    return like.with_mesh(vertices, np.asarray(mesh.tri_verts).astype(np.int32))
