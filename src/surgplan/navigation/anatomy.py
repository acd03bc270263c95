"""Points by definition on a surface: the most anterior place, a tip, the centre of a ball, the axis of a shaft.

Each comes with the standard deviation along each axis that follows from the surface's own error, and from how flat the
surface is there: the top of a dome is known far less well sideways than in height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.errors import BadInput
from surgplan.model.frames import LPS, Array
from surgplan.model.points import Landmark
from surgplan.model.surface import Surface
from surgplan.navigation.icp import target_of

DIRECTIONS = {
    "most-left": (1.0, 0.0, 0.0),
    "most-right": (-1.0, 0.0, 0.0),
    "most-posterior": (0.0, 1.0, 0.0),
    "most-anterior": (0.0, -1.0, 0.0),
    "highest": (0.0, 0.0, 1.0),
    "lowest": (0.0, 0.0, -1.0),
}
"""Unit vectors in LPS."""

RULES = (*DIRECTIONS, "tip", "ball", "shaft")

SURFACE_MM = 0.3
"""Error of a surface from a clinical CT: half a voxel of 0.6 mm. Heights that differ less are the same."""

TIP_MM = 6.0
"""Radius of the patch whose curvature tells a tip: larger than noise, smaller than a mandible's angle."""

SAME_SHARPNESS = 0.98
FEWEST_FOR_BALL, FEWEST_FOR_SHAFT = 50, 100
LEAST_BALL = 0.15
"""Share of the places that lie on the ball: less is chance."""

SEED, TRIES = 20_240_306, 600
TUKEY, ROUNDS = 4.685, 30
TIP_SAMPLES, TIP_PLACES = 40_000, 8_000


@dataclass(frozen=True)
class Near:
    """A part of the surface: what lies within `reach_mm` of `place` (mm)."""

    place: tuple[float, float, float]
    reach_mm: float


