"""Topology of a triangle mesh, decided exactly from its indices and, for the sides, from its volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.surface.intersections import self_intersections
from surgplan.surface.nesting import nesting
from surgplan.surface.twins import fans_of, twins

Ints = NDArray[np.int32]

AT_ONCE = 1 << 16
"""Triangles that are measured at once."""

MOST_PLACES = 20
"""So many places of self-intersections are kept."""


@dataclass(frozen=True)
class Topology:
    """What a mesh is, apart from where it lies.

    `watertight`: every edge belongs to two triangles or, where parts touch, to an even number of them.
    `edge_manifold`: no edge belongs to more than two. `vertex_manifold`: the triangles round each vertex form one fan.
    `outward`: neighbours agree on the side, and outer shells enclose a positive volume. `bodies` counts connected
    shells, cavities included; `genus` the handles of all of them, None for open meshes. `places` are up to 20 points
    (mm, frame of the vertices) where triangles cross.
    """

    triangles: int
    vertices: int
    bodies: int
    watertight: bool
    edge_manifold: bool
    vertex_manifold: bool
    outward: bool
    degenerate: int
    self_intersections: int
    genus: int | None
    places: tuple[tuple[float, float, float], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it bounds a solid that a printer can make."""
        sound = self.watertight and self.edge_manifold and self.vertex_manifold and self.outward
        return sound and self.triangles > 0 and self.degenerate == 0 and self.self_intersections == 0


