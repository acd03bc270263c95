"""Polygons cut into triangles that face the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.mesh_parts import Ints, check_indices
from surgplan.model.frames import Array

MOST_CORNERS = 2000
"""Corners of a polygon that is not convex; cutting one takes time with the square of them."""

Indices = NDArray[np.int64]


def triangulated(path: Path, vertices: Array, counts: Indices, indices: Indices) -> tuple[Ints, tuple[Finding, ...]]:
    """(m, 3) triangles of polygons, in their order.

    `counts` (p,) corners of each polygon, `indices` (sum of counts,) the vertices they name. Convex polygons become
    fans; others are cut ear by ear. Polygons of fewer than three corners are dropped and told.

    Raises
    ------
    BadInput
        A corner that names no vertex, or a polygon that is too long to cut.
    """
    check_indices(path, indices, len(vertices))
    if (counts == 3).all():
        return indices.astype(np.int32).reshape(-1, 3), ()
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    pieces = np.maximum(counts - 2, 0)
    owner = np.repeat(np.arange(len(counts)), pieces)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first = starts[owner]
    triangles = np.stack([indices[first], indices[first + step + 1], indices[first + step + 2]], axis=1)
    for polygon in _not_convex(vertices, triangles, owner, counts):
        ring = indices[starts[polygon] : starts[polygon] + counts[polygon]]
        if len(ring) > MOST_CORNERS:
            found = f"has a face of {len(ring)} corners that is not convex"
            raise BadInput(path, found, f"at most {MOST_CORNERS}", "Export it as triangles")
        triangles[owner == polygon] = ring[_ears(vertices[ring])]
    few = int((counts < 3).sum())
    findings = []
    if few:
        findings.append(
            Finding("faces", Level.WARN, f"{few} faces with fewer than 3 corners dropped", subject=path.name)
        )
    cut = int((counts > 3).sum())
    if cut:
        findings.append(Finding("faces", Level.NOTE, f"{cut} polygons cut into triangles", subject=path.name))
    return triangles.astype(np.int32), tuple(findings)


def _not_convex(vertices: Array, triangles: Indices, owner: Indices, counts: Indices) -> Indices:
    """Polygons whose fan folds back: one of its triangles faces away from their sum."""
    a, b, c = vertices[triangles].transpose(1, 0, 2)
    areas = np.cross(b - a, c - a)
    sums = np.stack([np.bincount(owner, areas[:, axis], len(counts)) for axis in range(3)], axis=1)
    back = np.einsum("ij,ij->i", areas, sums[owner]) < 0
    return np.unique(owner[back])


def _ears(ring: Array) -> Indices:
    """(n - 2, 3) corners of the triangles of one polygon, (n, 3); a polygon that crosses itself becomes a fan.

    Source: Meisters, "Polygons have ears", American Mathematical Monthly 82, 1975.
    """
    normal = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
    axis = int(np.abs(normal).argmax())
    flat = ring[:, [(axis + 1) % 3, (axis + 2) % 3]] * np.array([1.0, np.sign(normal[axis]) or 1.0])
    left = list(range(len(ring)))
    found: list[tuple[int, int, int]] = []
    while len(left) > 3:
        ear = next((n for n in range(len(left)) if _is_ear(flat, left, n)), None)
        if ear is None:
            break
        found.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        del left[ear]
    found += [(left[0], left[n], left[n + 1]) for n in range(1, len(left) - 1)]
    return np.array(found, np.int64)


def _is_ear(flat: Array, left: list[int], n: int) -> bool:
    """Whether the corner turns left and no other corner lies in its triangle."""
    a, b, c = flat[left[n - 1]], flat[left[n]], flat[left[(n + 1) % len(left)]]
    if _turn(a, b, c) <= 0:
        return False
    others = flat[[corner for corner in left if corner not in (left[n - 1], left[n], left[(n + 1) % len(left)])]]
    inside = (_turns(a, b, others) >= 0) & (_turns(b, c, others) >= 0) & (_turns(c, a, others) >= 0)
    return not bool(inside.any())


def _turn(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _turns(a: Array, b: Array, points: Array) -> Array:
    return np.asarray((b[0] - a[0]) * (points[:, 1] - a[1]) - (b[1] - a[1]) * (points[:, 0] - a[0]))
