"""A large closed mesh cut into parts that can be simplified apart and put together again without a gap.

The border of each part is closed by a tent: triangles from each border edge to one point. Each of them counts as a face
of its own, and the simplifier keeps all edges between faces, so that the border stays as it is, vertex by vertex.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

TENT_MM = 20.0
"""How far the tents' tops lie beyond the part's end: no tent is flat then."""

MENDING = 20
"""How often triangles change sides to make the cut simple, before cutting is given up."""

MOST_SLIVERS = 12
"""So many slivers in a row are given back at the most."""


class CannotBeCut(ValueError):
    """The mesh is too tangled where it would be cut: take it whole."""


@dataclass(frozen=True)
class Part:
    """An open piece of a mesh, closed by tents.

    `vertices` (n, 3) mm in float32, the tents' tops last; `triangles` (m, 3); `faces` (m,) is 0 for the mesh's own
    triangles, and tells those of the tents apart. `border` (b, 2) are its edges, as its own triangles run along them.
    """

    vertices: Floats
    triangles: NDArray[np.uint32]
    faces: NDArray[np.uint32]
    border: Ints

    @property
    def border_points(self) -> Floats:
        """(b, 3) the vertices that the part shares with others; every border line is closed."""
        return self.vertices[self.border[:, 0]]


def parted(vertices: Array, triangles: Ints, count: int, least_mm: float) -> list[Part]:
    """Cut a closed mesh across its longest side into `count` parts with about as many triangles each.

    No border edge is shorter than `least_mm`: the simplifier takes away edges shorter than its step wherever they are.

    Raises
    ------
    CannotBeCut
        The mesh is too tangled there.
    """
    axis = int(np.argmax([np.ptp(column) for column in vertices.T]))
    middle = vertices[triangles[:, 0], axis]
    ends = np.quantile(middle[::16], np.arange(1, count) / count)
    where = np.searchsorted(ends, middle).astype(np.int8)
    points = vertices.astype(np.float32)
    some = points[triangles[:: max(1, len(triangles) // 1000)]]
    edge = float(np.abs(some[:, 0] - some[:, 1]).max())
    zone = np.flatnonzero(np.abs(middle[:, None] - ends).min(axis=1) < 1.5 * MENDING * edge)
    lines = _simple_cut(where, zone, points, triangles, count, least_mm)
    return [_tented(points, triangles[where == part], lines[part]) for part in range(count)]


def cut_out(vertices: Floats, triangles: Ints, chosen: Bools, least_mm: float) -> tuple[Part, Ints]:
    """About the chosen triangles of a closed mesh as a part, and the remaining triangles; else as `parted`."""
    where = (~chosen).astype(np.int8)
    line = _simple_cut(where, np.arange(len(triangles)), vertices, triangles, 2, least_mm)[0]
    return _tented(vertices, triangles[where == 0], line), triangles[where == 1]


def _simple_cut(
    where: NDArray[np.int8], zone: NDArray[np.int64], vertices: Floats, triangles: Ints, count: int, least_mm: float
) -> list[Ints]:
    """Border edges, (b, 2), of each part in their triangles' direction.

    `where`, the part of each triangle, is changed until each border vertex lies on just one border line of each part
    and no border edge is short. Only triangles of the zone are looked at.
    """
    faces, sides = triangles[zone], where[zone]
    for _ in range(MENDING):
        shared = _shared_vertices(sides, faces, len(vertices), count)
        near = np.flatnonzero(touching(faces, shared))
        lines = [_border_edges(faces[near[sides[near] == part]], shared) for part in range(count)]
        bad = np.zeros(len(vertices), dtype=bool)
        for line in lines:
            bad |= np.bincount(line.ravel(), minlength=len(vertices)) > 2
            bad[line[np.linalg.norm(vertices[line[:, 0]] - vertices[line[:, 1]], axis=1) < least_mm]] = True
        if not bad.any():
            where[zone] = sides
            return lines
        among = touching(faces, bad)
        sides[among] = sides[among].min()
    raise CannotBeCut("the mesh is too tangled where it would be cut")


def touching(triangles: Ints, chosen: Bools) -> Bools:
    """(m,) the triangles with a chosen vertex."""
    a, b, c = triangles.T
    return np.asarray(chosen[a] | chosen[b] | chosen[c])


def _shared_vertices(where: NDArray[np.int8], triangles: Ints, vertices: int, count: int) -> Bools:
    """(n,) the vertices that triangles of several parts have."""
    parts = np.zeros(vertices, dtype=np.int8)
    for part in range(count):
        there = np.zeros(vertices, dtype=np.int8)
        there[triangles[where == part]] = 1
        parts += there
    return np.asarray(parts > 1)


def _border_edges(triangles: Ints, shared: Bools) -> Ints:
    """(b, 2) edges between shared vertices that only one of the triangles, all that touch the border, has."""
    start = triangles.astype(np.int64).ravel()
    end = np.roll(triangles, -1, axis=1).astype(np.int64).ravel()
    along = shared[start] & shared[end]
    start, end = start[along], end[along]
    key = np.minimum(start, end) * len(shared) + np.maximum(start, end)
    _, inverse, uses = np.unique(key, return_inverse=True, return_counts=True)
    alone = uses[inverse] == 1
    return np.column_stack([start[alone], end[alone]]).astype(np.int32)


def _tented(vertices: Floats, triangles: Ints, line: Ints) -> Part:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    taken = np.zeros(len(vertices), dtype=bool)
    taken[triangles] = True
    number = (np.cumsum(taken) - 1).astype(np.int32)
    points = vertices[taken]
    start, end = number[line[:, 0]], number[line[:, 1]]
    size = len(points)
    graph = coo_matrix((np.ones(len(line), np.int8), (start, end)), shape=(size, size))
    loop = np.unique(connected_components(graph, directed=False)[1][start], return_inverse=True)[1].astype(np.int32)
    tops = np.column_stack([np.bincount(loop, points[start, axis]) / np.bincount(loop) for axis in range(3)])
    tops += TENT_MM * _away(points, start, end, loop, tops)
    tents = np.column_stack([end, start, size + loop])
    faces = np.concatenate([np.zeros(len(triangles), np.uint32), np.arange(1, len(tents) + 1, dtype=np.uint32)])
    whole = np.concatenate([number[triangles], tents]).astype(np.uint32)
    return Part(np.concatenate([points, tops.astype(np.float32)]), whole, faces, np.column_stack([start, end]))


def _away(points: Floats, start: Ints, end: Ints, loop: Ints, tops: Array) -> Array:
    """(loops, 3) unit normals of the border lines, so that the tents' tops do not lie in their planes."""
    turn = np.cross(points[start] - tops[loop], points[end] - tops[loop])
    normal = np.column_stack([np.bincount(loop, turn[:, axis]) for axis in range(3)])
    return np.asarray(-normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12))


