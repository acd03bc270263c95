"""Small holes of a mesh closed with the fewest, smallest triangles: no vertex is added or moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

Ints = NDArray[np.int32]

MOST_EDGES = 100
"""A hole with more border edges is not small: the work grows with the third power of their number."""


def border_loops(triangles: Ints) -> list[list[int]]:
    """The closed lines along which a mesh is open, each against the direction of its triangles and without repeats.

    Edges that more than two triangles share are no border.
    """
    if not len(triangles):
        return []
    start = triangles.ravel().astype(np.int64)
    end = np.roll(triangles, -1, axis=1).ravel().astype(np.int64)
    size = int(triangles.max()) + 1
    key = np.minimum(start, end) * size + np.maximum(start, end)
    _, inverse, uses = np.unique(key, return_inverse=True, return_counts=True)
    open_ = uses[inverse] == 1
    after: dict[int, list[int]] = {}
    for here, there in zip(end[open_].tolist(), start[open_].tolist(), strict=True):
        after.setdefault(here, []).append(there)
    loops = []
    while after:
        path = [next(iter(after))]
        place = {path[0]: 0}
        while path:
            onward = after.get(path[-1])
            if not onward:
                path = []  # it ends at an edge of three or more triangles: no loop
                break
            there = onward.pop()
            if not onward:
                del after[path[-1]]
            if there in place:
                loops.append(path[place[there] :])
                for vertex in path[place[there] + 1 :]:
                    del place[vertex]
                path = path[: place[there] + 1]
                if len(path) == 1 and path[0] not in after:
                    break
            else:
                place[there] = len(path)
                path.append(there)
    return [loop for loop in loops if len(loop) >= 3]


@dataclass(frozen=True, order=True)
class Widest:
    """The widest hole that was closed: its width and its middle, mm in the frame of the mesh."""

    wide_mm: float = 0.0
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __str__(self) -> str:
        return f"{self.wide_mm:.2f} mm at ({', '.join(f'{value:z.1f}' for value in self.place)})"


def hole_patches(vertices: Array, triangles: Ints, most_mm: float) -> tuple[Ints, Widest]:
    """(k, 3) triangles that close the holes with borders of at most `MOST_EDGES` edges that are at most `most_mm` wide.

    Also tells the widest one that was closed.
    """
    patches: list[Ints] = []
    widest = Widest()
    loops = border_loops(triangles)
    taken = _edges_among(triangles, np.unique(np.concatenate([np.array(loop) for loop in loops]))) if loops else set()
    for loop in loops:
        corners = vertices[loop]
        wide = float(np.linalg.norm(corners[:, None] - corners[None], axis=2).max()) if len(loop) <= MOST_EDGES else 0.0
        if len(loop) > MOST_EDGES or wide > most_mm:
            continue
        patch = _least_area(corners, np.array(loop, dtype=np.int32), taken)
        if patch is None:
            continue
        taken |= {
            tuple(sorted(edge)) for face in patch.tolist() for edge in zip(face, face[1:] + face[:1], strict=True)
        }
        patches.append(patch)
        widest = max(widest, Widest(wide, tuple(corners.mean(axis=0).tolist())))
    return (np.concatenate(patches) if patches else np.empty((0, 3), np.int32)), widest


def _edges_among(triangles: Ints, chosen: NDArray[np.int64]) -> set[tuple[int, ...]]:
    """The edges, lower vertex first, of which both ends are chosen."""
    there = np.zeros(int(triangles.max()) + 1, dtype=bool)
    there[chosen] = True
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.sort(edges[there[edges].all(axis=1)], axis=1)
    return {tuple(edge) for edge in edges.tolist()}


def _least_area(corners: Array, loop: Ints, taken: set[tuple[int, ...]]) -> Ints | None:
    """(n − 2, 3) the triangulation of a closed line of n vertices with the least area; None when there is none.

    No inner edge of it is one that the mesh has already.

    Source: Barequet and Sharir, "Filling gaps in the boundary of a polyhedron", CAGD 12, 1995.
    """
    n = len(loop)
    a, b, c = corners[:, None, None], corners[None, :, None], corners[None, None, :]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=3)
    least = np.full((n, n), np.inf)
    via = np.zeros((n, n), dtype=int)
    least[np.arange(n - 1), np.arange(1, n)] = 0.0
    for gap in range(2, n):
        for i in range(n - gap):
            k = i + gap
            closing = gap == n - 1
            if not closing and tuple(sorted((int(loop[i]), int(loop[k])))) in taken:
                continue
            between = least[i, i + 1 : k] + least[i + 1 : k, k] + area[i, i + 1 : k, k]
            best = int(between.argmin())
            least[i, k], via[i, k] = between[best], i + 1 + best
    if not np.isfinite(least[0, n - 1]):
        return None
    faces, todo = [], [(0, n - 1)]
    while todo:
        i, k = todo.pop()
        if k - i > 1:
            j = int(via[i, k])
            faces.append((loop[i], loop[j], loop[k]))
            todo += [(i, j), (j, k)]
    return np.array(faces, dtype=np.int32)
