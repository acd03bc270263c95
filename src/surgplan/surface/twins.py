"""Edges of a closed mesh in pairs: each runs through two triangles, in opposite directions.

The directed edge `3 t + c` leads from corner `c` of triangle `t` to its next corner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


def twins(triangles: Ints, vertices: int) -> Ints | None:
    """(3 m,) for each directed edge of the triangles, (m, 3), the one that runs back.

    None where an edge has none, or several: the mesh is open there, or not manifold, or two triangles disagree on the
    side.
    """
    start, end = triangles.ravel(), np.take(triangles, (1, 2, 0), axis=1).ravel()
    up, down = np.flatnonzero(start < end), np.flatnonzero(start > end)
    if len(up) != len(down) or 2 * len(up) != len(start):
        return None
    one, upward = _sorted(up, start, end, vertices)
    two, downward = _sorted(down, end, start, vertices)
    if not np.array_equal(upward, downward) or (upward[1:] == upward[:-1]).any():
        return None
    twin = np.empty(len(start), np.int32)
    twin[one], twin[two] = two, one
    return twin


def _sorted(edges: NDArray[np.int64], low: Ints, high: Ints, vertices: int) -> tuple[Ints, NDArray[np.int64]]:
    """The edges sorted by their lower vertex, then by the higher one, and a number for both."""
    key = np.take(low, edges).astype(np.int64)
    key *= vertices
    key += np.take(high, edges)
    order = np.argsort(key)
    return np.take(edges, order).astype(np.int32), np.take(key, order)


def fans_of(twin: Ints, triangles: Ints, vertices: int) -> Ints:
    """(n,) number of fans of triangles round each vertex of a closed mesh.

    From a corner, the edge that ends there leads to the next corner round the vertex. Corners take the lowest number
    within ever longer ways, each twice as long as the one before, until all of a round have the same.
    """
    following = np.take(twin.reshape(-1, 3), (2, 0, 1), axis=1).ravel()
    number = np.arange(len(twin), dtype=np.int32)
    lowest = number
    while True:
        reached = np.minimum(lowest, np.take(lowest, following))
        if np.array_equal(reached, lowest):
            break
        lowest, following = reached, np.take(following, following)
    return np.bincount(triangles.ravel()[lowest == number], minlength=vertices).astype(np.int32)
