"""How far a surface lies from the contour that it was made from: everywhere, not at samples.

A few places in a million break a tolerance where samples find none. So each vertex of the contour gets a bound on its
distance from triangles near it (`near.py`), and the few whose bound is too large are measured exactly. The way back is
measured in triangles that these distances make suspect: the feet of the contour's vertices cover the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.surface.merging import Floats, Ints, usual_edge
from surgplan.surface.near import Mesh, Near, near, on_triangles
from surgplan.surface.ruler import Ruler

Bools = NDArray[np.bool_]
Place = tuple[float, Array]

SUSPECT = 0.6
"""A triangle to which a contour's vertex has more than this share of the allowed distance is measured, too."""

VERY_SUSPECT = 0.8
"""With more than this share, its neighbours are, too: the vertex's foot may lie on their common edge."""

MOST_SUSPECT = 20_000
"""No more triangles are measured, the most suspect first: where all of a noisy mesh is, that would take minutes."""

SAME_MM = 1e-4
"""A vertex that moved by less, as rounding to float32 does, stays where it was."""

AT_ONCE = 500
"""So many of the largest bounds are measured exactly at once, to find the largest distance."""

MOST_EXACT = 5_000
"""No more are, for the largest distance."""

ENOUGH_MM = 0.05
"""Nearer than this is near enough, unless told otherwise."""

MIDDLES = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
"""Weights of the middles of the edges that lie opposite to each corner."""


@dataclass(frozen=True)
class Probes:
    """Places of a surface: triangle (k,), weights of its corners (k, 3), the nearest place of the contour (k, 3) mm,
    and how far that is, (k,) mm."""

    triangle: Ints
    weights: Array
    home: Array
    away: Array


@dataclass(frozen=True)
class Seen:
    """A surface with a place near each of the contour's `points`, (n, 3) mm, and with probes of it.

    The points are the contour's vertices, and the middles of those of its triangles that these make suspect. Distances
    beyond `most_mm` are exact.
    """

    surface: Surface
    points: Array
    near: Near
    probes: Probes
    most_mm: float


