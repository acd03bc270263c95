"""The walls that run through a tetrahedron of voxels whose corners belong to several structures.

Each cell of eight voxels is divided into the six tetrahedra that share its diagonal: Kuhn's division, the same in every
cell, so that neighbours agree on their common face. Walls pass through points of three kinds: on an edge whose ends
differ, on a face with three structures, and in a tetrahedron with four. Whatever the structures, what each one
occupies is then bounded by a closed surface that is manifold at every edge and vertex, and two that touch have the same
triangles between them.

Source: Nielson and Franke, "Computing the separating surface for segmented data", IEEE Visualization 1997; that the
boundaries are manifold follows from theirs being those of regular neighbourhoods (Rourke and Sanderson, "Introduction
to piecewise-linear topology", 1972, chapter 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np

Point = tuple[int, int]
"""The corner of the cell at which an element begins, as a mask (1: one further along i, 2: j, 4: k), and its slot."""

Wall = tuple[int, int, Point, Point, Point]
"""Two corners of the tetrahedron, and a triangle between what they belong to; it faces the second one."""

CHAINS = tuple((0, 1 << a, 1 << a | 1 << b, 7) for a, b, _ in permutations(range(3)))
"""Corners of the six tetrahedra: from one end of the cell's diagonal to the other, one axis after the other."""

EDGES = tuple(range(1, 8))
"""Ends of the edges that begin at a voxel."""

FACES = tuple((one, two) for one in EDGES for two in EDGES if one < two and one & two == one)
"""The other two corners of the faces that begin at a voxel."""

FIRST_FACE, FIRST_BODY = len(EDGES), len(EDGES) + len(FACES)
SLOTS = FIRST_BODY + len(CHAINS)
"""Elements that begin at one voxel: edges, then faces, then tetrahedra."""

CODES = 24
"""Number of `code`s; not all of them occur."""


@dataclass(frozen=True)
class Layout:
    """Which corners belong together: of each corner the first one with the same label, (4,)."""

    first: tuple[int, int, int, int]

    @property
    def parts(self) -> list[list[int]]:
        """The corners of each structure, the larger parts first."""
        groups = [[corner for corner in range(4) if self.first[corner] == head] for head in sorted(set(self.first))]
        return sorted(groups, key=lambda part: -len(part))


def code(labels: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(n,) the layout of tetrahedra whose corners have the labels, (n, 4); 0 where all are alike."""
    a, b, c, d = labels.T
    second = (b != a).astype(np.uint8)
    third = np.where(c == a, 0, np.where(c == b, second, 2)).astype(np.uint8)
    fourth = np.where(d == a, 0, np.where(d == b, second, np.where(d == c, third, 3))).astype(np.uint8)
    return np.asarray(second + 2 * third + 6 * fourth)


@cache
def walls(tetrahedron: int, layout_code: int) -> tuple[Wall, ...]:
    """The triangles in one of the six tetrahedra when its corners have that layout."""
    layout = Layout((0, layout_code % 2, layout_code // 2 % 3, layout_code // 6))
    if any(layout.first[head] != head for head in layout.first):
        return ()  # no labels have this code
    chain, parts = CHAINS[tetrahedron], layout.parts
    found: list[Wall] = []
    for one, two in combinations(range(len(parts)), 2):
        for triangle in _between(parts, one, two):
            left, right = parts[one], parts[two]
            points = tuple(_element(tetrahedron, corners) for corners in triangle)
            if not _faces(chain, triangle, left, right):
                points = points[::-1]
            found.append((left[0], right[0], *points))  # type: ignore[arg-type]
    return tuple(found)


def _between(parts: list[list[int]], one: int, two: int) -> list[tuple[frozenset[int], ...]]:
    """Triangles between two parts; each of their points as the corners of the edge, face or body that it lies in."""
    left, right = parts[one], parts[two]
    others = [corner for number, part in enumerate(parts) if number not in (one, two) for corner in part]
    if len(right) == 1 and len(parts) == 2:
        return [tuple(frozenset((end, right[0])) for end in left)]
    if len(parts) == 2:
        a, b, c, d = (frozenset((near, far)) for far in right for near in left)
        return [(a, b, d), (a, d, c)]
    whole = frozenset(range(4))
    if len(parts) == 4:
        edge = frozenset((left[0], right[0]))
        return [(edge, edge | {others[0]}, whole), (edge, whole, edge | {others[1]})]
    pair = parts[0]  # the one part of two corners
    ends = [frozenset((corner, parts[1][0], parts[2][0])) for corner in pair]
    if pair is not left:
        return [(frozenset((left[0], right[0])), ends[0], ends[1])]
    near, far = (frozenset((corner, right[0])) for corner in pair)
    return [(near, far, ends[1]), (near, ends[1], ends[0])]


def _element(tetrahedron: int, corners: frozenset[int]) -> Point:
    """Where an edge, a face or the body of the tetrahedron begins, and its slot."""
    masks = [CHAINS[tetrahedron][corner] for corner in sorted(corners)]
    if len(masks) == 4:
        return 0, FIRST_BODY + tetrahedron
    ends = [mask ^ masks[0] for mask in masks[1:]]
    if len(ends) == 1:
        return masks[0], EDGES.index(ends[0])
    return masks[0], FIRST_FACE + FACES.index((ends[0], ends[1]))


def _faces(chain: Sequence[int], triangle: Sequence[frozenset[int]], left: Sequence[int], right: Sequence[int]) -> bool:
    """Whether the triangle, its points in the middle of their elements, faces the right one of two parts."""
    place = np.array([[mask & 1, mask >> 1 & 1, mask >> 2] for mask in chain], dtype=float)
    a, b, c = (place[sorted(corners)].mean(axis=0) for corners in triangle)
    way = place[list(right)].mean(axis=0) - place[list(left)].mean(axis=0)
    return bool(np.cross(b - a, c - a) @ way > 0)
