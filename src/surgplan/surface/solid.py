"""Meshes as solids of manifold3d, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface
from surgplan.surface.parts import Floats, Ints, Part

Simplified = tuple[Floats, Ints, NDArray[np.uint32]]
"""Vertices in float32, triangles, and the face of each triangle."""


class NotManifold(ValueError):
    """The mesh does not bound a solid, so that it cannot be simplified safely."""


def as_solid(surface: Surface) -> Any:
    """The surface as a `manifold3d.Manifold`; `NotManifold` when an edge is open or shared by more than two."""
    return solid_of_mesh(surface.vertices, surface.triangles)


def solid_of_mesh(vertices: NDArray[np.floating[Any]], triangles: Ints) -> Any:
    """The same for vertices, (n, 3) mm, and triangles, (m, 3)."""
    from manifold3d import Mesh

    points = np.ascontiguousarray(vertices, dtype=np.float32)
    return _checked(Mesh(vert_properties=points, tri_verts=np.ascontiguousarray(triangles, dtype=np.uint32)))


def from_solid(solid: Any, like: Surface) -> Surface:
    """A `manifold3d.Manifold` as a surface of the same structure."""
    mesh = solid.to_mesh()
    vertices = np.asarray(mesh.vert_properties, dtype=np.float64)[:, :3]
    return like.with_mesh(vertices, np.asarray(mesh.tri_verts).astype(np.int32))


def solid_of_part(part: Part) -> Any:
    """A part with its tents as a `manifold3d.Manifold`; `NotManifold` as for `as_solid`."""
    from manifold3d import Mesh

    return _checked(Mesh(vert_properties=part.vertices, tri_verts=part.triangles, face_id=part.faces))


def simplified_part(solid: Any) -> Simplified:
    """A part as its solid, simplified or not, has it: with its tents."""
    mesh = solid.to_mesh()
    vertices = np.ascontiguousarray(np.asarray(mesh.vert_properties)[:, :3])
    return vertices, np.asarray(mesh.tri_verts).astype(np.int32), np.asarray(mesh.face_id).astype(np.uint32)


def in_steps(solid: Any, steps_mm: Sequence[float]) -> list[Any]:
    """The solid after each of several simplifications, one upon the other."""
    stages = []
    for step in steps_mm:
        solid = solid.simplify(step)
        stages.append(solid)
    return stages


def _checked(mesh: Any) -> Any:
    from manifold3d import Error, Manifold

    solid = Manifold(mesh)
    if solid.status() != Error.NoError or solid.is_empty():
        raise NotManifold(f"manifold3d says: {solid.status().name}")
    return solid