def topology(vertices: Array, triangles: Ints, crossing: Ints | None = None) -> Topology:
    """Measure a mesh: vertices (n, 3) mm, triangles (m, 3) indices, welded (equal points have equal indices).

    `crossing` are its self-intersections where they are known already, as `self_intersections` gives them.
    """
    if not len(triangles):
        return Topology(0, 0, 0, False, True, True, False, 0, 0, None)
    used = np.zeros(len(vertices), dtype=bool)
    used[triangles] = True
    twin = twins(triangles, len(vertices))
    edges = _edges(triangles, len(vertices), twin)
    body = bodies(vertices, triangles)
    count = int(body.max()) + 1
    if crossing is None:
        crossing = self_intersections(vertices, triangles)
    genus = None
    if edges.watertight and edges.manifold:
        genus = int(count - (int(used.sum()) - edges.count + len(triangles)) // 2)
    return Topology(
        triangles=len(triangles),
        vertices=int(used.sum()),
        bodies=count,
        watertight=edges.watertight,
        edge_manifold=edges.manifold,
        vertex_manifold=bool(fans(triangles, len(vertices), twin).max() <= 1),
        outward=edges.consistent and _faces_outward(vertices, triangles, body, edges.watertight),
        degenerate=int(degenerate(vertices, triangles).sum()),
        self_intersections=len(crossing),
        genus=genus,
        places=tuple(tuple(map(float, row)) for row in vertices[triangles[crossing[:MOST_PLACES, 0]]].mean(axis=1)),  # type: ignore[misc]
    )


@dataclass(frozen=True)
class _Edges:
    """Number of the undirected edges; `consistent`: each one's two triangles run through it in opposite directions."""

    count: int
    watertight: bool
    manifold: bool
    consistent: bool


def _edges(triangles: Ints, vertices: int, twin: Ints | None) -> _Edges:
    """`twin` is what `twins` tells of the same mesh: where it is closed, all is known."""
    if twin is not None:
        return _Edges(len(twin) // 2, watertight=True, manifold=True, consistent=True)
    start = triangles.astype(np.int64).ravel()
    end = np.roll(triangles, -1, axis=1).astype(np.int64).ravel()
    low, high = np.minimum(start, end), np.maximum(start, end)
    key = np.sort((low * vertices + high) * 2 + (start < end))
    edge = key >> 1
    first = np.flatnonzero(np.concatenate([[True], edge[1:] != edge[:-1]]))
    uses = np.diff(np.append(first, len(edge)))
    forward = np.add.reduceat(key & 1, first)
    shared = uses > 1
    return _Edges(
        count=len(first),
        watertight=bool((uses % 2 == 0).all()),
        manifold=bool((uses <= 2).all()),
        consistent=bool((2 * forward[shared] == uses[shared]).all()),
    )


def bodies(vertices: Array, triangles: Ints) -> Ints:
    """(m,) the number of the connected shell that each triangle belongs to, in order of appearance."""
    found = np.arange(len(vertices), dtype=np.int32)
    for one, two in ((0, 1), (1, 2)):  # most are joined by the first edges: the second leave few to look at
        found = _joined(found, found[triangles[:, one]], found[triangles[:, two]])
    number = found[triangles[:, 0]]
    first = np.full(len(vertices), -1, np.int32)
    first[number[::-1]] = np.arange(len(triangles) - 1, -1, -1, dtype=np.int32)
    there = np.flatnonzero(first >= 0)
    rank = np.empty(len(vertices), np.int32)
    rank[there[np.argsort(first[there])]] = np.arange(len(there), dtype=np.int32)
    return rank[number]


def _joined(number: Ints, start: Ints, end: Ints) -> Ints:
    """(n,) numbers after those on the two ends of each edge have been made one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    apart = np.flatnonzero(start < end)
    turned = np.flatnonzero(start > end)
    start, end = np.concatenate([start[apart], end[turned]]), np.concatenate([end[apart], start[turned]])
    size = len(number)
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1][number], dtype=np.int32)


def fans(triangles: Ints, vertices: int, twin: Ints | None) -> Ints:
    """(n,) number of fans of triangles round each vertex: 1 at every used vertex when the mesh is vertex-manifold.

    `twin` is what `twins` tells of the same mesh.
    """
    if twin is not None:
        return fans_of(twin, triangles, vertices)
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    corners = np.arange(3 * len(triangles)).reshape(-1, 3)
    edge_from, edge_to = triangles, np.roll(triangles, -1, axis=1)
    at_from, at_to = corners, np.roll(corners, -1, axis=1)
    forward = edge_from < edge_to
    low = np.where(forward, edge_from, edge_to).ravel().astype(np.int64)
    high = np.where(forward, edge_to, edge_from).ravel().astype(np.int64)
    low_corner = np.where(forward, at_from, at_to).ravel()
    high_corner = np.where(forward, at_to, at_from).ravel()
    order = np.argsort(low * vertices + high, kind="stable")
    key = (low * vertices + high)[order]
    same = np.flatnonzero(key[1:] == key[:-1])
    one, two = order[same], order[same + 1]
    start = np.concatenate([low_corner[one], high_corner[one]])
    end = np.concatenate([low_corner[two], high_corner[two]])
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(corners.size, corners.size))
    count, fan = connected_components(graph, directed=False)
    vertex_of = np.empty(count, dtype=np.int64)
    vertex_of[fan] = triangles.ravel()
    return np.bincount(vertex_of, minlength=vertices).astype(np.int32)


def faulty(triangles: Ints, vertices: int, crossing: Ints) -> NDArray[np.bool_]:
    """(m,) triangles at an edge or vertex where sheets meet, at odds with a neighbour, or crossing; not open ones."""
    start = triangles.astype(np.int64).ravel()
    end = np.roll(triangles, -1, axis=1).astype(np.int64).ravel()
    key = np.minimum(start, end) * vertices + np.maximum(start, end)
    _, edge, uses = np.unique(key, return_inverse=True, return_counts=True)
    forward = np.bincount(edge, start < end)
    bad = ((uses > 2) | ((uses == 2) & (forward != 1)))[edge].reshape(-1, 3).any(axis=1)
    bad |= (fans(triangles, vertices, None) > 1)[triangles].any(axis=1)
    bad[crossing.ravel()] = True
    return np.asarray(bad)


def degenerate(vertices: Array, triangles: Ints) -> NDArray[np.bool_]:
    """(m,) triangles that name a vertex twice or have no area at all."""
    a, b, c = triangles.T
    found = np.asarray((a == b) | (b == c) | (c == a))
    for start in range(0, len(triangles), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        a, b, c = np.take(vertices, triangles[part], axis=0).transpose(1, 0, 2)
        found[part] |= (np.cross(b - a, c - a) == 0).all(axis=1)
    return found


def body_volumes(vertices: Array, triangles: Ints, body: Ints) -> Array:
    """(bodies,) signed volume of each shell, mm³: negative for cavities."""
    middle = vertices.mean(axis=0)
    volumes = np.zeros(int(body.max()) + 1)
    for start in range(0, len(triangles), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        a, b, c = (vertices[triangles[part, corner]] - middle for corner in range(3))
        volumes += np.bincount(body[part], np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0, len(volumes))
    return volumes


def is_closed(triangles: Ints, vertices: int) -> bool:
    """Whether every edge belongs to two triangles that run through it in opposite directions."""
    return len(triangles) > 0 and twins(triangles, vertices) is not None


def faces_outward(vertices: Array, triangles: Ints) -> bool:
    """Whether neighbours agree on the side, and every shell that is no cavity encloses a positive volume."""
    edges = _edges(triangles, len(vertices), twins(triangles, len(vertices)))
    return edges.consistent and _faces_outward(vertices, triangles, bodies(vertices, triangles), edges.watertight)


def _faces_outward(vertices: Array, triangles: Ints, body: Ints, watertight: bool) -> bool:
    """Every shell with a negative volume must be a cavity: it lies within the solid of the others."""
    volumes = body_volumes(vertices, triangles, body)
    if (volumes > 0).all():
        return True
    if (volumes <= 0).all() or (volumes == 0).any():
        return False
    depth = nesting(vertices, triangles, body, watertight).depth(len(volumes))
    return bool((depth[volumes < 0] > 0).all())


def nested_bodies(vertices: Array, triangles: Ints) -> tuple[tuple[float, float, float], ...]:
    """A place, mm, on each shell that faces outward within the solid of another: its volume counts twice.

    The mesh must be closed.
    """
    body = bodies(vertices, triangles)
    volumes = body_volumes(vertices, triangles, body)
    if len(volumes) == 1:
        return ()
    depth = nesting(vertices, triangles, body, watertight=True).depth(len(volumes))
    first = np.unique(body, return_index=True)[1][(volumes > 0) & (depth > 0)]
    return tuple(tuple(map(float, place)) for place in vertices[triangles[first]].mean(axis=1))  # type: ignore[misc]
