"""A simplified surface put back amidst the points that it stands for.

Chords of a round body lie within it. Each step that leaves larger triangles takes a little more: a ball shrinks, and a
round hole closes. Here each vertex goes along its normal by what the contour's vertices round it lie beside the
surface, in the mean. They are many, so that their noise does not come back with that.
"""

from __future__ import annotations

import numpy as np

from surgplan.model.frames import Array
from surgplan.surface.merging import Floats, cross_products, vertex_normals
from surgplan.surface.near import Mesh, Near

PASSES = 1
"""So many rings of neighbours have a say in where a vertex goes."""


def balanced(points: Floats, found: Near, mesh: Mesh, near_mm: float, most_mm: float) -> Mesh:
    """The mesh with its vertices moved by `most_mm` at the most, so that the points lie round it evenly.

    `found` tells where on the mesh the points, (n, 3) mm, lie; only those within `near_mm` count.
    """
    chosen = np.flatnonzero(found.away <= near_mm)
    if not len(chosen):
        return mesh
    triangle, weights = found.triangle[chosen], found.weights[chosen]
    corners = mesh.triangles[triangle]
    across = cross_products(mesh.vertices, mesh.triangles)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), np.float32(1e-12))
    beside = np.einsum("ij,ij->i", points[chosen] - mesh.planes[triangle, :3], across[triangle])
    beside *= np.abs(beside) <= near_mm
    count = len(mesh.vertices)
    total, weight = np.zeros(count), np.zeros(count)
    for corner in range(3):
        total += np.bincount(corners[:, corner], weights[:, corner] * beside, count)
        weight += np.bincount(corners[:, corner], weights[:, corner], count)
    for _ in range(PASSES):
        total, weight = (_with_neighbours(values, mesh) for values in (total, weight))
    step = np.clip(total / np.maximum(weight, 1e-9), -most_mm, most_mm).astype(np.float32)
    return Mesh(mesh.vertices + step[:, None] * vertex_normals(mesh.vertices, mesh.triangles), mesh.triangles)


def _with_neighbours(values: Array, mesh: Mesh) -> Array:
    """(n,) to each vertex's value that of its neighbours added; each edge leads there in one of its two triangles."""
    total = values.copy()
    for corner in range(3):
        start, end = mesh.triangles[:, corner], mesh.triangles[:, (corner + 1) % 3]
        total += np.bincount(start, values[end], len(values))
    return total
