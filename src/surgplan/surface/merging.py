"""Neighbouring vertices merged where a closed mesh is nearly flat: most of a fine contour's triangles go at once.

Space is divided into cells. The vertices of one cell that edges connect become one vertex, in their middle, when

- the piece of surface that they span has no hole, so that merging it changes no handle, cavity or body,
- they all lie near one plane, and face the same way,
- afterwards no two edges join the same two vertices, no triangle has turned over, and neighbours lie near the plane.

What fails is left as it was. All of this is decided with whole arrays, and in the same way on every machine. The result
is as manifold as the mesh was.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

SAME_WAY = 0.9
"""Least cosine between the normals of vertices that are merged and their mean."""

TURNED = 0.7
"""Least cosine between the normal of a triangle afterwards and the mean of those at its corners."""

BEND = 4.0
"""So many times the distance that is allowed may a neighbour lie beside the plane: the chord of a bow, which has a
quarter of its end's distance from the tangent, then keeps the distance."""

AT_ONCE = 1 << 17
"""Triangles that are looked at at once, in each of two threads: which one looks at which changes nothing."""

ROUNDS = 20
"""How often what fails is taken apart and its neighbours are looked at again; far more than was ever needed."""


@dataclass(frozen=True)
class _Mesh:
    """Vertices (n, 3) mm near the origin with unit normals (n, 3); triangles (m, 3)."""

    vertices: Floats
    normals: Floats
    triangles: Ints


@dataclass(frozen=True)
class _Groups:
    """The group of each vertex, (n,); of each group its lowest vertex, middle, mean normal, and its bulge, mm."""

    of: Ints
    first: Ints
    middle: Floats
    normal: Floats
    bulge: Floats


@dataclass(frozen=True)
class Merged:
    """Vertices (n, 3) mm, and whether each was `fixed` (n,); triangles (m, 3), and which each one was before (m,)."""

    vertices: Array
    fixed: Bools
    triangles: Ints
    before: NDArray[np.int64]


def merged(vertices: Array, triangles: Ints, cells_mm: Sequence[float], most_mm: float) -> tuple[Array, Ints]:
    """A closed, manifold mesh with fewer vertices: merged in cells of each of the sizes, one upon the other.

    Merged vertices lie within `most_mm` of their common plane.

    Source: the idea of merging a cell's vertices where that keeps the topology is that of Schaefer, Ju and Warren,
    "Manifold dual contouring", IEEE TVCG 13, 2007.
    """
    made = merged_but(np.zeros(len(vertices), dtype=bool), vertices, triangles, cells_mm, most_mm)
    return made.vertices, made.triangles


def merged_but(fixed: Bools, vertices: Array, triangles: Ints, cells_mm: Sequence[float], most_mm: float) -> Merged:
    """The same of a mesh that need be manifold only apart from its `fixed` vertices, (n,): these stay as they are."""
    before = np.arange(len(triangles))
    if not len(triangles):
        return Merged(vertices, fixed, triangles, before)
    middle = vertices.mean(axis=0)
    points = (vertices - middle).astype(np.float32)
    for cell in cells_mm:
        points, fixed, triangles, kept = _merged_once(points, fixed, triangles, cell, most_mm)
        before = before[kept]
    return Merged(points.astype(np.float64) + middle, fixed, triangles, before)


