"""A tolerance kept everywhere: the few places of a simplified surface that break it are put back, one by one.

Simplifying bounds each of its steps, but not their sum. Going back a step for the sake of a dozen places would double
the number of triangles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.surface.balance import balanced
from surgplan.surface.everywhere import Everywhere, Seen
from surgplan.surface.near import Near, near, on_triangles
from surgplan.surface.ruler import Ruler

MOST_SHARE = 0.01
"""With more places out of tolerance than this share of the contour's vertices, the surface is too coarse to mend."""

FEWER_AFTER = 4
"""So many rounds may uncover more than they put back."""

ASKED = 1_000
"""So many of those that seem too far are measured, to tell how many are."""

ROUNDS = 10
"""How often places are put back and looked at again, at the most; no more when they do not become fewer."""

BACK = 0.9
"""The surface goes to within this share of the tolerance of what it cuts off; all the way would bring back the noise
that made it stand out. What it has too much goes all the way: new triangles round it stand out, too."""

AT_CORNER, AT_EDGE = 0.85, 0.1
"""With a corner's weight above the one, the corner is moved; with one below the other, the edge is divided."""

MARGIN = 0.95
"""The share of the tolerance that is kept at the places that are looked at: between them it is up to 4 % more."""

BALANCE = 0.3
"""Share of the tolerance by which vertices may go to where the contour lies round them."""

ENOUGH = 0.4
"""Share of the tolerance that is near enough to ask no more."""


def settled(surface: Surface, contour: Everywhere, most_mm: float) -> Surface | None:
    """The surface put amidst the contour's vertices, and within `most_mm` of it everywhere; None when it is too coarse.

    Both ways: no place of the surface lies farther from the contour, and no vertex of the contour from the surface.
    """
    most_mm *= MARGIN
    mesh = contour.mesh(surface)
    found = near(contour.points, mesh, contour.spacing_mm, ENOUGH * most_mm)
    mesh = balanced(contour.points, found, mesh, most_mm, BALANCE * most_mm)
    weights, away = on_triangles(contour.points, found.triangle, mesh)
    away[found.triangle < 0] = np.inf
    placed = contour.placed(mesh, surface)
    if _too_many(contour, placed, away, most_mm):
        return None
    return _kept(contour.seen(placed, most_mm, told=Near(found.triangle, weights, away)), contour, most_mm)


def kept(surface: Surface, contour: Everywhere, most_mm: float) -> Surface | None:
    """The surface within `most_mm` of the contour everywhere, both ways; None when that is beyond mending."""
    most_mm *= MARGIN
    return _kept(contour.seen(surface, most_mm, ENOUGH * most_mm), contour, most_mm)


