"""Vertices taken out where a mesh is nearly flat, one by one in effect, many at a time: also of meshes that branch.

manifold3d simplifies closed surfaces; walls that several structures share are none. Here a vertex goes by being drawn
into a neighbour, when

- it and its neighbours lie near one plane, and face the same way,
- it lies within a wall, not on a line where several meet; its neighbour may,
- no edge arises that is there already, and no triangle turns over.

Of those that could go, those go at once that have no neighbour in common: so each of them may be judged for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.surface.merging import Merged, compacted, three_cornered

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]

SAME_WAY = 0.9
"""Least cosine between the normals of the triangles round a vertex that goes, before and after, and their mean."""

MOST_ROUND, FEWEST_ROUND = 12, 4
"""A vertex goes only when it has so many triangles round it."""

ENOUGH = 0.01
"""When a round takes out a smaller share of the vertices, it was the last one."""

AT_ONCE = 1 << 15
"""Vertices that are looked at at once."""

ROUNDS = 60
"""More rounds were never needed."""


@dataclass(frozen=True)
class _Rings:
    """The corners of all triangles, in the order of their vertices.

    Corner c of vertex v lies opposite the edge from `ahead[c]` to `behind[c]`; those of v are `start[v]` to
    `start[v + 1]`.
    """

    start: Longs
    ahead: Ints
    behind: Ints

    def __init__(self, triangles: Ints, count: int) -> None:
        vertex = triangles.T.ravel()
        order = np.argsort(vertex, kind="stable")
        object.__setattr__(self, "start", np.searchsorted(vertex[order], np.arange(count + 1)))
        object.__setattr__(self, "ahead", np.roll(triangles, -1, axis=1).T.ravel()[order])
        object.__setattr__(self, "behind", np.roll(triangles, -2, axis=1).T.ravel()[order])

    @property
    def number(self) -> Longs:
        """(n,) how many triangles each vertex has round it."""
        return np.diff(self.start)


def thinned(vertices: Array, fixed: Bools, triangles: Ints, most_mm: float) -> Merged:
    """A mesh with fewer vertices; those that go, and their neighbours, lie within `most_mm` of their common plane.

    The mesh is manifold apart from its `fixed` vertices, (n,), and stays as manifold as it was; these stay.
    """
    before = np.arange(len(triangles))
    open_ = ~fixed  # those that may be flat: the others were not, and nothing has changed round them since
    for turn in range(ROUNDS):
        into, open_ = _drawn(vertices, triangles, open_, most_mm, turn)
        gone = int((into != np.arange(len(vertices))).sum())
        faces = into[triangles]
        kept = three_cornered(faces)
        before = before[kept]
        triangles, (vertices, fixed, open_) = compacted(faces[kept], vertices, fixed, open_ & ~fixed)
        if gone < ENOUGH * len(into):
            break
    return Merged(vertices, fixed, triangles, before)


def _drawn(vertices: Array, triangles: Ints, open_: Bools, most_mm: float, turn: int) -> tuple[Ints, Bools]:
    """(n,) the vertex into which each one is drawn: itself, for most; and which may be flat afterwards."""
    count = len(vertices)
    into = np.arange(count, dtype=np.int32)
    near = with_neighbours(open_, triangles)
    some = triangles[near[triangles].any(axis=1)]  # all that lie round an open vertex or a neighbour of one
    rings = _Rings(some[open_[some].any(axis=1)], count)
    flat, normals = _flat(vertices, rings, np.flatnonzero(open_), most_mm)
    chosen = _apart(flat, some, turn)
    edges = np.sort(np.concatenate([_keys(some[:, n], some[:, (n + 1) % 3], count) for n in range(3)]))
    number = rings.number[chosen]
    for size in range(FEWEST_ROUND, MOST_ROUND + 1):
        those = chosen[number == size]
        if len(those):
            target = _targets(vertices, those, normals[those], rings, size, edges)
            into[those[target >= 0]] = target[target >= 0]
    drawn = into != np.arange(count)
    return into, flat | with_neighbours(drawn, some)


def with_neighbours(chosen: Bools, triangles: Ints) -> Bools:
    """(n,) the chosen vertices and their neighbours."""
    found = chosen.copy()
    found[triangles[chosen[triangles].any(axis=1)]] = True
    return found


def _keys(one: Ints, two: Ints, count: int) -> Longs:
    """One number for each edge, whichever end comes first."""
    return np.asarray(np.minimum(one, two).astype(np.int64) * count + np.maximum(one, two))


def _flat(vertices: Array, rings: _Rings, wanted: Longs, most_mm: float) -> tuple[Bools, Array]:
    """(n,) which of the wanted vertices lie near a plane with their neighbours, all facing the same way; the unit
    normals, (n, 3), of those wanted."""
    flat, normals = np.zeros(len(vertices), dtype=bool), np.zeros((len(vertices), 3))
    number = rings.number[wanted]
    for size in range(FEWEST_ROUND, MOST_ROUND + 1):
        for some in np.array_split(wanted[number == size], 1 + np.count_nonzero(number == size) // AT_ONCE):
            corners = rings.start[some][:, None] + np.arange(size)
            here = vertices[some][:, None]
            ahead = vertices[rings.ahead[corners]] - here  # (s, size, 3)
            normal = np.cross(ahead, vertices[rings.behind[corners]] - here)
            mean = normal.sum(axis=1)
            mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
            out = np.einsum("sca,sa->sc", ahead, mean)
            middle = out.sum(axis=1) / (size + 1)
            far = np.maximum(np.abs(out - middle[:, None]).max(axis=1), np.abs(middle))
            facing = np.einsum("sca,sa->sc", normal, mean)
            alike = (facing >= SAME_WAY * np.linalg.norm(normal, axis=2)).all(axis=1)
            flat[some] = alike & (far <= most_mm)
            normals[some] = mean
    return flat, normals


def _apart(wanted: Bools, triangles: Ints, turn: int) -> Longs:
    """Some of the wanted vertices, none of which has a neighbour in common with another one."""
    count = len(wanted)
    mixed = (np.arange(count, dtype=np.uint64) + np.uint64(1 + turn * count)) * np.uint64(0x9E3779B97F4A7C15)
    rank = np.empty(count, np.int32)
    rank[np.argsort(mixed, kind="stable")] = np.arange(1, count + 1, dtype=np.int32)
    rank[~wanted] = 0
    most = rank
    for _ in range(2):
        highest, most = most[triangles].max(axis=1), most.copy()
        for corner in range(3):
            np.maximum.at(most, triangles[:, corner], highest)
    return np.flatnonzero(wanted & (most == rank))


def _targets(vertices: Array, chosen: Longs, normals: Array, rings: _Rings, size: int, edges: Longs) -> Longs:
    """(s,) the neighbour into which each of the chosen vertices, all with `size` neighbours, is drawn; -1 for none.

    Of those that are possible, the one that leaves the best triangles: the least of four times area over squared sides.
    """
    corners = rings.start[chosen][:, None] + np.arange(size)  # (s, size)
    ahead, behind = rings.ahead[corners], rings.behind[corners]
    best, found = np.zeros(len(chosen)), np.full(len(chosen), -1, np.int64)
    for n in range(size):
        to = ahead[:, n]
        beside = (ahead == to[:, None]) | (behind == to[:, None])  # triangles that go
        points = vertices[ahead], vertices[behind], vertices[to][:, None]
        one, two = points[0] - points[2], points[1] - points[2]
        cross = np.cross(one, two)
        area = np.linalg.norm(cross, axis=2)
        facing = np.einsum("sij,sj->si", cross, normals) >= SAME_WAY * area
        sides = (one**2).sum(axis=2) + (two**2).sum(axis=2) + ((two - one) ** 2).sum(axis=2)
        shape = np.where(beside, 1.0, np.where(facing, area / np.maximum(sides, 1e-30), 0.0)).min(axis=1)
        touches = _keys(ahead, np.broadcast_to(to[:, None], ahead.shape), len(rings.start) - 1)
        there = edges[np.minimum(np.searchsorted(edges, touches), len(edges) - 1)] == touches
        shape[(there & ~_near(ahead, behind, to)).any(axis=1)] = 0.0
        better = shape > best
        best[better], found[better] = shape[better], to[better]
    return found


def _near(ahead: Ints, behind: Ints, to: Ints) -> Bools:
    """(s, size) which of the neighbours are `to` or share an edge with it already, being next to it in the ring."""
    after = np.where(ahead == to[:, None], behind, -1).max(axis=1)
    return np.asarray((ahead == to[:, None]) | (behind == to[:, None]) | (ahead == after[:, None]))
