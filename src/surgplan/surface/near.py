"""Where on a mesh very many points lie, all at once: for each a triangle near it, and so a bound on its distance.

A locator finds the nearest triangle of one point after another. Here, triangles are entered in a table by the cells of
space in which they have a point; each point starts from a triangle of its cell and walks from neighbour to neighbour,
as long as that brings it nearer. What it ends with is a point of the mesh, so its distance is never less than the true
one, and nearly always it is that.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgplan.surface.merging import Floats, Ints, usual_edge

AT_ONCE = 1 << 15
"""Points that are looked at at once, in each of two threads: stays in the processor's cache."""

STEPS = 4
"""How often a point may go on to a neighbouring triangle."""

CELL = 2.5
"""Edge of a cell, in distances between neighbouring points, where triangles are larger than these."""

MOST_ALONG = 40
"""Points along a triangle's longest edge that are entered in the table, at the most."""

PRIMES = (73856093, 19349663, 83492791)
"""Of the hash of a cell's indices. Source: Teschner and others, "Optimized spatial hashing for collision detection of
deformable objects", VMV 2003."""


@dataclass(frozen=True)
class Near:
    """For each of n points a triangle, the weights of its corners, (n, 3), at a place of it, and how far that is, mm.

    Points without a triangle have -1 and an infinite distance.
    """

    triangle: Ints
    weights: Floats
    away: Floats


@dataclass(frozen=True)
class Mesh:
    """A closed mesh: vertices (n, 3) mm near the origin, triangles (m, 3)."""

    vertices: Floats
    triangles: Ints

    @cached_property
    def planes(self) -> Floats:
        """(m, 15) of each triangle its first corner, its two edges from there, and what tells a point's weights."""
        a, b, c = (self.vertices[self.triangles[:, corner]].astype(np.float64) for corner in range(3))
        one, two = b - a, c - a
        square, across, other = (np.einsum("ij,ij->i", x, y)[:, None] for x, y in ((one, one), (one, two), (two, two)))
        area = square * other - across**2
        flat = area <= 1e-9 * square * other
        share = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, area))  # without area: everything counts for a corner
        of_second, of_third = (other * one - across * two) * share, (square * two - across * one) * share
        return np.concatenate([a, one, two, of_second, of_third], axis=1).astype(np.float32)

    @cached_property
    def neighbours(self) -> Ints:
        """(m, 3) the triangle beyond the edge that lies opposite to each corner; itself where there is none."""
        start, end = (np.concatenate(self.triangles[:, order].T).astype(np.int64) for order in ([1, 2, 0], [2, 0, 1]))
        key = np.minimum(start, end) * len(self.vertices) + np.maximum(start, end)
        order = np.argsort(key, kind="stable")
        pair = np.flatnonzero(key[order[1:]] == key[order[:-1]])
        beyond = np.arange(len(key))
        beyond[order[pair]], beyond[order[pair + 1]] = order[pair + 1], order[pair]
        count = len(self.triangles)
        return np.ascontiguousarray((beyond % count).reshape(3, count).T.astype(np.int32))


def near(points: Floats, mesh: Mesh, spacing_mm: float, enough_mm: float) -> Near:
    """A triangle near each of the points, (n, 3) mm, that are about `spacing_mm` apart and lie about the mesh.

    Nearer than `enough_mm` is near enough: then none that is still nearer is looked for.
    """
    found = Near(
        np.full(len(points), -1, np.int32),
        np.zeros((len(points), 3), np.float32),
        np.full(len(points), np.inf, np.float32),
    )
    if not len(points) or not len(mesh.triangles):
        return found
    cell = float(np.clip(usual_edge(mesh.vertices.astype(np.float64), mesh.triangles), spacing_mm, CELL * spacing_mm))
    tables = _tables(mesh, cell)

    def piece(first: int) -> None:
        part = slice(first, first + AT_ONCE)
        left = np.arange(len(points[part]))
        for shift, table in tables:
            start = table[_hashed(points[part][left], cell, shift, len(table))]
            on = left[start >= 0]
            _improve(Near(found.triangle[part], found.weights[part], found.away[part]), on, start[start >= 0], part)
            left = left[found.away[part][left] > enough_mm]
            if not len(left):
                return

    def _improve(here: Near, on: NDArray[np.int64], start: Ints, part: slice) -> None:
        triangle, weights, away = _walked(points[part][on], start, mesh, enough_mm)
        nearer = away < here.away[on]
        for of, value in ((here.triangle, triangle), (here.weights, weights), (here.away, away)):
            of[on[nearer]] = value[nearer]

    mesh.planes, mesh.neighbours  # noqa: B018 - made before the threads begin
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(piece, range(0, len(points), AT_ONCE)))
    return found