class Everywhere:
    """A contour made ready for such measurements; `ruler` is its own."""

    def __init__(self, surface: Surface, ruler: Ruler) -> None:
        self.surface, self.ruler = surface, ruler
        self._middle = surface.vertices.mean(axis=0)
        self.points: Floats = (surface.vertices - self._middle).astype(np.float32)
        self.spacing_mm = usual_edge(surface.vertices, surface.triangles)
        self._last: Seen | None = None

    def mesh(self, surface: Surface) -> Mesh:
        """The surface about the contour's middle, as `points` are."""
        return Mesh((surface.vertices - self._middle).astype(np.float32), surface.triangles)

    def placed(self, mesh: Mesh, like: Surface) -> Surface:
        """A mesh about the contour's middle as a surface of the same structure."""
        return like.with_mesh(mesh.vertices + self._middle, mesh.triangles)

    def seen(self, surface: Surface, most_mm: float, enough_mm: float = ENOUGH_MM, told: Near | None = None) -> Seen:
        """The surface as seen from the contour; distances larger than `most_mm` are exact.

        `told` is where the contour's vertices lie on it, when that is known. Where only some vertices differ from the
        surface that was seen before, with the same triangles, only they are looked at.
        """
        last = self._last
        if last is not None and told is None and self._is_known(surface, most_mm):
            moved = np.abs(surface.vertices - last.surface.vertices).max(axis=1) > SAME_MM
            return self.changed(last, surface, np.asarray(moved[surface.triangles].any(axis=1)))
        found = told or near(self.points, self.mesh(surface), self.spacing_mm, enough_mm)
        found = self._exact(surface, self.surface.vertices, found, found.away > most_mm)
        points, found = self._with_middles(surface, found, SUSPECT * most_mm)
        doubt = _doubt(surface, found, most_mm)
        doubt = np.maximum(doubt, doubt[self.mesh(surface).neighbours].max(axis=1) * (SUSPECT / VERY_SUSPECT))
        probes = self._probes(surface, _most_suspect(doubt, SUSPECT * most_mm))
        self._last = Seen(surface, points, found, probes, most_mm)
        return self._last

    def _with_middles(self, surface: Surface, found: Near, far_mm: float) -> tuple[Array, Near]:
        """The contour's vertices, and the middles of its triangles that have a corner farther than `far_mm`."""
        there = _most_suspect(found.away[self.surface.triangles].max(axis=1), far_mm)
        middles = self.surface.vertices[self.surface.triangles[there]].mean(axis=1)
        count = len(middles)
        none = Near(np.full(count, -1, np.int32), np.zeros((count, 3), np.float32), np.zeros(count, np.float32))
        more = self._exact(surface, middles, none, none.triangle < 0)
        both = (np.concatenate(pair) for pair in zip(vars(found).values(), vars(more).values(), strict=True))
        return np.concatenate([self.surface.vertices, middles]), Near(*both)

    def changed(self, before: Seen, surface: Surface, there: Bools) -> Seen:
        """What was seen before, after the triangles that are `there`, (m,), have changed; new ones come last."""
        found = before.near
        found = self._exact(surface, before.points, found, there[found.triangle] | (found.triangle < 0))
        old, new = before.probes, self._probes(surface, there)
        stay = ~there[old.triangle]
        pairs = zip(vars(old).values(), vars(new).values(), strict=True)
        joined = (np.concatenate([one[stay], two]) for one, two in pairs)
        self._last = Seen(surface, before.points, found, Probes(*joined), before.most_mm)
        return self._last

    def _is_known(self, surface: Surface, most_mm: float) -> bool:
        """Whether a surface with the same triangles was the last to be seen, as exactly."""
        last = self._last
        if last is None or last.most_mm > most_mm or len(last.surface.vertices) != len(surface.vertices):
            return False
        return np.array_equal(last.surface.triangles, surface.triangles)

    def _exact(self, surface: Surface, points: Array, found: Near, chosen: Bools) -> Near:
        """The same with the nearest places to the chosen ones of the points."""
        numbers = np.flatnonzero(chosen)
        if not len(numbers):
            return found
        triangle, weights, away = found.triangle.copy(), found.weights.copy(), found.away.copy()
        places, triangle[numbers] = Ruler(surface.vertices, surface.triangles).places(points[numbers])
        away[numbers] = np.linalg.norm(places - points[numbers], axis=1)
        at = (places - self._middle).astype(np.float32)
        weights[numbers], _ = on_triangles(at, triangle[numbers], self.mesh(surface))
        return replace(found, triangle=triangle, weights=weights, away=away)

    def _probes(self, surface: Surface, chosen: Bools) -> Probes:
        """Probes at the corners, at the middles of the edges and in the middle of the chosen triangles."""
        numbers = np.flatnonzero(chosen).astype(np.int32)
        _, first = np.unique(surface.triangles[numbers], return_index=True)
        triangle, weights = [numbers[first // 3], numbers], [np.eye(3)[first % 3], np.full((len(numbers), 3), 1 / 3)]
        beyond = self.mesh(surface).neighbours[numbers] if len(numbers) else np.empty((0, 3), np.int32)
        for corner in range(3):
            once = numbers[~chosen[beyond[:, corner]] | (beyond[:, corner] > numbers)]
            triangle.append(once)
            weights.append(np.tile(MIDDLES[corner], (len(once), 1)))
        owner, share = np.concatenate(triangle), np.concatenate(weights)
        places = np.einsum("ij,ijk->ik", share, surface.vertices[surface.triangles[owner]])
        home, _ = self.ruler.places(places)
        return Probes(owner, share, home, np.linalg.norm(places - home, axis=1))

    def farthest(self, surface: Surface) -> tuple[Place, Place]:
        """The largest distance, mm, and its place: from the surface to the contour, and from the contour to it."""
        if not self._is_known(surface, np.inf):
            found = near(self.points, self.mesh(surface), self.spacing_mm, ENOUGH_MM)
            most = float(np.sort(found.away)[-min(len(found.away), AT_ONCE)])
            self.seen(surface, most, told=found)
        seen = self.seen(surface, np.inf)
        order = np.argsort(seen.near.away)[::-1][:MOST_EXACT]
        ruler, away = Ruler(surface.vertices, surface.triangles), np.empty(0)
        for first in range(0, len(order), AT_ONCE):
            away = np.concatenate([away, ruler(seen.points[order[first : first + AT_ONCE]])])
            if first + AT_ONCE < len(order) and away.max() >= seen.near.away[order[first + AT_ONCE]]:
                break
        back = int(away.argmax())
        there: Place = (float(away[back]), seen.points[order[back]])
        if not len(seen.probes.away):
            return (0.0, surface.vertices[0]), there
        out = int(seen.probes.away.argmax())
        corners = surface.vertices[surface.triangles[seen.probes.triangle[out]]]
        return (float(seen.probes.away[out]), seen.probes.weights[out] @ corners), there


def _doubt(surface: Surface, found: Near, most_mm: float) -> Floats:
    """(m,) how far, mm, a vertex of the contour is whose foot lies in each triangle, at the most.

    `most_mm` where no foot lies round a corner.
    """
    doubt = np.zeros(len(surface.triangles), np.float32)
    there = found.triangle >= 0
    np.maximum.at(doubt, found.triangle[there], found.away[there])
    bare = np.ones(len(surface.vertices), dtype=bool)
    bare[surface.triangles[doubt > 0]] = False
    doubt[bare[surface.triangles].any(axis=1)] = most_mm
    return doubt


def _most_suspect(doubt: Floats, far_mm: float) -> Bools:
    """(m,) which have more doubt than `far_mm`, those with most where they are too many."""
    if np.count_nonzero(doubt > far_mm) > MOST_SUSPECT:
        far_mm = float(np.partition(doubt, -MOST_SUSPECT)[-MOST_SUSPECT])
    return np.asarray(doubt > far_mm)
