"""Self-intersections of a triangle mesh: all pairs of triangles that cross, fold or touch.

Broad phase: a binary tree of boxes over the triangles in Morton order, walked level by level with whole arrays. Most
pairs that it leaves are neighbours. They are dismissed a vertex at a time: when the triangles round a vertex, seen
along its normal, all face the viewer and go round exactly once, no two of them cross. Narrow phase: separating axes
(Gottschalk, Lin and Manocha, "OBBTree", SIGGRAPH 1996; Ericson, "Real-time collision detection", 2005, 5.2.10).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

BATCH = 200_000
"""Pairs tested at once in the narrow phase: bounds the memory."""

MOST_CELLS = 200
"""So many cells along each axis of the coarse grid at the most."""

SPLIT_LEVEL = 6
"""Level of the tree at which the walk is divided among threads."""


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
    whole = np.flatnonzero((np.diff(np.sort(triangles, axis=1), axis=1) != 0).all(axis=1)).astype(np.int32)
    if len(whole) < len(triangles):
        return whole[self_intersections(vertices, triangles[whole])]
    if len(triangles) < 2:
        return np.empty((0, 2), np.int32)
    corners = vertices[triangles]
    first, second = _overlapping_boxes(corners)
    shared = _shared_count(triangles[first], triangles[second])
    calm = calm_vertices(vertices, triangles)
    restless = np.asarray(~calm[triangles].all(axis=1))
    near_restless = restless[first] & restless[second]
    found = [_crossing(corners, first, second, shared == 0)]
    found.append(_at_vertex(corners, triangles, first, second, (shared == 1) & near_restless, calm))
    found.append(_at_edge(corners, triangles, first, second, (shared == 2) & near_restless, calm))
    found.append(np.column_stack([first, second])[shared == 3])
    pairs = np.sort(np.concatenate(found), axis=1)
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
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    units = normals / np.where(lengths > 0, lengths, 1.0)
    n = len(vertices)
    flat = triangles.ravel()
    mean: Array = np.column_stack([np.bincount(flat, np.repeat(units[:, axis], 3), n) for axis in range(3)]).astype(
        float
    )
    facing = np.ones(n, dtype=bool)
    turn = np.zeros(n)
    for corner in range(3):
        at = triangles[:, corner]
        direction = mean[at]
        facing[at[np.einsum("ij,ij->i", units, direction) <= 1e-3 * np.linalg.norm(direction, axis=1)]] = False
        one = corners[:, (corner + 1) % 3] - corners[:, corner]
        two = corners[:, (corner + 2) % 3] - corners[:, corner]
        turn += np.bincount(at, _projected_angle(one, two, direction), n)
    return np.asarray(facing & (np.abs(turn - 2 * np.pi) < 1e-6))


def _projected_angle(one: Array, two: Array, axis: Array) -> Array:
    """Angle from `one` to `two`, both projected along `axis`."""
    square = np.einsum("ij,ij->i", axis, axis)
    square = np.where(square > 0, square, 1.0)
    along = np.einsum("ij,ij->i", one, axis) * np.einsum("ij,ij->i", two, axis) / square
    cosine = np.einsum("ij,ij->i", one, two) - along
    sine = np.einsum("ij,ij->i", np.cross(one, two), axis) / np.sqrt(square)
    return np.asarray(np.arctan2(sine, cosine))


def _overlapping_boxes(corners: Array) -> tuple[Ints, Ints]:
    """All pairs of triangles whose boxes overlap, each pair once."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    order = np.argsort(_morton((low + high) / 2), kind="stable").astype(np.int32)
    levels = int(np.ceil(np.log2(len(order))))
    tree = _tree(low[order], high[order], levels)
    pairs = (np.empty(0, np.int32), np.empty(0, np.int32))
    split = min(SPLIT_LEVEL, levels)
    for level in range(1, split + 1):
        pairs = _next_level(tree, pairs, np.arange(1 << level, 2 << level, 2, dtype=np.int32))
    first, second = _below(tree, pairs, split, levels)
    base = 1 << levels
    return order[first - base], order[second - base]


def _below(tree: list[NDArray[np.float32]], pairs: tuple[Ints, Ints], split: int, levels: int) -> tuple[Ints, Ints]:
    """Walk the rest of the tree in two threads: which pair goes to which does not change the outcome."""

    def walk(part: int) -> tuple[Ints, Ints]:
        mine = (pairs[0][part::2], pairs[1][part::2])
        for level in range(split + 1, levels + 1):
            start, half = 1 << level, 1 << (level - 1)
            siblings = np.arange(start + part * half, start + (part + 1) * half, 2, dtype=np.int32)
            mine = _next_level(tree, mine, siblings)
        return mine

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(walk, (0, 1))
    return np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]])