def opened(part: Part, vertices: Floats, triangles: Ints, faces: NDArray[np.uint32]) -> tuple[Floats, Ints]:
    """The part after simplifying, without its tents.

    The simplifier may have flipped the edge between a sliver of the part and a tent, so that the tent has got hold of
    the sliver: the part is given it back.

    Raises
    ------
    CannotBeCut
        The border has changed.
    """
    own = triangles[faces == 0]
    taken = np.zeros(len(vertices), dtype=bool)
    taken[own] = True
    number = (np.cumsum(taken) - 1).astype(np.int32)
    points, own = vertices[taken], number[own]
    keys = _keys(points)
    order = np.argsort(keys)
    wanted = _keys(part.vertices[part.border.ravel()])
    at = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    if not np.array_equal(keys[order[at]], wanted):
        raise CannotBeCut("a border vertex was lost")
    expected = order[at].reshape(-1, 2).astype(np.int32)
    return points, np.concatenate(
        [own, _slivers(_border_edges(own, np.ones(len(points), bool)), expected, len(points))]
    )


def _slivers(found: Ints, expected: Ints, vertices: int) -> Ints:
    """(k, 3) triangles between the border as it was found and as it should be."""
    has, wants = (edges[:, 0].astype(np.int64) * vertices + edges[:, 1] for edges in (found, expected))
    extra, missing = found[~np.isin(has, wants)], expected[~np.isin(wants, has)]
    after = dict(extra.tolist())
    triangles = []
    for start, end in missing.tolist():
        path = [start]
        while path[-1] != end and len(path) < MOST_SLIVERS and path[-1] in after:
            path.append(after.pop(path[-1]))
        if path[-1] != end:
            raise CannotBeCut("the border has changed")
        triangles += [(start, here, before) for before, here in pairwise(path[1:])]
    if after:
        raise CannotBeCut("the border has changed")
    return np.array(triangles, dtype=np.int32).reshape(-1, 3)


def put_together(parts: list[tuple[Floats, Ints]], border: Floats) -> tuple[Floats, Ints, Bools]:
    """One mesh from open ones that share the vertices `border`, (b, 3); also which vertices lie on a seam.

    Raises
    ------
    CannotBeCut
        A border vertex has gone, or two lie in one place: the parts do not fit.
    """
    keys = _keys(border)
    known, expected = np.unique(keys, return_counts=True)
    vertices = np.concatenate([points for points, _ in parts])
    on_seam = np.isin(_keys(vertices), known)
    found, first, same = np.unique(_keys(vertices[on_seam]), return_index=True, return_inverse=True)
    uses = np.bincount(same)
    if len(found) != len(known) or not np.array_equal(uses, expected):
        raise CannotBeCut("the parts do not fit together")
    target = np.arange(len(vertices), dtype=np.int32)
    seam = np.flatnonzero(on_seam)
    target[seam] = seam[first[same]]
    shift = np.cumsum([0, *(len(points) for points, _ in parts)])
    faces = np.concatenate([triangles + start for (_, triangles), start in zip(parts, shift, strict=False)])
    faces = target[faces]
    kept = np.zeros(len(vertices), dtype=bool)
    kept[faces] = True
    number = (np.cumsum(kept) - 1).astype(np.int32)
    return vertices[kept], number[faces], on_seam[kept]


def _keys(points: Floats) -> NDArray[np.void]:
    """(n,) the bytes of each point: equal only for points equal to the last bit."""
    plain = np.ascontiguousarray(points) + np.float32(0)  # minus zero becomes zero
    return plain.view(np.dtype((np.void, plain.itemsize * 3))).ravel()
