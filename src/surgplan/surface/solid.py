"""Meshes as solids of manifold3d, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface


class NotManifold(ValueError):
    """The mesh does not bound a solid, so that it cannot be simplified safely."""


def as_solid(surface: Surface) -> Any:
    """The surface as a `manifold3d.Manifold`; `NotManifold` when an edge is open or shared by more than two."""
    return solid_of_mesh(surface.vertices, surface.triangles)


def solid_of_mesh(vertices: NDArray[np.floating[Any]], triangles: NDArray[np.int32]) -> Any:
    """The same for vertices, (n, 3) mm, and triangles, (m, 3)."""
    from manifold3d import Error, Manifold, Mesh

    points = np.ascontiguousarray(vertices, dtype=np.float32)
    solid = Manifold(Mesh(vert_properties=points, tri_verts=np.ascontiguousarray(triangles, dtype=np.uint32)))
    if solid.status() != Error.NoError or solid.is_empty():
        raise NotManifold(f"manifold3d says: {solid.status().name}")
    return solid


def from_solid(solid: Any, like: Surface) -> Surface:
    """A `manifold3d.Manifold` as a surface of the same structure."""
    points, triangles = mesh_of_solid(solid)
    return like.with_mesh(points.astype(np.float64), triangles)


def mesh_of_solid(solid: Any) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Its vertices, (n, 3) mm, and triangles, (m, 3)."""
    mesh = solid.to_mesh()
    points = np.ascontiguousarray(np.asarray(mesh.vert_properties, dtype=np.float32)[:, :3])
    return points, np.asarray(mesh.tri_verts).astype(np.int32)
