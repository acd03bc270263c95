"""Self-intersections of a triangle mesh: all pairs of triangles that cross, fold or touch.

Broad phase: a binary tree of boxes over the triangles in Morton order, walked branch by branch, each level by level
with whole arrays. Most pairs that it leaves are neighbours. They are dismissed a vertex at a time: when the triangles
round a vertex, seen along its normal, all face the viewer and go round exactly once, no two of them cross. Narrow
phase: separating axes
(Gottschalk, Lin and Manocha, "OBBTree", SIGGRAPH 1996; Ericson, "Real-time collision detection", 2005, 5.2.10).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

MOST_CELLS = 200
"""So many cells along each axis of the coarse grid at the most."""

BRANCH = 14
"""Levels below a node of the tree that are walked to the end at once: bounds the memory, and stays in the cache."""

AT_ONCE = 1 << 14
"""Triangles that are measured at once."""

Boxes = list[NDArray[np.float32]]
"""Lowest x, y, z and negated highest x, y, z of the nodes of one level of the tree."""


@dataclass(frozen=True)
class _Mesh:
    """Vertices (n, 3) mm and triangles (m, 3); which vertices are calm, and which triangles have one that is not."""

    vertices: Array
    triangles: Ints
    calm: Bools
    restless: Bools

    def corners(self, chosen: Ints | slice) -> Array:
        """(k, 3, 3) mm."""
        return np.take(self.vertices, self.triangles[chosen], axis=0)


def self_intersections(vertices: Array, triangles: Ints) -> Ints:
    """(k, 2) pairs of triangles that have more in common than the vertices that they share, sorted.

    Parameters
    ----------
    vertices:
        (n, 3) mm.
    triangles:
        (m, 3) vertex indices. Vertices count as shared by index, so the mesh must be welded. Triangles that name a
        vertex twice are left out.
    """
    a, b, c = triangles.T
    whole = np.flatnonzero((a != b) & (b != c) & (c != a)).astype(np.int32)
    if len(whole) < len(triangles):
        return whole[self_intersections(vertices, triangles[whole])]
    if len(triangles) < 2:
        return np.empty((0, 2), np.int32)
    calm = calm_vertices(vertices, triangles)
    mesh = _Mesh(vertices, triangles, calm, ~_all_corners(calm, triangles))
    order, tree = _tree(mesh)

    def crossing(branch: tuple[Ints, Ints, Ints]) -> Ints:
        first, second = _walked(tree[BRANCH - 1 :: -1], *branch)
        return _crossing(mesh, np.take(order, first), np.take(order, second))

    with ThreadPoolExecutor(2) as pool:
        pairs = np.sort(np.concatenate(list(pool.map(crossing, _branches(tree)))), axis=1)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], dtype=np.int32)


def intersections_after(vertices: Array, triangles: Ints, before: Ints, changed: Bools) -> Ints:
    """The same as `self_intersections`, when only the `changed` triangles, (m,), lie elsewhere than `before` was found.

    Only they and what lies near them are looked at.
    """
    if not changed.any():
        return before
    some = np.asarray(changed | _near(vertices[triangles], changed))
    number = np.flatnonzero(some).astype(np.int32)
    found = number[self_intersections(vertices, triangles[some])]
    apart = before[~some[before].all(axis=1)]
    pairs = np.concatenate([found, apart])
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], dtype=np.int32)


def _near(corners: Array, chosen: Bools) -> Bools:
    """(m,) at least the triangles whose boxes overlap that of a chosen one, and few more: those in the same cells.

    The cells of a coarse grid are as large as the largest chosen triangle, at least.
    """
    low, high = corners.min(axis=1), corners.max(axis=1)
    start, end = low[chosen].min(axis=0), high[chosen].max(axis=0)
    around = np.flatnonzero(((low <= end) & (high >= start)).all(axis=1))
    edge = max(float((high - low)[chosen].max()), float((end - start).max()) / MOST_CELLS, 1e-30)
    taken = np.zeros((np.floor((end - start) / edge).astype(int) + 1), dtype=bool)
    for corner in range(8):  # no chosen box is larger than a cell, so its corners lie in all the cells that it touches
        take = np.array([corner & 1, corner >> 1 & 1, corner >> 2], dtype=bool)
        taken[tuple(_cells(np.where(take, high, low)[chosen], start, edge, taken.shape).T)] = True
    near = np.zeros(len(corners), dtype=bool)
    first, last = (_cells(ends[around], start, edge, taken.shape) for ends in (low, high))
    small = (last - first).max(axis=1) <= 1
    near[around[~small]] = True
    for corner in range(8):
        take = np.array([corner & 1, corner >> 1 & 1, corner >> 2], dtype=bool)
        cell = np.where(take, last[small], first[small])
        near[around[small]] |= taken[tuple(cell.T)]
    return near


def _cells(points: Array, start: Array, edge: float, shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.clip(np.floor((points - start) / edge), 0, np.array(shape) - 1).astype(np.int64)


def calm_vertices(vertices: Array, triangles: Ints) -> Bools:
    """(n,) vertices whose triangles, projected along the mean normal, surround it exactly once without folding."""
    n, parts = len(vertices), [slice(start, start + AT_ONCE) for start in range(0, len(triangles), AT_ONCE)]
    units = np.empty((len(triangles), 3))
    for part in parts:
        a, b, c = np.take(vertices, triangles[part], axis=0).transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        units[part] = normals / np.where(lengths > 0, lengths, 1.0)
    flat = triangles.ravel()
    mean: Array = np.column_stack([np.bincount(flat, np.repeat(units[:, axis], 3), n) for axis in range(3)]).astype(
        float
    )
    facing, turn, angle = np.ones(n, dtype=bool), np.zeros(n), np.empty(len(triangles))
    for corner in range(3):
        for part in parts:
            at, one, two = (triangles[part, (corner + step) % 3] for step in range(3))
            direction, here = np.take(mean, at, axis=0), np.take(vertices, at, axis=0)
            away = np.einsum("ij,ij->i", units[part], direction) <= 1e-3 * np.linalg.norm(direction, axis=1)
            facing[at[away]] = False
            to_one, to_two = np.take(vertices, one, axis=0) - here, np.take(vertices, two, axis=0) - here
            angle[part] = _projected_angle(to_one, to_two, direction)
        turn += np.bincount(triangles[:, corner], angle, n)
    return np.asarray(facing & (np.abs(turn - 2 * np.pi) < 1e-6))


def _all_corners(vertices: Bools, triangles: Ints) -> Bools:
    """(m,) triangles of which all corners are chosen."""
    a, b, c = (np.take(vertices, triangles[:, corner]) for corner in range(3))
    return np.asarray(a & b & c)


def _projected_angle(one: Array, two: Array, axis: Array) -> Array:
    """Angle from `one` to `two`, both projected along `axis`."""
    square = np.einsum("ij,ij->i", axis, axis)
    square = np.where(square > 0, square, 1.0)
    along = np.einsum("ij,ij->i", one, axis) * np.einsum("ij,ij->i", two, axis) / square
    cosine = np.einsum("ij,ij->i", one, two) - along
    sine = np.einsum("ij,ij->i", np.cross(one, two), axis) / np.sqrt(square)
    return np.asarray(np.arctan2(sine, cosine))


def _tree(mesh: _Mesh) -> tuple[Ints, list[Boxes]]:
    """The triangles in the order of the leaves, and all levels of a binary tree over their boxes, leaves first.

    Node `n` of a level has the children `2 n` and `2 n + 1` of the one before. Boxes are rounded outward to float32, so
    that no overlap is missed. A level of odd length has one node more, which overlaps nothing and has no children.
    """
    boxes = np.empty((6, len(mesh.triangles)), np.float32)
    for start in range(0, len(mesh.triangles), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        a, b, c = mesh.corners(part).transpose(1, 2, 0)
        ends = *np.minimum(np.minimum(a, b), c), *-np.maximum(np.maximum(a, b), c)
        boxes[:, part] = np.nextafter(np.array(ends).astype(np.float32), np.float32(-np.inf))
    order = np.argsort(_morton(boxes[:3] - boxes[3:]), kind="stable").astype(np.int32)
    level = [np.take(column, order) for column in boxes]
    tree = []
    while len(level[0]) > 1:
        if len(level[0]) % 2:
            level = [np.append(column, np.float32(np.inf)) for column in level]
        tree.append(level)
        level = [np.minimum(column[::2], column[1::2]) for column in level]
    return order, tree


def _branches(tree: list[Boxes]) -> list[tuple[Ints, Ints, Ints]]:
    """Pairs of nodes that overlap, `BRANCH` levels above the leaves, and nodes; in as many pieces as nodes."""
    nodes, first, second = np.zeros(1, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)
    for level in tree[: BRANCH - 1 : -1]:
        first, second = _next_level(level, first, second, nodes)
        nodes = np.arange(len(level[0]), dtype=np.int32)
        nodes = nodes[np.isfinite(level[0])]
    return [
        (first[node :: len(nodes)], second[node :: len(nodes)], nodes[node : node + 1]) for node in range(len(nodes))
    ]


def _walked(levels: list[Boxes], first: Ints, second: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """Pairs of leaves that overlap, of which one lies below a first and one below its second, or both below a node."""
    for level in levels:
        first, second = _next_level(level, first, second, nodes)
        nodes = np.concatenate([2 * nodes, 2 * nodes + 1])
        nodes = nodes[np.isfinite(np.take(level[0], nodes))]
    return first, second


def _next_level(level: Boxes, one: Ints, two: Ints, nodes: Ints) -> tuple[Ints, Ints]:
    """The children, in `level`, of overlapping pairs that overlap themselves, and of each node both children."""
    count = len(one)
    first = np.empty(4 * count + len(nodes), np.int32)
    second = np.empty_like(first)
    for turn in range(4):
        part = slice(turn * count, (turn + 1) * count)
        np.add(2 * one, turn >> 1, out=first[part])
        np.add(2 * two, turn & 1, out=second[part])
    first[4 * count :] = 2 * nodes
    second[4 * count :] = 2 * nodes + 1
    for axis in range(3):
        low, high = level[axis], level[axis + 3]
        keep = np.take(low, first) + np.take(high, second) <= 0
        keep &= np.take(low, second) + np.take(high, first) <= 0
        first, second = first[keep], second[keep]
    return first, second


def _morton(centres: NDArray[np.float32]) -> NDArray[np.uint32]:
    """(m,) place on a space-filling curve with 1024 steps along each axis (Morton 1966); centres are (3, m)."""
    low = centres.min(axis=1, keepdims=True)
    scale = max(float((centres.max(axis=1, keepdims=True) - low).max()), 1e-30)
    steps = ((centres - low) * np.float32(1023 / scale)).astype(np.uint32)
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        steps = (steps | (steps << np.uint32(shift))) & np.uint32(mask)
    return np.asarray(steps[0] | (steps[1] << np.uint32(1)) | (steps[2] << np.uint32(2)))


def _shared_count(one: Ints, two: Ints) -> NDArray[np.int8]:
    count = np.zeros(len(one), np.int8)
    for i in range(3):
        for j in range(3):
            count += one[:, i] == two[:, j]
    return count


def _crossing(mesh: _Mesh, first: Ints, second: Ints) -> Ints:
    """(k, 2) those of the pairs that cross."""
    near_restless = np.take(mesh.restless, first) & np.take(mesh.restless, second)
    shared = _shared_count(np.take(mesh.triangles, first, axis=0), np.take(mesh.triangles, second, axis=0))
    apart, at_vertex, at_edge = shared == 0, (shared == 1) & near_restless, (shared == 2) & near_restless
    found = [_apart(mesh, first[apart], second[apart])]
    found.append(_at_vertex(mesh, first[at_vertex], second[at_vertex]))
    found.append(_at_edge(mesh, first[at_edge], second[at_edge]))
    found.append(np.column_stack([first, second])[shared == 3])
    return np.concatenate(found)


def _apart(mesh: _Mesh, a: Ints, b: Ints) -> Ints:
    """Two triangles without a common vertex."""
    hit = _overlap(mesh.corners(a), mesh.corners(b))
    return np.column_stack([a[hit], b[hit]])


def _at_vertex(mesh: _Mesh, a: Ints, b: Ints) -> Ints:
    """Two triangles with one common vertex meet elsewhere too when an edge opposite of it meets the other triangle."""
    same = mesh.triangles[a][:, :, None] == mesh.triangles[b][:, None, :]
    at_a, at_b = same.any(axis=2).argmax(axis=1), same.any(axis=1).argmax(axis=1)
    restless = ~mesh.calm[mesh.triangles[a, at_a]]
    a, b, at_a, at_b = a[restless], b[restless], at_a[restless], at_b[restless]
    one, two = mesh.corners(a), mesh.corners(b)
    hit = _overlap(_opposite(one, at_a), two) | _overlap(_opposite(two, at_b), one)
    return np.column_stack([a[hit], b[hit]])


def _opposite(corners: Array, at: NDArray[np.int64]) -> Array:
    """(k, 3, 3) the edge opposite of corner `at`, as a triangle without area."""
    rows = np.arange(len(at))
    one, two = corners[rows, (at + 1) % 3], corners[rows, (at + 2) % 3]
    return np.stack([one, two, two], axis=1)


def _at_edge(mesh: _Mesh, a: Ints, b: Ints) -> Ints:
    """Two triangles with a common edge overlap when they are folded flat onto each other."""
    common = (mesh.triangles[a][:, :, None] == mesh.triangles[b][:, None, :]).any(axis=2)
    restless = ~(mesh.calm[mesh.triangles[a]] & common).any(axis=1)
    a, b, common = a[restless], b[restless], common[restless]
    one, two = mesh.corners(a), mesh.corners(b)
    free_a = one[~common]
    other = (mesh.triangles[b][:, :, None] == mesh.triangles[a][:, None, :]).any(axis=2)
    free_b = two[~other]
    edge = one[common].reshape(-1, 2, 3)
    along = edge[:, 1] - edge[:, 0]
    up, down = np.cross(along, free_a - edge[:, 0]), np.cross(along, free_b - edge[:, 0])
    size = np.linalg.norm(up, axis=1) * np.linalg.norm(down, axis=1)
    flat = np.linalg.norm(np.cross(up, down), axis=1) <= 1e-9 * size
    hit = flat & (np.einsum("ij,ij->i", up, down) >= 0)
    return np.column_stack([a[hit], b[hit]])


def _overlap(one: Array, two: Array) -> Bools:
    """(k,) whether convex corner sets, (k, 3, 3) each, have a point in common: no axis separates them."""
    alive = np.arange(len(one))
    origin = one[:, :1]
    one, two = one - origin, two - origin
    edges_one, edges_two = np.roll(one, -1, axis=1) - one, np.roll(two, -1, axis=1) - two
    normal_one, normal_two = np.cross(edges_one[:, 0], edges_one[:, 1]), np.cross(edges_two[:, 0], edges_two[:, 1])
    parts = [one, two, edges_one, edges_two, normal_one, normal_two]
    for axis_of in _axes():
        axis = axis_of(*parts[2:])
        p, q = (np.einsum("ij,ikj->ik", axis, corners) for corners in parts[:2])
        keep = ~((p.max(axis=1) < q.min(axis=1)) | (q.max(axis=1) < p.min(axis=1)))
        alive = alive[keep]
        parts = [part[keep] for part in parts]
    met = np.zeros(len(one), dtype=bool)
    met[alive] = True
    return met


def _axes() -> list[Callable[[Array, Array, Array, Array], Array]]:
    """Axes that can separate two triangles: normals, crossed edges, and, for coplanar ones, in-plane normals.

    Each is a function of both triangles' edges, (k, 3, 3), and normals, (k, 3). The first may be an edge, which has no
    normal of its own: in the plane of the other triangle its side is where that one's normal says.
    """

    def crossed(i: int, j: int) -> Callable[[Array, Array, Array, Array], Array]:
        return lambda e, f, n, m: np.cross(e[:, i], f[:, j])

    def beside_one(i: int) -> Callable[[Array, Array, Array, Array], Array]:
        return lambda e, f, n, m: np.cross(n, e[:, i])

    def beside_two(i: int) -> Callable[[Array, Array, Array, Array], Array]:
        return lambda e, f, n, m: np.cross(m, f[:, i])

    edges = [crossed(i, j) for i in range(3) for j in range(3)]
    sides = [*map(beside_one, range(3)), *map(beside_two, range(3))]
    return [lambda e, f, n, m: n, lambda e, f, n, m: m, *edges, *sides, lambda e, f, n, m: np.cross(m, e[:, 0])]
