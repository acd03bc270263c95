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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.surface.connected import lowest_connected

Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Points = NDArray[np.floating[Any]]

SAME_WAY = 0.9
"""Least cosine between the normals of vertices that are merged and their mean."""

TURNED = 0.7
"""Least cosine between the normal of a triangle afterwards and the mean of those at its corners."""

BEND = 4.0
"""So many times the distance that is allowed may a neighbour lie beside the plane: the chord of a bow, which has a
quarter of its end's distance from the tangent, then keeps the distance."""

AT_ONCE = 1 << 15
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
    """The group of each vertex, (n,); of each group its number of vertices, the lowest of them, middle, mean normal,
    and its bulge, mm; for each vertex its place seen from the middle, (n, 3) mm."""

    of: Ints
    number: NDArray[np.int64]
    first: Ints
    middle: Floats
    normal: Floats
    bulge: Floats
    beside: Floats


@dataclass(frozen=True)
class _After:
    """The vertex that each becomes, (n,), and places and normals, (n, 3), of those that remain."""

    target: Ints
    places: Floats
    normals: Floats


@dataclass(frozen=True)
class Merged:
    """Vertices (n, 3) mm, and whether each was `fixed` (n,); triangles (m, 3), and which each one was before (m,)."""

    vertices: Array
    fixed: Bools
    triangles: Ints
    before: NDArray[np.int64]


def merged(vertices: Points, triangles: Ints, cells_mm: Sequence[float], most_mm: float) -> tuple[Array, Ints]:
    """A closed, manifold mesh with fewer vertices: merged in cells of each of the sizes, one upon the other.

    Merged vertices lie within `most_mm` of their common plane.

    Source: the idea of merging a cell's vertices where that keeps the topology is that of Schaefer, Ju and Warren,
    "Manifold dual contouring", IEEE TVCG 13, 2007.
    """
    made = merged_but(np.zeros(len(vertices), dtype=bool), vertices, triangles, cells_mm, most_mm)
    return made.vertices, made.triangles


def merged_but(fixed: Bools, vertices: Points, triangles: Ints, cells_mm: Sequence[float], most_mm: float) -> Merged:
    """The same of a mesh that need be manifold only apart from its `fixed` vertices, (n,): these stay as they are."""
    before = np.arange(len(triangles))
    if not len(triangles):
        return Merged(vertices.astype(np.float64), fixed, triangles, before)
    middle = np.array([line.mean() for line in vertices.T])  # along the columns numpy takes ten times as long
    points = (vertices - middle).astype(np.float32)
    for cell in cells_mm:
        points, fixed, triangles, kept = _merged_once(points, fixed, triangles, cell, most_mm)
        before = np.take(before, kept)
    return Merged(points.astype(np.float64) + middle, fixed, triangles, before)


