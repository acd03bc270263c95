"""How far a straight line from one point to another keeps from a triangle mesh: exact, on the triangles themselves.

The shortest way between a line segment and a triangle starts or ends at an end of the segment, or joins the segment to
an edge of the triangle, unless the segment goes through the triangle (Ericson, "Real-time collision detection", 2005,
5.1.9 and 5.1.10). Triangles that cannot be the nearest are left out beforehand: no point of a triangle is farther from
its centre than its farthest corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.surface import Surface


@dataclass(frozen=True, eq=False)
class Nearest:
    """Where a segment is nearest to a mesh.

    `distance_mm` is 0 where it goes through the mesh or lies within it; `on_segment`, `on_mesh` (3,) mm are the two
    nearest places; `inside_mm` is the length of the segment within the closed mesh.
    """

    distance_mm: float
    on_segment: Array
    on_mesh: Array
    inside_mm: float


@dataclass(frozen=True, eq=False)
class Triangles:
    """A mesh's triangles (m, 3, 3) with centre (m, 3) and radius (m,) of each, mm: made once for many segments."""

    corners: Array
    middles: Array
    reach: Array

    @classmethod
    def of(cls, surface: Surface) -> Triangles:
        """Those of a surface."""
        corners = surface.corners
        middles = corners.mean(axis=1)
        return cls(corners, middles, np.sqrt(((corners - middles[:, None]) ** 2).sum(axis=2).max(axis=1)))

    def near(self, start: Array, end: Array) -> Array:
        """(k, 3, 3) those that may be the nearest: centres lie on their triangles, so the nearest is a bound."""
        apart = self.middles - _on_segment(start, end, self.middles)
        away: Array = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        near: Array = self.corners[away - self.reach <= away.min() + 1e-9]
        return near

    def distance(self, start: Array, end: Array) -> float:
        """How far the segment keeps from the triangles, mm; 0 where it goes through one, but not within."""
        near = self.near(start, end)
        return 0.0 if len(crossing_shares(start, end - start, near)) else _by_ends_and_edges(start, end, near)[0]


def nearest_to_segment(start: Array, end: Array, surface: Surface) -> Nearest:
    """The shortest distance between the segment from `start` to `end`, (3,) mm, and a mesh in the same frame.

    Raises
    ------
    ValueError
        The mesh has no triangles, or the segment no length.
    """
    corners, step = surface.corners, end - start
    if not len(corners) or not step.any():
        raise ValueError("a distance needs triangles and a segment with a length")
    near = Triangles.of(surface).near(start, end)
    distance, on_segment, on_mesh = _by_ends_and_edges(start, end, near)
    crossings = crossing_shares(start, step, near)
    inside = _length_inside(start, step, corners, crossings)
    if len(crossings):
        on_segment = on_mesh = start + crossings[0] * step
        distance = 0.0
    return Nearest(0.0 if inside > 0 else distance, on_segment, on_mesh, inside)


def _on_segment(start: Array, end: Array, places: Array) -> Array:
    """(n, 3) the points of the segment that are nearest to places (n, 3)."""
    step = end - start
    share = np.clip((places - start) @ step / (step @ step), 0.0, 1.0)
    return np.asarray(start + share[:, None] * step)


def _by_ends_and_edges(start: Array, end: Array, corners: Array) -> tuple[float, Array, Array]:
    """Distance, place on the segment, place on the mesh; crossings apart."""
    pairs = [_between_segments(start, end, corners[:, n], corners[:, (n + 1) % 3]) for n in range(3)]
    pairs += [(np.broadcast_to(place, (len(corners), 3)), _on_plane(place, corners)) for place in (start, end)]
    ours, theirs = (np.concatenate(each) for each in zip(*pairs, strict=True))
    away = np.linalg.norm(ours - theirs, axis=1)
    best = int(np.nanargmin(away))
    return float(away[best]), ours[best], theirs[best]


def _between_segments(start: Array, end: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Nearest places on the segment and on each of the edges from `first` to `second`, (m, 3). Ericson 5.1.9."""
    step, edges, gap = end - start, second - first, start - first
    a, e = float(step @ step), np.maximum((edges**2).sum(axis=1), 1e-300)
    b, c, f = edges @ step, gap @ step, (edges * gap).sum(axis=1)
    slope = a * e - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(slope > 1e-12 * a * e, np.clip((b * f - c * e) / slope, 0, 1), 0.0)
    other = (b * share + f) / e
    share = np.where(other < 0, np.clip(-c / a, 0, 1), np.where(other > 1, np.clip((b - c) / a, 0, 1), share))
    other = np.clip(other, 0, 1)
    return start + share[:, None] * step, first + other[:, None] * edges


def _on_plane(place: Array, corners: Array) -> Array:
    """(m, 3) the foot of the perpendicular on each triangle's plane; NaN where it lies outside of the triangle."""
    a = corners[:, 0]
    one, two = corners[:, 1] - a, corners[:, 2] - a
    normal = np.cross(one, two)
    square = np.maximum((normal**2).sum(axis=1), 1e-300)
    foot = place - ((place - a) * normal).sum(axis=1)[:, None] / square[:, None] * normal
    v = (np.cross(foot - a, two) * normal).sum(axis=1) / square
    w = (np.cross(one, foot - a) * normal).sum(axis=1) / square
    return np.where(((v >= 0) & (w >= 0) & (v + w <= 1))[:, None], foot, np.nan)


def crossing_shares(start: Array, step: Array, corners: Array) -> Array:
    """Where the segment from `start` goes through triangles (m, 3, 3): shares of `step`, sorted.

    Source: Möller and Trumbore, "Fast, minimum storage ray/triangle intersection", 1997.
    """
    a = corners[:, 0]
    one, two = corners[:, 1] - a, corners[:, 2] - a
    across = np.cross(step, two)
    flat = (one * across).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = start - a
        u = (gap * across).sum(axis=1) / flat
        turned = np.cross(gap, one)
        v, share = turned @ step / flat, (two * turned).sum(axis=1) / flat
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (share >= 0) & (share <= 1)
    return np.sort(share[hit])


def _length_inside(start: Array, step: Array, corners: Array, crossings: Array) -> float:
    """Length of the segment within the mesh: each piece between crossings is inside or outside as its middle is."""
    ends = np.concatenate([[0.0], crossings, [1.0]])
    widths = np.diff(ends)
    pieces = widths > 1e-9
    middles = start + ((ends[:-1] + ends[1:]) / 2)[pieces, None] * step
    inside = np.array([winding(place, corners) > 0.5 for place in middles], dtype=bool)
    return float((widths[pieces] * inside).sum() * np.linalg.norm(step))


def winding(place: Array, corners: Array) -> float:
    """How often the mesh goes round a place: 1 within a closed mesh that faces outward, 0 outside.

    Source: Van Oosterom and Strackee, "The solid angle of a plane triangle", 1983.
    """
    a, b, c = (corners - place).transpose(1, 0, 2)
    la, lb, lc = (np.linalg.norm(each, axis=1) for each in (a, b, c))
    dot: Any = np.einsum
    above = dot("ij,ij->i", a, np.cross(b, c))
    below = la * lb * lc + dot("ij,ij->i", a, b) * lc + dot("ij,ij->i", b, c) * la + dot("ij,ij->i", c, a) * lb
    return float(np.arctan2(above, below).sum() / (2 * np.pi))
