"""Where to enter for a target: entries over a patch of a surface, held against limits, ranked by what they keep clear.

Thousands of entries are sifted by distances to points that lie densely on the structures to avoid; those that come out
best are then measured exactly, and only they are told with their figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.model.frames import LPS, Array
from surgplan.model.points import Trajectory
from surgplan.model.surface import Surface
from surgplan.navigation.segment_distance import Nearest, Triangles, nearest_to_segment, winding
from surgplan.navigation.trajectories import find_corridor
from surgplan.params import Params

GRAIN_MM = 1.0
"""Points on the structures lie this close; a distance of 3 mm comes out at most 0.06 mm too long in the sifting."""

LEAST_STEP_MM = 1.0
"""A path is followed in steps of the distance at hand, but no smaller ones than this."""

COARSE_MM = 2.0
"""Cells of the grid that tells from afar that nothing is near."""

NEARLY = 0.01
"""Nearest points may be this share farther than the nearest one: the exact measurement follows."""

MOST_EXACT = 200
"""So many entries are measured exactly before giving up."""

SEED = 20_240_229


class SearchParams(Params):
    """Which entries are allowed, and how many are told."""

    entries: int = Field(10_000, ge=10, le=1_000_000, description="how many entries over the patch are tried")
    best: int = Field(10, ge=1, le=1000, description="how many are told")
    apart_mm: float = Field(5.0, ge=0, le=100, description="entries told lie this far apart, in mm")
    max_length_mm: float = Field(150.0, gt=0, le=1000, description="longest path, in mm")
    max_angle_deg: float = Field(45.0, gt=0, le=90, description="largest angle to the surface's inward normal, in °")
    margin_mm: float = Field(3.0, ge=0, le=100, description="distance to keep from each structure to avoid, in mm")
    enough_mm: float = Field(
        10.0, gt=0, le=100, description="more clearance than this is no better: shorter wins, in mm"
    )
    diameter_mm: float = Field(0.0, ge=0, le=50, description="diameter of the instrument, in mm")
    tre_mm: float = Field(0.0, ge=0, le=50, description="registration error to expect (root mean square), in mm")


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry measured exactly: (3,) LPS mm, its angle, and the nearest place of each structure to avoid."""

    place: Array
    length_mm: float
    angle_deg: float
    clearance_mm: float
    nearest: Mapping[str, Nearest]


@dataclass(frozen=True, eq=False)
class Search:
    """The best entries, best first, and why the others are out: counts by reason."""

    target: Array
    best: tuple[Entry, ...]
    tried: int
    counts: Mapping[str, int]

    def trajectories(self, params: SearchParams) -> list[Trajectory]:
        """The entries as paths, named by their rank."""
        names = tuple(self.best[0].nearest) if self.best else ()
        made = Trajectory("entry", self.target + 1, self.target, LPS, names, params.margin_mm, params.diameter_mm)
        return [replace(made, name=f"entry-{n}", entry=each.place) for n, each in enumerate(self.best, 1)]