def usual_edge(vertices: Array, triangles: Ints) -> float:
    """Median length, mm, of some of the edges."""
    some = vertices[triangles[:: max(1, len(triangles) // 10_000)]]
    return float(np.median(np.linalg.norm(some[:, 1] - some[:, 0], axis=1)))


def _merged_once(
    points: Floats, fixed: Bools, triangles: Ints, cell_mm: float, most_mm: float
) -> tuple[Floats, Bools, Ints, NDArray[np.int64]]:
    mesh = _Mesh(points, _normals(points, fixed, triangles), triangles)
    groups = _groups(mesh, cell_mm)
    good = _simple(groups, triangles) & _flat(groups, mesh, most_mm)
    after = _all_merged(groups, good, mesh, most_mm)
    look = np.arange(len(triangles))
    for _ in range(ROUNDS):
        failed = good & np.take(_spoilt(after, mesh, look, BEND * most_mm), groups.first)
        if not failed.any():
            faces = np.take(after.target, triangles)
            kept = three_cornered(faces)
            faces, (places, stay) = compacted(np.take(faces, kept, axis=0), after.places, fixed)
            return places, stay, faces, kept
        good &= ~failed
        apart = np.take(failed, groups.of)
        _take_apart(after, np.flatnonzero(apart), mesh)
        a, b, c = (np.take(apart, triangles[:, corner]) for corner in range(3))
        look = np.flatnonzero(a | b | c)
    return points, fixed, triangles, np.arange(len(triangles))


def _normals(points: Floats, fixed: Bools, triangles: Ints) -> Floats:
    """(n, 3) unit normals of the vertices. Fixed ones have none: they face no neighbour's way, and stay alone."""
    found = vertex_normals(points, triangles)
    found[fixed] = 0
    return found


def vertex_normals(points: Floats, triangles: Ints) -> Floats:
    """(n, 3) unit normals of the vertices: means of the triangles', weighted by area."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkTriangleMeshPointNormals

    from surgplan.surface.vtk_mesh import to_polydata

    normals = vtkTriangleMeshPointNormals()
    normals.SetInputData(to_polydata(points, triangles))
    normals.Update()
    return np.array(vtk_to_numpy(normals.GetOutput().GetPointData().GetNormals()), dtype=np.float32)


def _groups(mesh: _Mesh, cell_mm: float) -> _Groups:
    """Vertices of one cell that are connected by edges within it, whose ends face the same way."""
    count = len(mesh.vertices)
    key = _cells(mesh.vertices, cell_mm)
    start, end = (np.concatenate(column) for column in zip(*_within(mesh.triangles, key), strict=True))
    ways = np.take(mesh.normals, start, axis=0), np.take(mesh.normals, end, axis=0)
    alike = np.flatnonzero(np.einsum("ij,ij->i", *ways) > SAME_WAY)
    lowest = lowest_connected(np.take(start, alike), np.take(end, alike), count)
    first = np.flatnonzero(lowest == np.arange(count, dtype=np.int32)).astype(np.int32)
    rank = np.empty(count, np.int32)
    rank[first] = np.arange(len(first), dtype=np.int32)
    group = np.take(rank, lowest)
    number = np.bincount(group, minlength=len(first))
    middle, normal = np.empty((len(first), 3), np.float32), np.empty((len(first), 3), np.float32)
    for axis in range(3):
        middle[:, axis] = np.bincount(group, mesh.vertices[:, axis], len(first)) / number
        normal[:, axis] = np.bincount(group, mesh.normals[:, axis], len(first))
    beside = mesh.vertices - np.take(middle, group, axis=0)
    out = np.einsum("ij,ij->i", beside, mesh.normals)
    bulge = (np.bincount(group, out, len(first)) / number).astype(np.float32)
    return _Groups(group, number, first, middle, _units(normal), bulge, beside)


def _cells(vertices: Floats, cell_mm: float) -> Ints | NDArray[np.int64]:
    """(n,) a number for the cell that each vertex lies in."""
    steps = [((line - line.min()) / np.float32(cell_mm)).astype(np.int32) for line in vertices.T]
    size = [int(step.max()) + 1 for step in steps]
    small = size[0] * size[1] * size[2] < np.iinfo(np.int32).max
    key = steps[0] if small else steps[0].astype(np.int64)
    for axis in (1, 2):
        key *= size[axis]
        key += steps[axis]
    return np.asarray(key)


def _within(triangles: Ints, key: Ints | NDArray[np.int64]) -> list[tuple[Ints, Ints]]:
    """The edges whose ends have the same key; each once, by the triangle in which it leads upward."""
    corners = [np.ascontiguousarray(triangles[:, corner]) for corner in range(3)]
    keys = [np.take(key, corner) for corner in corners]
    found = []
    for one in range(3):
        two = (one + 1) % 3
        chosen = np.flatnonzero((corners[one] < corners[two]) & (keys[one] == keys[two]))
        found.append((np.take(corners[one], chosen), np.take(corners[two], chosen)))
    return found


def _simple(groups: _Groups, triangles: Ints) -> Bools:
    """(groups,) which have several vertices and no hole: Euler's number of what they span is 1."""
    count = len(groups.first)
    corner = [np.take(groups.of, triangles[:, number]) for number in range(3)]
    same = [corner[number] == corner[(number + 1) % 3] for number in range(3)]
    edges = np.sum(
        [np.bincount(np.compress(there, at), minlength=count) for at, there in zip(corner, same, strict=True)], axis=0
    )
    faces = np.bincount(np.compress(same[0] & same[1], corner[0]), minlength=count)
    # each edge was counted twice, once for each of its triangles
    return np.asarray((2 * groups.number - edges + 2 * faces == 2) & (groups.number > 1))


def _flat(groups: _Groups, mesh: _Mesh, most_mm: float) -> Bools:
    """(groups,) whose vertices lie near their common plane and face its way."""
    normal = np.take(groups.normal, groups.of, axis=0)
    far = np.abs(np.einsum("ij,ij->i", groups.beside, normal)) > most_mm
    away = np.einsum("ij,ij->i", mesh.normals, normal) < SAME_WAY
    flat = np.ones(len(groups.first), dtype=bool)
    flat[np.compress(far | away, groups.of)] = False
    return flat


def _all_merged(groups: _Groups, good: Bools, mesh: _Mesh, most_mm: float) -> _After:
    """What becomes of the mesh when all good groups are merged.

    The middle of vertices on a curved surface lies within it, and triangles between such middles lie deeper still. On a
    surface of curvature k, whose vertices lie at mean square distance r² from the middle, they lie deeper by k r² in
    the mean; and that is what the mean of (vertex - middle) · normal is there. So the middle is lifted by this bulge,
    which holds the volume.
    """
    own = np.arange(len(groups.of), dtype=np.int32)
    target = np.where(np.take(good, groups.of), np.take(groups.first, groups.of), own)
    places, normals = mesh.vertices.copy(), mesh.normals.copy()
    first, normal = np.compress(good, groups.first), np.compress(good, groups.normal, axis=0)
    lift = np.clip(np.compress(good, groups.bulge), -most_mm, most_mm)
    places[first] = np.compress(good, groups.middle, axis=0) + lift[:, None] * normal
    normals[first] = normal
    return _After(target, places, normals)


def _take_apart(after: _After, apart: NDArray[np.int64], mesh: _Mesh) -> None:
    """Leave these vertices as they were, in place."""
    after.target[apart] = apart
    after.places[apart] = np.take(mesh.vertices, apart, axis=0)
    after.normals[apart] = np.take(mesh.normals, apart, axis=0)


def three_cornered(triangles: Ints) -> NDArray[np.int64]:
    """Numbers of the triangles that still have three corners."""
    a, b, c = triangles.T
    return np.flatnonzero((a != b) & (b != c) & (c != a))


def compacted(triangles: Ints, *columns: NDArray[Any]) -> tuple[Ints, list[NDArray[Any]]]:
    """The triangles and what is known of each vertex, (n, ...), without the vertices that no triangle uses."""
    used = np.zeros(len(columns[0]), dtype=bool)
    used[triangles] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    return np.take(number, triangles), [np.compress(used, column, axis=0) for column in columns]


def _spoilt(after: _After, mesh: _Mesh, look: NDArray[np.int64], most: float) -> Bools:
    """(n,) remaining vertices at which something fails, as far as the triangles `look` tell."""

    def piece(start: int) -> tuple[Ints, NDArray[np.int64]]:
        faces = np.take(after.target, np.take(mesh.triangles, look[start : start + AT_ONCE], axis=0))
        return _spoilt_piece(np.take(faces, three_cornered(faces), axis=0), after, most)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(piece, range(0, len(look), AT_ONCE)))
    count = len(after.target)
    bad = np.zeros(count, dtype=bool)
    bad[np.concatenate([spoilt for spoilt, _ in found])] = True
    key = np.concatenate([keys for _, keys in found])
    key.sort()
    twice = np.compress(key[1:] == key[:-1], key[1:])
    bad[twice // count] = bad[twice % count] = True
    return bad


def _spoilt_piece(faces: Ints, after: _After, most: float) -> tuple[Ints, NDArray[np.int64]]:
    """Vertices of triangles that have turned over or of neighbours beside the plane; and a key for each edge."""
    corners = [np.ascontiguousarray(faces[:, corner]) for corner in range(3)]
    places = [np.take(after.places, corner, axis=0) for corner in corners]
    normals = [np.take(after.normals, corner, axis=0) for corner in corners]
    steps = [places[(corner + 1) % 3] - places[corner] for corner in range(3)]
    normal = crossed(steps[0], steps[1])
    around = _units(normals[0] + normals[1] + normals[2])
    turned = np.einsum("ij,ij->i", normal, around) < TURNED * np.sqrt(np.einsum("ij,ij->i", normal, normal))
    bad, keys = [np.compress(turned, faces, axis=0).ravel()], []
    for one in range(3):
        two = (one + 1) % 3
        start, end = corners[one], corners[two]
        beside = np.abs(np.einsum("ij,ij->i", steps[one], normals[one])) > most
        beside |= np.abs(np.einsum("ij,ij->i", steps[one], normals[two])) > most
        bad += [np.compress(beside, start), np.compress(beside, end)]
        up = start < end
        keys.append(np.compress(up, start).astype(np.int64) * len(after.target) + np.compress(up, end))
    return np.concatenate(bad), np.concatenate(keys)


def cross_products(points: Points, triangles: Ints) -> Points:
    """(m, 3) normals of the triangles, twice as long as their areas."""
    a, b, c = (np.take(points, triangles[:, corner], axis=0) for corner in range(3))
    return crossed(b - a, c - a)


def crossed(one: Points, two: Points) -> Points:
    """(m, 3) cross products of the rows: numpy's own takes several times as long."""
    product = np.empty_like(one)
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        np.multiply(one[:, a], two[:, b], out=product[:, axis])
        product[:, axis] -= one[:, b] * two[:, a]
    return product


def _units(vectors: Floats) -> Floats:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.where(length > 0, length, 1)[:, None]
    return vectors
