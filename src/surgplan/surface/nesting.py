"""Which shells of a mesh lie within which others: decided by rays, not by boxes.

A box says too little: a tumour in the middle of an open ring, or in a skull whose cavity has an opening, lies in the
other's box and outside of its solid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

POINTS = 3
"""Places of each shell that are looked at: where shells cross, the middle answer counts."""

ROWS = 256
"""The points are sorted into so many rows along y, and along x within each."""

AT_ONCE = 1 << 16
"""So many triangles are looked at together."""

CLOSE = 1e-9
"""Sorting may err by this share of a row; what is met is decided exactly afterwards."""

MOST_OPEN = 1000
"""A mesh with more open shells is a soup: nothing is said to lie within any of them."""


class Nesting(NamedTuple):
    """Pairs of shells, (k,) each: `outer` winds `times` round `inner`, never 0.

    A closed shell that faces outward winds once round what it encloses, one that faces inward −1 times.
    """

    inner: Longs
    outer: Longs
    times: Longs

    def depth(self, count: int) -> Longs:
        """(count,) how often all the other shells together wind round each."""
        return np.bincount(self.inner, self.times, count).astype(np.int64)


def nesting(vertices: Array, triangles: Ints, body: Ints, watertight: bool) -> Nesting:
    """How the shells of a mesh lie in each other; `body` (m,) is the shell of each triangle, numbered from 0.

    From points on each shell a ray goes along +z; the triangles of every other shell that it passes count by the side
    that they turn to it. A corner or edge on the ray counts for exactly one of its triangles. A ray may leave an open
    shell where it is open: of those, only the box tells. `watertight` says that there are none.

    Source: Hormann and Agathos, "The point in polygon problem for arbitrary polygons", Computational Geometry 20, 2001.
    """
    count = int(body.max()) + 1
    if count == 1:
        return _NONE
    by_rays = _by_rays(vertices, triangles, body, count)
    if watertight:
        return by_rays
    open_ = _open(vertices, triangles, body, count)
    closed = ~open_[by_rays.outer]
    by_rays = Nesting(*(each[closed] for each in by_rays))
    by_boxes = _by_boxes(vertices, triangles, body, count, np.flatnonzero(open_))
    return Nesting(*(np.concatenate(both) for both in zip(by_rays, by_boxes, strict=True)))


_NONE = Nesting(*(np.empty(0, np.int64) for _ in range(3)))


def _open(vertices: Array, triangles: Ints, body: Ints, count: int) -> NDArray[np.bool_]:
    """(count,) which shells have an edge with an odd number of triangles."""
    start, end = triangles.ravel().astype(np.int64), np.roll(triangles, -1, axis=1).ravel().astype(np.int64)
    key = np.minimum(start, end) * len(vertices) + np.maximum(start, end)
    _, first, uses = np.unique(key, return_index=True, return_counts=True)
    open_ = np.zeros(count, dtype=bool)
    open_[body[first[uses % 2 == 1] // 3]] = True
    return open_


def _by_boxes(vertices: Array, triangles: Ints, body: Ints, count: int, outers: Longs) -> Nesting:
    """Which shells lie in the boxes of the `outers`, which wind round them as their volume says."""
    if len(outers) > MOST_OPEN:
        return _NONE
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for corner in range(3):
        np.minimum.at(low, body, vertices[triangles[:, corner]])
        np.maximum.at(high, body, vertices[triangles[:, corner]])
    a, b, c = (vertices[triangles[:, corner]] - vertices[triangles[0, 0]] for corner in range(3))
    volumes = np.bincount(body, np.einsum("ij,ij->i", a, np.cross(b, c)), count)
    found = [np.flatnonzero(((low > low[outer]) & (high < high[outer])).all(axis=1)) for outer in outers]
    sizes = np.array([len(each) for each in found], np.int64)
    times = np.where(volumes[outers] < 0, -1, 1)
    return Nesting(np.concatenate([*found, np.empty(0, np.int64)]), np.repeat(outers, sizes), np.repeat(times, sizes))


def _by_rays(vertices: Array, triangles: Ints, body: Ints, count: int) -> Nesting:
    points = _points(vertices, triangles, body, count)
    found = [_passed(vertices, triangles, body, points, *pairs) for pairs in _below(vertices, triangles, points)]
    point, outer, sign = (np.concatenate(each) for each in zip(*found, strict=True))
    ray, where = np.unique(point * count + outer, return_inverse=True)
    wound = np.bincount(where, sign, len(ray)).astype(np.int64)
    point, outer = np.divmod(ray, count)
    pair, which = np.unique(point // POINTS * count + outer, return_inverse=True)
    answers = np.zeros((len(pair), POINTS), np.int64)
    answers[which, point % POINTS] = wound
    times = np.sort(answers, axis=1)[:, POINTS // 2]
    inner, outer = np.divmod(pair[times != 0], count)
    return Nesting(inner, outer, times[times != 0])


def _points(vertices: Array, triangles: Ints, body: Ints, count: int) -> Array:
    """(count · POINTS, 3) mm: middles of triangles of each shell, spread by number."""
    order = np.argsort(body, kind="stable")
    starts = np.searchsorted(body[order], np.arange(count + 1))
    share = (np.arange(POINTS) + 0.5) / POINTS
    chosen = order[(starts[:-1, None] + np.diff(starts)[:, None] * share).astype(np.int64)]
    return np.asarray(vertices[triangles[chosen.ravel()]].mean(axis=1))


def _below(vertices: Array, triangles: Ints, points: Array) -> Iterator[tuple[Longs, Longs]]:
    """Pairs of a point and a triangle whose ends along x and y have the point between them."""
    low = points[:, :2].min(axis=0)
    size = np.maximum(points[:, :2].max(axis=0) - low, np.finfo(np.float32).tiny)
    across, rows = (points[:, 0] - low[0]) / size[0] / 2, (points[:, 1] - low[1]) / size[1] * (ROWS - 1)
    order = np.lexsort((across, rows.astype(np.int64)))
    key = (rows.astype(np.int64) + across)[order]
    for start in range(0, len(triangles), AT_ONCE):
        corners = (vertices[triangles[start : start + AT_ONCE], :2] - low) / size
        (west, south), (east, north) = corners.min(axis=1).T, corners.max(axis=1).T
        near = np.flatnonzero((east >= 0) & (west <= 1) & (north >= 0) & (south <= 1))
        first, last = (np.clip(ends[near], 0, 1) * (ROWS - 1) for ends in (south, north))
        first, last = np.maximum(first - CLOSE, 0).astype(np.int64), (last + CLOSE).astype(np.int64)
        triangle, row = _spread(near, first, last - first + 1)
        begin = np.searchsorted(key, row + np.clip(west[triangle], 0, 1) / 2 - CLOSE, "left")
        end = np.searchsorted(key, row + np.clip(east[triangle], 0, 1) / 2 + CLOSE, "right")
        triangle, place = _spread(triangle, begin, end - begin)
        yield order[place], triangle + start


def _spread(what: Longs, first: Longs, sizes: Longs) -> tuple[Longs, Longs]:
    """Each of `what` as often as its size says, beside the numbers that count up from its first one."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(what, sizes), np.arange(int(sizes.sum())) - np.repeat(before - first, sizes)