def _too_many(contour: Everywhere, surface: Surface, away: NDArray[np.float32], most_mm: float) -> bool:
    """Whether more vertices of the contour than can be mended are too far from the surface, as some of them tell."""
    far = np.flatnonzero(away > most_mm)
    if len(far) <= MOST_SHARE * len(away):
        return False
    some = far[:: max(1, len(far) // ASKED)]
    really = Ruler(surface.vertices, surface.triangles)(contour.surface.vertices[some]) > most_mm
    return bool(really.mean() * len(far) > MOST_SHARE * len(away))


def _kept(seen: Seen, contour: Everywhere, most_mm: float) -> Surface | None:
    left: list[int] = []
    for turn in range(ROUNDS):
        far, out = np.flatnonzero(seen.near.away > most_mm), np.flatnonzero(seen.probes.away > most_mm)
        if not len(far) and not len(out):
            return seen.surface
        left.append(len(far) + len(out))
        if left[-1] > MOST_SHARE * len(contour.points) or (turn > FEWER_AFTER and left[-1] >= max(left[-4:-1])):
            return None
        seen = contour.changed(seen, *_mended(seen, contour, far, out, most_mm, turn % 2 == 1))
    return None


def _mended(
    seen: Seen, contour: Everywhere, far: NDArray[np.int64], out: NDArray[np.int64], most_mm: float, within: bool
) -> tuple[Surface, NDArray[np.bool_]]:
    """The surface brought to within the tolerance of the contour's vertices `far`, and its probes `out` to the contour.

    The farthest first; each triangle is changed at most once. `within`, triangles whose edges lie out get a new corner
    in their middle instead: dividing one edge after the other may go on without end. Also tells which triangles have
    changed, (m,).
    """
    near, probes = seen.near, seen.probes
    triangle = np.concatenate([near.triangle[far], probes.triangle[out]])
    weights = np.concatenate([near.weights[far].astype(np.float64), probes.weights[out]])
    away = np.concatenate([near.away[far], probes.away[out]])
    home = np.concatenate([seen.points[far], probes.home[out]])
    edges = np.flatnonzero((weights == 0.5).sum(axis=1) == 2) if within else out[:0]
    weights[edges] = 1 / 3
    places = np.einsum("ij,ijk->ik", weights, seen.surface.vertices[seen.surface.triangles[triangle]])
    home[edges] = contour.ruler.places(places[edges])[0]
    goal = np.where(np.arange(len(away)) < len(far), BACK * most_mm, 0.0)
    steps = (home - places) * (1 - goal / away)[:, None]
    mending = _Mending(seen.surface, contour.mesh(seen.surface).neighbours)
    for n in np.argsort(-away, kind="stable").tolist():
        mending.draw(int(triangle[n]), weights[n], places[n], steps[n])
    return mending.done()


class _Mending:
    """Places of a surface, moved one by one; no triangle twice."""

    def __init__(self, surface: Surface, neighbours: NDArray[np.int32]) -> None:
        self._surface, self._neighbours = surface, neighbours
        self._triangles, self._vertices = surface.triangles.copy(), surface.vertices.copy()
        self._more_vertices: list[Array] = []
        self._more_triangles: list[tuple[int, int, int]] = []
        self._changed = np.zeros(len(surface.triangles), dtype=bool)
        corners = surface.triangles.ravel()
        self._by_corner = np.argsort(corners, kind="stable")
        self._first = np.searchsorted(corners[self._by_corner], np.arange(len(surface.vertices) + 1))

    def draw(self, triangle: int, weights: Array, place: Array, step: Array) -> None:
        """Move a place of a triangle by a step: as its corner, as a new corner on an edge, or as one within."""
        if self._changed[triangle]:
            return
        if weights.max() > AT_CORNER:
            self._move(int(self._triangles[triangle, weights.argmax()]), step)
        elif weights.min() < AT_EDGE:
            self._divide_edge(triangle, int(weights.argmin()), place + step)
        else:
            self._divide(triangle, place + step)

    def done(self) -> tuple[Surface, NDArray[np.bool_]]:
        """The surface, and which of its triangles have changed or are new, (m,)."""
        vertices = np.concatenate([self._vertices, np.array(self._more_vertices).reshape(-1, 3)])
        more = np.array(self._more_triangles, np.int32).reshape(-1, 3)
        changed = np.concatenate([self._changed, np.ones(len(more), dtype=bool)])
        return self._surface.with_mesh(vertices, np.concatenate([self._triangles, more])), changed

    def _move(self, number: int, step: Array) -> None:
        round_it = self._by_corner[self._first[number] : self._first[number + 1]] // 3
        if not self._changed[round_it].any():
            self._changed[round_it] = True
            self._vertices[number] += step

    def _divide(self, triangle: int, at: Array) -> None:
        """One triangle becomes three, with a new corner."""
        a, b, c = self._triangles[triangle].tolist()
        new = self._add(at)
        self._triangles[triangle] = a, b, new
        self._more_triangles += [(b, c, new), (c, a, new)]
        self._changed[triangle] = True

    def _divide_edge(self, triangle: int, opposite: int, at: Array) -> None:
        """The two triangles beside an edge become four, with a new corner on it."""
        other = int(self._neighbours[triangle, opposite])
        if self._changed[other] or other == triangle:
            return
        start, end = self._triangles[triangle][[(opposite + 1) % 3, (opposite + 2) % 3]].tolist()
        new = self._add(at)
        for side, (one, two) in ((triangle, (start, end)), (other, (end, start))):
            tip = int(self._triangles[side].sum()) - one - two
            self._triangles[side] = tip, one, new
            self._more_triangles.append((tip, new, two))
            self._changed[side] = True

    def _add(self, at: Array) -> int:
        self._more_vertices.append(at)
        return len(self._vertices) + len(self._more_vertices) - 1