def search_entries(
    target: Array,
    patch: Surface,
    avoid: Mapping[str, Surface],
    params: SearchParams,
    middle: Array | None = None,
    radius_mm: float = np.inf,
) -> Search:
    """Try entries over a patch and rank those that keep all limits.

    Parameters
    ----------
    target:
        (3,) LPS mm.
    patch:
        Skin or bone; entries lie anywhere on it, or within `radius_mm` of `middle`, (3,) mm.
    avoid:
        Name and surface of each structure to keep away from.
    params:
        Limits.

    Raises
    ------
    BadInput
        The patch holds no triangle, or the target lies within the margin of a structure to avoid: no entry helps then.
    """
    half = _half_width(params, target)
    _refuse_target(target, avoid, params.margin_mm + half)
    places, normals = _sampled(patch, params.entries, middle, radius_mm)
    steps = target - places
    lengths = np.linalg.norm(steps, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        angles = np.degrees(np.arccos(np.clip(-(steps * normals).sum(axis=1) / lengths, -1, 1)))
    short = (lengths > 0) & (lengths <= params.max_length_mm)
    straight = short & (angles <= params.max_angle_deg)
    clear = np.full(len(places), -np.inf)
    clear[straight] = clearances(target, places[straight], avoid, params.margin_mm + half, params.enough_mm + half)
    clear -= half
    kept = np.flatnonzero(clear >= params.margin_mm)
    counts = {
        "too long": int((~short).sum()),
        "too oblique": int((short & ~straight).sum()),
        "too near": int(straight.sum()) - len(kept),
        "allowed": len(kept),
    }
    worth = np.round(np.minimum(clear[kept], params.enough_mm), 1)
    ranked = kept[np.lexsort((lengths[kept], -worth))]
    best = _exact(target, places, angles, ranked, avoid, params, half)
    return Search(target, best, len(places), counts)


def _half_width(params: SearchParams, target: Array) -> float:
    """Instrument and corridor, from the axis, mm."""
    corridor = find_corridor(Trajectory("any", target + 1, target), params.tre_mm)
    return params.diameter_mm / 2 + (corridor.radius_mm if corridor else 0.0)


def _refuse_target(target: Array, avoid: Mapping[str, Surface], limit_mm: float) -> None:
    from surgplan.surface.ruler import Ruler

    for name, surface in avoid.items():
        away = float(Ruler(surface.vertices, surface.triangles)(target[None])[0])
        inside = winding(target, surface.corners) > 0.5
        if inside or away < limit_mm:
            told = f"lies {'within' if inside else f'{away:.2f} mm from'} {name}, which is to be avoided"
            raise BadInput("target", told, f"{limit_mm:.2f} mm", "No entry helps: move the target or lower the margin")


def _sampled(patch: Surface, count: int, middle: Array | None, radius_mm: float) -> tuple[Array, Array]:
    """(n, 3) places spread evenly over the patch, by area, and the outward normals there."""
    corners = patch.corners
    if middle is not None:
        corners = corners[np.linalg.norm(corners.mean(axis=1) - middle, axis=1) <= radius_mm]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(across, axis=1)
    if not len(corners) or not areas.any():
        found = "no part of it lies in the patch" if len(patch.triangles) else "has no triangles"
        raise BadInput(patch.label.name, found, advice="Name another middle, or a larger radius")
    rng = np.random.default_rng(SEED)
    # one random place in each of `count` equal shares of the area: no clumps, no holes
    share = (np.arange(count) + rng.random(count)) / count
    picked = np.minimum(np.searchsorted(np.cumsum(areas) / areas.sum(), share), len(corners) - 1)
    u, v = rng.random((2, count))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = corners[picked].transpose(1, 0, 2)
    places = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    return places, across[picked] / areas[picked, None]


def clearances(target: Array, places: Array, avoid: Mapping[str, Surface], limit: float, enough: float) -> Array:
    """(n,) about the distance of the axis from each place, (n, 3), to the target to all that is to be avoided, mm.

    -inf for paths that come nearer than the limit, and `enough` for those that keep at least so far away. From a place
    that is d away nothing can come nearer than d − s within a step s: so steps are as long as they can be.
    """
    from scipy.spatial import cKDTree

    lengths = np.linalg.norm(places - target, axis=1)
    reach = float(lengths.max(initial=0.0)) + enough
    points = [_points_on(surface, target, reach) for surface in avoid.values()]
    found = np.full(len(places), enough)
    dense = np.concatenate(points) if points else np.empty((0, 3))
    if not len(dense):
        return found
    tree, coarse = cKDTree(dense), _Coarse.of(dense, enough)
    away = (places - target) / np.maximum(lengths, 1e-12)[:, None]
    at, rows = np.zeros(len(places)), np.arange(len(places))
    while len(rows):
        here = target + at[rows, None] * away[rows]
        near = coarse.at_least(here)
        # only where the grid cannot tell that it is far enough, the points themselves are asked
        close = near < found[rows]
        most = float(found[rows[close]].max(initial=0.0)) + LEAST_STEP_MM
        near[close] = np.minimum(tree.query(here[close], eps=NEARLY, distance_upper_bound=most)[0], most)
        found[rows] = np.where(near < limit, -np.inf, np.minimum(found[rows], near))
        alive = (near >= limit) & (at[rows] < lengths[rows])
        rows, near = rows[alive], near[alive]
        at[rows] = np.minimum(at[rows] + np.maximum(near - found[rows], LEAST_STEP_MM), lengths[rows])
    return found


@dataclass(frozen=True, eq=False)
class _Coarse:
    """Distances to points on a coarse grid, from which a distance can be told to be at least so long."""

    origin: Array
    away: NDArray[np.float32]
    beyond: float

    @classmethod
    def of(cls, points: Array, enough: float) -> _Coarse:
        """A grid that holds the points and `enough` mm round them."""
        from scipy.ndimage import distance_transform_edt

        origin = points.min(axis=0) - enough - COARSE_MM
        cells = ((points - origin) / COARSE_MM).astype(int)
        size = cells.max(axis=0) + int(enough / COARSE_MM) + 3
        free = np.ones(size, dtype=bool)
        free[tuple(cells.T)] = False
        # both the point and the place asked for lie anywhere in their cells
        away = distance_transform_edt(free).astype(np.float32) * COARSE_MM - np.sqrt(3) * COARSE_MM
        return cls(origin, away, enough)

    def at_least(self, places: Array) -> Array:
        """(n,) mm; nothing lies nearer to the places (n, 3) than this."""
        cells = ((places - self.origin) / COARSE_MM).astype(int)
        inside = ((places >= self.origin) & (cells < self.away.shape)).all(axis=1)
        found = np.full(len(places), self.beyond)
        found[inside] = self.away[tuple(cells[inside].T)]
        return found


def _points_on(surface: Surface, target: Array, reach: float) -> Array:
    """(n, 3) points on the triangles within reach of the target, `GRAIN_MM` apart or closer."""
    corners = surface.corners
    middles = corners.mean(axis=1)
    radius = np.linalg.norm(corners - middles[:, None], axis=2).max(axis=1)
    corners = corners[np.linalg.norm(middles - target, axis=1) - radius <= reach]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1, initial=0.0)
    parts: NDArray[np.int64] = np.maximum(np.ceil(longest / GRAIN_MM), 1).astype(np.int64)
    made = [np.empty((0, 3))]
    for count in np.unique(parts).tolist():
        i, j = np.array([(i, j) for i in range(count + 1) for j in range(count + 1 - i)]).T / count
        weights = np.stack([i, j, 1 - i - j], axis=1)
        made.append(np.einsum("wc,mcx->mwx", weights, corners[parts == count]).reshape(-1, 3))
    points = np.concatenate(made)
    # neighbours share corners and edges: one point for each cell of half a grain
    cells = np.floor(points / (GRAIN_MM / 2)).astype(np.int64)
    x, y, z = (cells - cells.min(axis=0, initial=0)).T  # a million cells along each axis have room in one number
    first: Any = np.unique((x << 40) + (y << 20) + z, return_index=True)[1]
    return np.asarray(points[first], np.float64)