def on_triangles(points: Floats, triangle: Ints, mesh: Mesh) -> tuple[Floats, Floats]:
    """The weights, (n, 3), of a place on the triangle of each point, and how far that is, (n,) mm."""
    weights, away = np.empty((len(points), 3), np.float32), np.empty(len(points), np.float32)
    for first in range(0, len(points), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        weights[part], away[part], _ = _placed(points[part], triangle[part], mesh)
    return weights, away


def _walked(points: Floats, start: Ints, mesh: Mesh, enough_mm: float) -> tuple[Ints, Floats, Floats]:
    """From the triangles `start` to neighbours, as long as that brings the points nearer."""
    best = start.copy()
    weights, away, beyond = _placed(points, start, mesh)
    todo = np.flatnonzero((beyond >= 0) & (away > enough_mm))
    at, over = start[todo], beyond[todo]
    for _ in range(STEPS):
        if not len(todo):
            break
        at = mesh.neighbours[at, over]
        here, far, over = _placed(points[todo], at, mesh)
        nearer = far < away[todo]
        chosen = todo[nearer]
        best[chosen], weights[chosen], away[chosen] = at[nearer], here[nearer], far[nearer]
        on = (over >= 0) & (far < 2 * away[todo]) & (away[todo] > enough_mm)
        todo, at, over = todo[on], at[on], over[on]
    return best, weights, away


def _placed(points: Floats, triangle: Ints, mesh: Mesh) -> tuple[Floats, Floats, Ints]:
    """The weights of a place on each triangle, its distance, and the corner that the point lies opposite to, or -1.

    It is the nearest place where the point projects into the triangle, and else a place on its edge.
    """
    planes = mesh.planes[triangle]
    off = points - planes[:, :3]
    two, three = (np.einsum("ij,ij->i", off, planes[:, at : at + 3]) for at in (9, 12))
    one = 1 - two - three
    least = np.minimum(np.minimum(one, two), three)
    opposite = np.where(one <= least, 0, np.where(two <= least, 1, 2)).astype(np.int32)
    opposite[least >= 0] = -1
    np.clip(two, 0, 1, out=two)
    np.clip(three, 0, 1, out=three)
    total = np.maximum(two + three, 1)
    two /= total
    three /= total
    off -= two[:, None] * planes[:, 3:6]
    off -= three[:, None] * planes[:, 6:9]
    weights = np.stack([1 - two - three, two, three], axis=1)
    return weights, np.sqrt(np.einsum("ij,ij->i", off, off)), opposite


def _tables(mesh: Mesh, cell: float) -> list[tuple[float, Ints]]:
    """For each cell's hash a triangle: of cells shifted by 0 or by half, the last and the first that is in it."""
    points, own = _spread(mesh, cell)
    size = 1 << int(np.ceil(np.log2(2 * len(points))))
    tables = []
    for shift in (0.0, 0.5):
        place = _hashed(points, cell, shift, size)
        for way in (1, -1):
            table = np.full(size, -1, np.int32)
            table[place[::way]] = own[::way]
            tables.append((shift, table))
    return tables


def _hashed(points: Floats, cell: float, shift: float, size: int) -> Ints:
    """(n,) the place in a table of `size`, a power of two, of the cell that each point lies in."""
    index = np.floor(points / np.float32(cell) + np.float32(shift)).astype(np.int32).astype(np.uint32)
    mixed = index[:, 0] * np.uint32(PRIMES[0])
    mixed ^= index[:, 1] * np.uint32(PRIMES[1])
    mixed ^= index[:, 2] * np.uint32(PRIMES[2])
    mixed ^= mixed >> np.uint32(15)
    return np.asarray(mixed & np.uint32(size - 1), dtype=np.int32)


def _spread(mesh: Mesh, step: float) -> tuple[Floats, Ints]:
    """Points on the triangles, at most about `step` apart, and the triangle of each."""
    corners = mesh.vertices[mesh.triangles]
    edges = corners - np.roll(corners, 1, axis=1)
    longest = np.sqrt(np.einsum("ijk,ijk->ij", edges, edges).max(axis=1))
    along = np.clip(np.ceil(longest / step), 1, MOST_ALONG).astype(np.int64)
    found, owners = [], []
    for count in np.unique(along):
        there = np.flatnonzero(along == count).astype(np.int32)
        two, three = (np.indices((count, count)).reshape(2, -1) + 1 / 3) / count
        inside = two + three < 1
        two, three = two[inside].astype(np.float32), three[inside].astype(np.float32)
        lattice = np.stack([1 - two - three, two, three], axis=1)
        found.append(np.matmul(lattice, corners[there]).reshape(-1, 3))
        owners.append(np.repeat(there, len(lattice)))
    return np.concatenate(found), np.concatenate(owners)