def find_anatomical(surface: Surface, name: str, rule: str, near: Near | None = None) -> tuple[Landmark, ...]:
    """The point of a rule on a surface in LPS, or two of them, at both ends, for a shaft's axis.

    Raises
    ------
    BadInput
        An unknown rule, a surface that is not in LPS, nothing near the place, or no ball or shaft there.
    """
    if surface.frame != LPS:
        raise BadInput(surface.label.name, f"lies in {surface.frame}", "LPS", "Directions are those of the patient")
    if rule not in RULES:
        raise BadInput(f"rule {rule}", "is not known", ", ".join(RULES), "Choose one of these")
    target = target_of(surface)
    places, normals = target.places, target.normals
    if near is not None:
        kept = np.linalg.norm(places - np.array(near.place), axis=1) <= near.reach_mm
        places, normals = places[kept], normals[kept]
    if len(places) < FEWEST_FOR_BALL:
        raise BadInput(name, f"{len(places)} places of the surface lie there", f"{FEWEST_FOR_BALL}", "Widen its reach")
    if rule in DIRECTIONS:
        return (_extreme(places, name, rule),)
    if rule == "tip":
        step = max(1, len(places) // TIP_SAMPLES)
        return (_tip(places[::step], normals[::step], name),)
    return (_ball(places, name),) if rule == "ball" else _shaft(places, normals, name)


def _extreme(places: Array, name: str, rule: str) -> Landmark:
    """The middle of all that lies within the surface's error of the extreme."""
    way = np.array(DIRECTIONS[rule])
    height = places @ way
    top = float(height.max())
    cap = places[height >= top - SURFACE_MM]
    middle = cap.mean(axis=0)
    place = middle + (top - middle @ way) * way
    sideways = cap - middle
    sideways = sideways - np.outer(sideways @ way, way)
    # a slanted cap moves by half of its radius when its height is off by the surface's error
    sd = float(np.sqrt(((sideways**2).sum() / len(cap) + SURFACE_MM**2) / 3))
    return Landmark(name, place, LPS, f"{rule} place of the surface", sd)


def _tip(places: Array, normals: Array, name: str) -> Landmark:
    """Where the patch round a place lies farthest behind it: the sharpest convex place.

    For a curvature κ the middle of a patch of radius r lies about κ r² / 4 behind its centre.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(places)
    some = np.arange(len(places))[:: max(1, len(places) // TIP_PLACES)]
    behind = _behind(places, normals, tree, some)
    close = tree.query_ball_point(places[some[int(behind.argmax())]], TIP_MM)
    behind = _behind(places, normals, tree, np.array(close))
    sharpest = np.array(close)[behind >= SAME_SHARPNESS * behind.max()]
    if behind.max() < TIP_MM / 20:
        raise BadInput(name, "the surface has no tip there", advice="Name a place near it: tip@x,y,z,reach")
    middle = places[sharpest].mean(axis=0)
    place = places[sharpest[np.linalg.norm(places[sharpest] - middle, axis=1).argmin()]]
    sd = float(np.sqrt((((places[sharpest] - middle) ** 2).sum(axis=1).mean() + SURFACE_MM**2) / 3))
    return Landmark(name, place, LPS, f"sharpest convex place of the surface, over {TIP_MM:g} mm", sd)


def _behind(places: Array, normals: Array, tree: Any, which: Any) -> Array:
    patches = tree.query_ball_point(places[which], TIP_MM)
    middles = np.array([places[patch].mean(axis=0) for patch in patches])
    facing = np.array([normals[patch].mean(axis=0) for patch in patches])
    length = np.linalg.norm(facing, axis=1, keepdims=True)
    return np.asarray(np.einsum("ni,ni->n", places[which] - middles, facing / np.maximum(length, 1e-9)))


def _ball(places: Array, name: str) -> Landmark:
    """Centre of the ball that most places lie on; the others (neck, inner wall) lose their weight.

    Consensus of random quadruples (Fischler and Bolles 1981), then least squares of the distances (Gander, Golub and
    Strebel 1994) with Tukey's biweight.
    """
    centre, radius = _consensus(places)
    rows, weights, left = places, np.ones(len(places)), np.zeros(len(places))
    for _ in range(ROUNDS):
        away = places - centre
        length = np.linalg.norm(away, axis=1)
        left = length - radius
        weights = np.maximum(1 - (left / (TUKEY * SURFACE_MM)) ** 2, 0.0) ** 2
        if (weights > 0.1).sum() < FEWEST_FOR_BALL:
            break
        rows = np.c_[away / length[:, None], np.ones(len(places))]
        step = np.linalg.lstsq(rows * np.sqrt(weights)[:, None], left * np.sqrt(weights), rcond=None)[0]
        centre, radius = centre + step[:3], radius + float(step[3])
    used = weights > 0.1
    if used.sum() < FEWEST_FOR_BALL or used.mean() < LEAST_BALL or not 1.0 < radius < 500.0:
        found = f"{used.mean():.0%} of the places there lie on one ball"
        raise BadInput(name, found, f"{LEAST_BALL:.0%}", "Name the middle and reach: ball@x,y,z,reach")
    share = f"{used.mean():.0%} of the places"
    text = f"centre of a ball of {radius:.2f} mm radius, fitted to {share}"
    return Landmark(name, centre, LPS, text, _sd(rows, weights))


def _consensus(places: Array) -> tuple[Array, float]:
    """Centre and radius of the ball through four places that most places lie near."""
    rng = np.random.default_rng(SEED)
    four = places[rng.integers(0, len(places), (TRIES, 4))]
    edges = 2 * (four[:, 1:] - four[:, :1])
    sizes = (four[:, 1:] ** 2).sum(axis=2) - (four[:, :1] ** 2).sum(axis=2)
    fit = np.abs(np.linalg.det(edges)) > 1.0
    centres = np.linalg.solve(edges[fit], sizes[fit][..., None])[..., 0]
    radii = np.linalg.norm(four[fit, 0] - centres, axis=1)
    some = places[rng.integers(0, len(places), min(len(places), 1500))]
    off = np.abs(np.linalg.norm(some[None] - centres[:, None], axis=2) - radii[:, None])
    best = int(((off < 2 * SURFACE_MM).sum(axis=1) * (radii < 500.0)).argmax())
    return centres[best], float(radii[best])


def _sd(rows: Array, weights: Array) -> float:
    """Per axis: a surface's errors are the same over some mm, so that not each sample is one of its own."""
    patches = max(6.0, (weights > 0.1).sum() / 40.0)
    normal = rows.T @ (rows * weights[:, None]) / weights.sum() * patches
    return float(np.sqrt(SURFACE_MM**2 * np.trace(np.linalg.pinv(normal)[:3, :3]) / 3))


def _shaft(places: Array, normals: Array, name: str) -> tuple[Landmark, Landmark]:
    """Both ends of the axis of the cylinder that fits: the axis is what the normals are most at right angles to."""
    from scipy.optimize import least_squares

    if len(places) < FEWEST_FOR_SHAFT:
        raise BadInput(name, f"{len(places)} places of the surface lie there", f"{FEWEST_FOR_SHAFT}", "Widen its reach")
    middle = places.mean(axis=0)
    axes = np.linalg.eigh(normals.T @ normals)[1]
    axis, across = axes[:, 0], axes[:, 1:].T
    away = (places - middle) @ across.T
    start = np.array([0, 0, 0, 0, np.median(np.linalg.norm(away, axis=1))])

    def left_over(values: Array) -> Array:
        way = axis + values[:2] @ across
        way = way / np.linalg.norm(way)
        off = places - middle - values[2:4] @ across
        return np.asarray(np.linalg.norm(off - np.outer(off @ way, way), axis=1) - values[4])

    found = least_squares(left_over, start, loss="soft_l1", f_scale=SURFACE_MM)
    radius = float(found.x[4])
    if np.median(np.abs(left_over(found.x))) > radius / 10:
        raise BadInput(name, "the surface is no shaft there", advice="Name the middle and reach: shaft@x,y,z,reach")
    way = axis + found.x[:2] @ across
    way = way / np.linalg.norm(way)
    way = way if way[np.abs(way).argmax()] > 0 else -way
    foot = middle + found.x[2:4] @ across
    along = (places - foot) @ way
    patches = max(6.0, len(places) / 40.0)
    length = float(np.ptp(along))
    # a line fitted to errors spread along it: twice as uncertain at its ends as in its middle
    sd = float(SURFACE_MM * np.sqrt(2.0 / patches) * 2.0)
    text = f"axis of a shaft of {radius:.2f} mm radius over {length:.0f} mm"
    ends = foot + np.outer([along.min(), along.max()], way)
    return Landmark(f"{name}-1", ends[0], LPS, text, sd), Landmark(f"{name}-2", ends[1], LPS, text, sd)