def _exact(
    target: Array,
    places: Array,
    angles: Array,
    ranked: NDArray[np.int64],
    avoid: Mapping[str, Surface],
    params: SearchParams,
    half: float,
) -> tuple[Entry, ...]:
    """The best entries that lie apart and keep the margin when measured exactly, best first."""
    chosen: list[Entry] = []
    left, limit = ranked, params.margin_mm + half
    triangles = [Triangles.of(surface) for surface in avoid.values()] if len(ranked) else []
    for _ in range(MOST_EXACT):
        if not len(left) or len(chosen) == params.best:
            break
        at, left = left[0], left[1:]
        # what is too near is found without asking for the length within, which takes ten times as long
        if any(each.distance(places[at], target) < limit for each in triangles):
            continue
        near = {name: nearest_to_segment(places[at], target, surface) for name, surface in avoid.items()}
        clear = min((each.distance_mm for each in near.values()), default=np.inf) - half
        if clear < params.margin_mm or any(each.distance_mm == 0 for each in near.values()):
            continue
        length = float(np.linalg.norm(places[at] - target))
        chosen.append(Entry(places[at], length, float(angles[at]), float(clear), near))
        left = left[np.linalg.norm(places[left] - places[at], axis=1) >= params.apart_mm]
    return tuple(sorted(chosen, key=lambda each: _order(each, params)))


def _order(entry: Entry, params: SearchParams) -> tuple[float, float]:
    return -round(min(entry.clearance_mm, params.enough_mm), 1), entry.length_mm


def entry_map(target: Array, patch: Surface, avoid: Mapping[str, Surface], params: SearchParams) -> Array:
    """(n,) about the clearance of the path from each vertex of the patch, mm; −1 where no entry is allowed.

    As in the sifting: within about a quarter of a millimetre, and no more than `enough_mm`. Angles are not looked at.
    """
    half = _half_width(params, target)
    lengths = np.linalg.norm(patch.vertices - target, axis=1)
    found = np.full(len(lengths), -1.0)
    short = (lengths > 0) & (lengths <= params.max_length_mm)
    limit, enough = params.margin_mm + half, params.enough_mm + half
    clear = clearances(target, patch.vertices[short], avoid, limit, enough) - half
    found[short] = np.where(clear >= params.margin_mm, clear, -1.0)
    return found
