"""The least that can be done to a broken mesh: weld, drop what has no area or is doubled, turn what is inside out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Level
from surgplan.model.frames import Array
from surgplan.surface.nesting import nesting
from surgplan.surface.topology import bodies, body_volumes, degenerate, faces_outward, is_closed

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Mesh = tuple[Array, Ints]

FEWEST = 3
"""Shells of fewer triangles enclose nothing, however they are closed."""

LEAST_AREA = 1e-3
"""They go when all of them have no more than this share of the area: more may be a part that was torn to pieces."""

Note = Callable[[str, str, Level], None]
"""Is told what was done: the check's name, what was measured, how grave it is."""


def welded(vertices: Array, triangles: Ints, weld_mm: float, note: Note) -> Mesh:
    """Join vertices that lie together; drop triangles without area, doubled ones, and unused vertices.

    A mesh that is closed as it is keeps its vertices: joining would only fuse bodies that touch. Of two triangles with
    the same corners one stays, unless they face each other: then both go, for they bound nothing.
    """
    closed = is_closed(triangles, len(vertices))
    target = np.arange(len(vertices), dtype=np.int32) if closed else _same(vertices, weld_mm)
    number = len(vertices) - int(np.count_nonzero(target == np.arange(len(vertices))))
    faces = target[triangles] if number else triangles
    flat = degenerate(vertices, faces)
    faces = faces[~flat] if flat.any() else faces
    doubled = _doubled(faces, len(vertices))
    faces = faces[~doubled] if doubled.any() else faces
    if number:
        note("weld", f"{number} vertices joined that lie within {weld_mm:g} mm", Level.NOTE)
    if flat.any():
        note("degenerate", f"{int(flat.sum())} triangles without area dropped", Level.NOTE)
    if doubled.any():
        note("doubled", f"{int(doubled.sum())} triangles that were there twice dropped", Level.NOTE)
    return compact(vertices, faces)


def without_scraps(vertices: Array, triangles: Ints, note: Note) -> Mesh:
    """Without the shells of one or two triangles, which enclose nothing, where all of them are next to nothing."""
    body = bodies(vertices, triangles)
    scrap = np.bincount(body)[body] < FEWEST
    if not scrap.any() or scrap.all():
        return vertices, triangles
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if area[scrap].sum() > LEAST_AREA * area.sum():
        return vertices, triangles
    places = vertices[triangles[scrap][0]].mean(axis=0)
    where = ", ".join(f"{value:z.1f}" for value in places)
    note("scraps", f"{int(scrap.sum())} loose triangles dropped, the first at ({where}) mm", Level.WARN)
    return compact(vertices, triangles[~scrap])


def together(vertices: Array, triangles: Ints, weld_mm: float) -> Ints:
    """The triangles, (m, 3), with vertices that lie together taken for one; nothing is dropped."""
    return np.asarray(_same(vertices, weld_mm)[triangles])


def _same(vertices: Array, weld_mm: float) -> Ints:
    """(n,) the first vertex that lies in the same place as each."""
    keys = np.round(vertices / weld_mm) if weld_mm > 0 else vertices
    order = np.lexsort(keys.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    start = np.flatnonzero(new)  # lexsort is stable: the first of each group has the lowest number
    target = np.empty(len(order), dtype=np.int32)
    target[order] = order[start][np.cumsum(new) - 1]
    return target


def _doubled(triangles: Ints, vertices: int) -> Bools:
    """(m,) triangles to drop: all but one of those with the same corners, and both when two of them face each other."""
    sides = np.sort(triangles, axis=1)
    order = np.lexsort(sides.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (sides[order[1:]] != sides[order[:-1]]).any(axis=1)
    if new.all():
        return np.zeros(len(triangles), dtype=bool)
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    a, b, c = triangles.T.astype(np.int64)
    forward = ((a < b).astype(np.int8) + (b < c) + (c < a) == 2) * 2 - 1  # parity of the order of the corners
    sum_of = np.bincount(group, forward)
    keep = np.zeros(len(triangles), dtype=bool)
    keep[order[new]] = True
    uses = np.bincount(group)
    against = (sum_of == 0) & (uses > 1)
    return np.asarray(~keep | against[group])


def compact(vertices: Array, triangles: Ints) -> Mesh:
    """Without the vertices that no triangle uses."""
    taken = np.zeros(len(vertices), dtype=bool)
    taken[triangles] = True
    if taken.all():
        return vertices, triangles
    number = (np.cumsum(taken) - 1).astype(np.int32)
    return vertices[taken], number[triangles]


def joined(parts: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    shift = np.cumsum([0, *(len(vertices) for vertices, _ in parts[:-1])])
    faces = [triangles + start for (_, triangles), start in zip(parts, shift, strict=True)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces).astype(np.int32)


def oriented(vertices: Array, triangles: Ints, note: Note) -> Mesh:
    """Neighbours made to agree, and outer bodies made to face outward; sound meshes with their cavities stay.

    A body within another that was inside out is turned with it, so that a cavity stays a cavity.
    """
    if not len(triangles) or faces_outward(vertices, triangles):
        return vertices, triangles
    faces = np.where(_turned(triangles, len(vertices))[:, None], triangles[:, ::-1], triangles)
    body = bodies(vertices, faces)
    inward = body_volumes(vertices, faces, body) < 0
    inner, outer, _ = nesting(vertices, faces, body, watertight=False)
    turn = inward & ~np.isin(np.arange(len(inward)), inner)
    turn[inner[turn[outer]]] = True  # none of them is outermost, so none of the outer ones is turned by this
    faces = np.ascontiguousarray(np.where(turn[body][:, None], faces[:, ::-1], faces), dtype=np.int32)
    count = int((faces != triangles).any(axis=1).sum())
    if count:
        note("orientation", f"{count} triangles turned round", Level.WARN)
    return vertices, faces


def _turned(triangles: Ints, vertices: int) -> Bools:
    """(m,) which triangles must be turned so that neighbours agree; most of each connected part stays as it is.

    Each triangle is two nodes of a graph, as it is and turned; neighbours link the nodes that agree. Only edges that
    exactly two triangles share make neighbours. A part that has one side only, like a Möbius strip, stays.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    start = triangles.astype(np.int64).ravel()
    end = np.roll(triangles, -1, axis=1).astype(np.int64).ravel()
    key = np.minimum(start, end) * vertices + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1]]))
    pair = first[np.diff(np.append(first, len(order))) == 2]
    one, two = order[pair], order[pair + 1]
    against = start[one] == start[two]
    count = len(triangles)
    a, b = one // 3, two // 3
    rows = np.concatenate([a, a + count])
    columns = np.concatenate([np.where(against, b + count, b), np.where(against, b, b + count)])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(2 * count, 2 * count))
    part = connected_components(graph, directed=False)[1]
    plain, turned = part[:count], part[count:]
    smaller = np.minimum(plain, turned)
    other = plain != smaller  # these agree with each other, and not with the rest of their part
    uses = np.bincount(smaller, minlength=part.max() + 1)
    few = 2 * np.bincount(smaller, other, part.max() + 1) > uses
    return np.asarray((plain != turned) & (other != few[smaller]))
