"""Bodies that touch along an edge or in a corner, taken for one mesh: cut apart there without moving anything, and then
set apart by a hair, so that no file format fuses them again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Level
from surgplan.model.frames import Array
from surgplan.surface.clean import Ints, Mesh, Note

Longs = NDArray[np.int64]

HAIR_MM = 1e-3
"""Corners that coincide are drawn back into their bodies by so much: a hundredth of any printer's layer."""

MOST_EDGES = 20_000
"""With more edges where sheets meet, it is no touching of bodies."""


def parted(mesh: Mesh, note: Note) -> Mesh:
    """The mesh with own vertices for each of the sheets that meet at an edge or a vertex; nothing moves.

    Round an edge of four or more triangles, those that bound the same wedge of solid stay together. A mesh with an
    edge that is open, or has more triangles of one direction than of the other, stays as it is.
    """
    vertices, triangles = mesh
    pairs, edges = _neighbours(vertices, triangles)
    if pairs is None:
        return mesh
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    start, after = np.arange(triangles.size), _next(np.arange(triangles.size))
    one, two = pairs
    links = np.concatenate([start[one], after[one]]), np.concatenate([after[two], start[two]])
    size = triangles.size
    graph = coo_matrix((np.ones(len(links[0]), np.int8), links), shape=(size, size))
    count, corner = connected_components(graph, directed=False)
    if count == len(np.unique(triangles)):
        return mesh
    first = np.unique(corner, return_index=True)[1]
    fans = count - len(np.unique(triangles))
    note("parted", f"sheets that met, at {edges} edges, were given {fans} corners of their own", Level.NOTE)
    return vertices[triangles.ravel()[first]], corner.reshape(-1, 3).astype(np.int32)


def _next(corner: Longs) -> Longs:
    """The corner of the same triangle that follows, as numbers 3 · triangle + corner."""
    return np.where(corner % 3 == 2, corner - 2, corner + 1)


def _neighbours(vertices: Array, triangles: Ints) -> tuple[tuple[Longs, Longs] | None, int]:
    """Pairs of half-edges, by their first corners, that stay joined; and how many edges have more than two.

    None when an edge is open or unbalanced, or when all is simple.
    """
    start, end = triangles.ravel().astype(np.int64), np.roll(triangles, -1, axis=1).ravel().astype(np.int64)
    key = np.minimum(start, end) * len(vertices) + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1]]))
    uses = np.diff(np.append(first, len(order)))
    forward = np.add.reduceat((start < end)[order].astype(np.int64), first)
    many = np.flatnonzero(uses > 2)
    if (2 * forward != uses).any() or len(many) > MOST_EDGES:
        return None, 0
    simple = first[uses == 2]
    one, two = [order[simple]], [order[simple + 1]]
    for at, size in zip(first[many].tolist(), uses[many].tolist(), strict=True):
        ours, theirs = _wedges(vertices, triangles, order[at : at + size], start, end)
        one.append(ours)
        two.append(theirs)
    return (np.concatenate(one), np.concatenate(two)), len(many)


def _wedges(vertices: Array, triangles: Ints, halves: Longs, start: Longs, end: Longs) -> tuple[Longs, Longs]:
    """The half-edges of one edge, paired so that both bound the same wedge of solid.

    Seen along the edge, a triangle that runs back through it has the solid behind it, counter-clockwise, and one that
    runs forward has it before it: each of the former opens a wedge, and the next of the latter closes it.
    """
    low, high = sorted((int(start[halves[0]]), int(end[halves[0]])))
    along = (vertices[high] - vertices[low]) / np.linalg.norm(vertices[high] - vertices[low])
    third = triangles.ravel()[_next(_next(halves))]
    away = vertices[third] - vertices[low]
    away -= np.outer(away @ along, along)
    across = np.cross(along, away[0])
    angle = np.round(np.arctan2(away @ across / np.linalg.norm(away[0]), away @ away[0] / np.linalg.norm(away[0])), 9)
    closes = start[halves] < end[halves]
    order = np.lexsort((~closes, angle))  # where faces coincide, one solid ends before the next one begins
    depth = np.cumsum(np.where(closes[order], -1, 1))
    order = np.roll(order, -(int(depth.argmin()) + 1))
    waiting: list[int] = []
    opened, shut = [], []
    for half in order.tolist():
        if start[half_of := halves[half]] < end[half_of]:
            opened.append(waiting.pop())
            shut.append(int(half_of))
        else:
            waiting.append(int(half_of))
    return np.array(opened), np.array(shut)


def set_apart(mesh: Mesh, note: Note) -> Mesh:
    """The mesh with vertices that coincide drawn back into their own bodies, by `HAIR_MM` or what float32 needs."""
    vertices, triangles = mesh
    narrow = vertices.astype(np.float32)
    order = np.lexsort(narrow.T)
    same = (narrow[order][1:] == narrow[order][:-1]).all(axis=1)
    if not same.any():
        return mesh
    twice = np.zeros(len(vertices), dtype=bool)
    twice[order[1:][same]] = twice[order[:-1][same]] = True
    hair = max(HAIR_MM, 4.0 * float(np.spacing(np.abs(narrow).max())))
    around = np.flatnonzero(twice[triangles].any(axis=1))
    a, b, c = vertices[triangles[around]].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    sums = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(sums, triangles[around, corner], normal)
    length = np.linalg.norm(sums, axis=1)
    move = twice & (length > 0)
    moved = vertices.copy()
    moved[move] -= hair * sums[move] / length[move, None]
    note("set-apart", f"{int(move.sum())} corners that touch others drawn back by {hair:.2g} mm", Level.NOTE)
    return moved, triangles