def _passed(
    vertices: Array, triangles: Ints, body: Ints, points: Array, point: Longs, triangle: Longs
) -> tuple[Longs, Longs, Longs]:
    """Of the pairs, those whose triangle, of another shell, is on the ray: point, shell, +1 where the ray leaves it."""
    other = point // POINTS != body[triangle]
    point, triangle = point[other], triangle[other]
    x, y, z = points[point].T
    turns, weights = np.zeros(len(point), np.int64), np.empty((3, len(point)))
    for corner in range(3):
        one, two = triangles[triangle, corner], triangles[triangle, (corner + 1) % 3]
        swapped = one > two  # an edge gives the same number for both of its triangles
        start, end = vertices[np.where(swapped, two, one)], vertices[np.where(swapped, one, two)]
        left = (end[:, 0] - start[:, 0]) * (y - start[:, 1]) - (end[:, 1] - start[:, 1]) * (x - start[:, 0])
        up = (start[:, 1] <= y) & (end[:, 1] > y) & (left > 0)
        down = (start[:, 1] > y) & (end[:, 1] <= y) & (left < 0)
        sign = np.where(swapped, -1, 1)
        turns += sign * (up.astype(np.int64) - down)
        weights[(corner + 2) % 3] = sign * left
    on = np.flatnonzero(turns)
    share = weights[:, on] / weights[:, on].sum(axis=0)
    height = np.einsum("cn,nc->n", share, vertices[triangles[triangle[on]], 2])
    on = on[height > z[on]]
    return point[on], body[triangle[on]].astype(np.int64), turns[on]