def usual_edge(vertices: Array, triangles: Ints) -> float:
    """Median length, mm, of some of the edges."""
    some = vertices[triangles[:: max(1, len(triangles) // 10_000)]]
    return float(np.median(np.linalg.norm(some[:, 1] - some[:, 0], axis=1)))


def _merged_once(
    points: Floats, fixed: Bools, triangles: Ints, cell_mm: float, most_mm: float
) -> tuple[Floats, Bools, Ints, NDArray[np.int64]]:
    mesh = _with_normals(points, fixed, triangles)
    groups = _groups(mesh, cell_mm)
    good = _simple(groups, triangles) & _flat(groups, mesh, most_mm)
    look = np.ones(len(triangles), dtype=bool)
    for _ in range(ROUNDS):
        target, places, normals = _merging(groups, good, mesh, most_mm)
        bad = _spoilt(target, places, normals, mesh, np.flatnonzero(look), BEND * most_mm)
        failed = good & bad[groups.first]
        if not failed.any():
            faces = target[triangles]
            kept = _three_cornered(faces)
            return *_compact(places, fixed, faces[kept]), kept
        good &= ~failed
        a, b, c = failed[groups.of][triangles].T
        look = a | b | c
    return points, fixed, triangles, np.arange(len(triangles))


def _with_normals(points: Floats, fixed: Bools, triangles: Ints) -> _Mesh:
    """The mesh with normals. Fixed vertices have none: they face no neighbour's way, and are merged with none."""
    normals = cross_products(points, triangles)
    sums = np.zeros((len(points), 3), np.float32)
    for axis in range(3):
        for corner in range(3):
            sums[:, axis] += np.bincount(triangles[:, corner], normals[:, axis], len(points)).astype(np.float32)
    sums[fixed] = 0
    return _Mesh(points, _units(sums), triangles)


def cross_products(points: Floats, triangles: Ints) -> Floats:
    """(m, 3) normals of the triangles, twice as long as their areas."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    b -= a
    c -= a
    normals = np.empty_like(b)
    for axis in range(3):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        np.multiply(b[:, one], c[:, two], out=normals[:, axis])
        normals[:, axis] -= b[:, two] * c[:, one]
    return normals


def _units(vectors: Floats) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.where(length > 0, length, 1)[:, None]
    return vectors


def _groups(mesh: _Mesh, cell_mm: float) -> _Groups:
    """Vertices of one cell that are connected by edges within it, whose ends face the same way."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(mesh.vertices)
    cell = np.floor((mesh.vertices - mesh.vertices.min(axis=0)) / np.float32(cell_mm)).astype(np.int64)
    size = cell.max(axis=0) + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    start, end = (np.concatenate(column) for column in zip(*_within(mesh.triangles, key), strict=True))
    alike = np.einsum("ij,ij->i", mesh.normals[start], mesh.normals[end]) > SAME_WAY
    start, end = start[alike], end[alike]
    graph = coo_matrix((np.ones(len(start), np.int8), (start, end)), shape=(count, count))
    groups, group = connected_components(graph, directed=False)
    first = np.empty(groups, np.int32)
    first[group[::-1]] = np.arange(count - 1, -1, -1, dtype=np.int32)
    number = np.bincount(group, minlength=groups)
    middle, normal = np.empty((groups, 3), np.float32), np.empty((groups, 3), np.float32)
    for axis in range(3):
        middle[:, axis] = np.bincount(group, mesh.vertices[:, axis], groups) / number
        normal[:, axis] = np.bincount(group, mesh.normals[:, axis], groups)
    out = np.einsum("ij,ij->i", mesh.vertices - middle[group], mesh.normals)
    bulge = (np.bincount(group, out, groups) / number).astype(np.float32)
    return _Groups(group, first, middle, _units(normal), bulge)


def _within(triangles: Ints, key: NDArray[np.int64]) -> list[tuple[Ints, Ints]]:
    """The edges whose ends have the same key; each once, by the triangle in which it leads upward."""
    found = []
    for corner in range(3):
        start, end = triangles[:, corner], triangles[:, (corner + 1) % 3]
        chosen = np.flatnonzero((start < end) & (key[start] == key[end]))
        found.append((start[chosen], end[chosen]))
    return found


def _simple(groups: _Groups, triangles: Ints) -> Bools:
    """(groups,) which have several vertices and no hole: Euler's number of what they span is 1."""
    count = len(groups.first)
    corner = [groups.of[triangles[:, number]] for number in range(3)]
    same = [corner[number] == corner[(number + 1) % 3] for number in range(3)]
    edges = np.sum([np.bincount(at[there], minlength=count) for at, there in zip(corner, same, strict=True)], axis=0)
    faces = np.bincount(corner[0][same[0] & same[1]], minlength=count)
    vertices = np.bincount(groups.of, minlength=count)
    # each edge was counted twice, once for each of its triangles
    return np.asarray((2 * vertices - edges + 2 * faces == 2) & (vertices > 1))


def _flat(groups: _Groups, mesh: _Mesh, most_mm: float) -> Bools:
    """(groups,) whose vertices lie near their common plane and face its way."""
    normal = groups.normal[groups.of]
    beside = np.abs(np.einsum("ij,ij->i", mesh.vertices - groups.middle[groups.of], normal)) > most_mm
    away = np.einsum("ij,ij->i", mesh.normals, normal) < SAME_WAY
    flat = np.ones(len(groups.first), dtype=bool)
    flat[groups.of[beside | away]] = False
    return flat


def _merging(groups: _Groups, good: Bools, mesh: _Mesh, most_mm: float) -> tuple[Ints, Floats, Floats]:
    """(n,) the vertex that each becomes; (n, 3) places and normals of those that remain.

    The middle of vertices on a curved surface lies within it, and triangles between such middles lie deeper still. On a
    surface of curvature k, whose vertices lie at mean square distance r² from the middle, they lie deeper by k r² in
    the mean; and that is what the mean of (vertex - middle) · normal is there. So the middle is lifted by this bulge,
    which holds the volume.
    """
    target = np.arange(len(groups.of), dtype=np.int32)
    among = good[groups.of]
    target[among] = groups.first[groups.of[among]]
    places, normals = mesh.vertices.copy(), mesh.normals.copy()
    lift = np.clip(groups.bulge[good], -most_mm, most_mm)
    places[groups.first[good]] = groups.middle[good] + lift[:, None] * groups.normal[good]
    normals[groups.first[good]] = groups.normal[good]
    return target, places, normals


def _three_cornered(triangles: Ints) -> NDArray[np.int64]:
    """Numbers of the triangles that still have three corners."""
    a, b, c = triangles.T
    return np.flatnonzero((a != b) & (b != c) & (c != a))


def _compact(places: Floats, fixed: Bools, triangles: Ints) -> tuple[Floats, Bools, Ints]:
    """Without the vertices that no triangle uses."""
    used = np.zeros(len(places), dtype=bool)
    used[triangles] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    return places[used], fixed[used], number[triangles]


def _spoilt(target: Ints, places: Floats, normals: Floats, mesh: _Mesh, look: NDArray[np.int64], most: float) -> Bools:
    """(n,) remaining vertices at which something fails, as far as the triangles `look` tell."""

    def piece(start: int) -> tuple[Ints, NDArray[np.int64]]:
        faces = target[mesh.triangles[look[start : start + AT_ONCE]]]
        return _spoilt_piece(faces[_three_cornered(faces)], places, normals, most)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(piece, range(0, len(look), AT_ONCE)))
    bad = np.zeros(len(target), dtype=bool)
    for spoilt, _ in found:
        bad[spoilt] = True
    key = np.concatenate([keys for _, keys in found])
    key.sort()
    twice = key[1:][key[1:] == key[:-1]]
    bad[twice // len(target)] = bad[twice % len(target)] = True
    return bad


def _spoilt_piece(faces: Ints, places: Floats, normals: Floats, most: float) -> tuple[Ints, NDArray[np.int64]]:
    """Vertices of triangles that have turned over or of neighbours beside the plane; and a key for each edge."""
    after = cross_products(places, faces)
    around = normals[faces[:, 0]] + normals[faces[:, 1]] + normals[faces[:, 2]]
    turned = np.einsum("ij,ij->i", after, _units(around)) < TURNED * np.sqrt(np.einsum("ij,ij->i", after, after))
    bad, keys = [faces[turned].ravel()], []
    for corner in range(3):
        start, end = faces[:, corner], faces[:, (corner + 1) % 3]
        step = places[end] - places[start]
        beside = np.abs(np.einsum("ij,ij->i", step, normals[start])) > most
        beside |= np.abs(np.einsum("ij,ij->i", step, normals[end])) > most
        bad += [start[beside], end[beside]]
        up = start < end
        keys.append(start[up].astype(np.int64) * len(places) + end[up])
    return np.concatenate(bad), np.concatenate(keys)