def _tree(low: Array, high: Array, levels: int) -> list[NDArray[np.float32]]:
    """Six arrays over the nodes of a full binary tree, root at 1: lowest x, y, z and negated highest x, y, z.

    Rounded outward to float32, so that no overlap is missed. Missing leaves never overlap.
    """
    base = 1 << levels
    columns = []
    for values in (*low.T, *(-high.T)):
        column = np.full(2 * base, np.inf, np.float32)
        column[base : base + len(values)] = np.nextafter(values.astype(np.float32), np.float32(-np.inf))
        for level in range(levels - 1, -1, -1):
            start = 1 << level
            np.minimum(
                column[2 * start : 4 * start : 2], column[2 * start + 1 : 4 * start : 2], out=column[start : 2 * start]
            )
        columns.append(column)
    return columns


def _next_level(tree: list[NDArray[np.float32]], pairs: tuple[Ints, Ints], siblings: Ints) -> tuple[Ints, Ints]:
    """The children of overlapping pairs that overlap themselves, and of each pair of siblings."""
    count = len(pairs[0])
    first = np.empty(4 * count + len(siblings), np.int32)
    second = np.empty_like(first)
    for turn in range(4):
        part = slice(turn * count, (turn + 1) * count)
        np.add(2 * pairs[0], turn >> 1, out=first[part])
        np.add(2 * pairs[1], turn & 1, out=second[part])
    first[4 * count :] = siblings
    second[4 * count :] = siblings + 1
    for axis in range(3):
        low, high = tree[axis], tree[axis + 3]
        keep = low[first] + high[second] <= 0
        keep &= low[second] + high[first] <= 0
        first, second = first[keep], second[keep]
    return first, second


def _morton(centres: Array) -> NDArray[np.uint64]:
    """(m,) place on a space-filling curve with 1024 steps along each axis (Morton 1966)."""
    low = centres.min(axis=0)
    scale = max(float((centres.max(axis=0) - low).max()), 1e-30)
    steps = ((centres - low) / scale * 1023).astype(np.uint64)
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        steps = (steps | (steps << np.uint64(shift))) & np.uint64(mask)
    return np.asarray(steps[:, 0] | (steps[:, 1] << np.uint64(1)) | (steps[:, 2] << np.uint64(2)))


def _shared_count(one: Ints, two: Ints) -> NDArray[np.int8]:
    count = np.zeros(len(one), np.int8)
    for i in range(3):
        for j in range(3):
            count += one[:, i] == two[:, j]
    return count


def _crossing(corners: Array, first: Ints, second: Ints, chosen: Bools) -> Ints:
    a, b = first[chosen], second[chosen]
    hit = _meet(corners, a, b)
    return np.column_stack([a[hit], b[hit]])


def _meet(corners: Array, a: Ints, b: Ints) -> Bools:
    parts = [
        _overlap(corners[a[start : start + BATCH]], corners[b[start : start + BATCH]])
        for start in range(0, len(a), BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0, bool)


def _at_vertex(corners: Array, triangles: Ints, first: Ints, second: Ints, chosen: Bools, calm: Bools) -> Ints:
    """Two triangles with one common vertex meet elsewhere too when an edge opposite of it meets the other triangle."""
    a, b = first[chosen], second[chosen]
    same = triangles[a][:, :, None] == triangles[b][:, None, :]
    at_a, at_b = same.any(axis=2).argmax(axis=1), same.any(axis=1).argmax(axis=1)
    restless = ~calm[triangles[a, at_a]]
    a, b, at_a, at_b = a[restless], b[restless], at_a[restless], at_b[restless]
    hit = _overlap(_opposite(corners[a], at_a), corners[b]) | _overlap(_opposite(corners[b], at_b), corners[a])
    return np.column_stack([a[hit], b[hit]])


def _opposite(corners: Array, at: NDArray[np.int64]) -> Array:
    """(k, 3, 3) the edge opposite of corner `at`, as a triangle without area."""
    rows = np.arange(len(at))
    one, two = corners[rows, (at + 1) % 3], corners[rows, (at + 2) % 3]
    return np.stack([one, two, two], axis=1)


def _at_edge(corners: Array, triangles: Ints, first: Ints, second: Ints, chosen: Bools, calm: Bools) -> Ints:
    """Two triangles with a common edge overlap when they are folded flat onto each other."""
    a, b = first[chosen], second[chosen]
    common = (triangles[a][:, :, None] == triangles[b][:, None, :]).any(axis=2)
    restless = ~(calm[triangles[a]] & common).any(axis=1)
    a, b, common = a[restless], b[restless], common[restless]
    free_a = corners[a][~common]
    other = (triangles[b][:, :, None] == triangles[a][:, None, :]).any(axis=2)
    free_b = corners[b][~other]
    edge = corners[a][common].reshape(-1, 2, 3)
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
