"""A foot under a part: a plate on posts that reach up to its underside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.context import Context, Done, modified, note
from surgplan.printing.operations import Base
from surgplan.printing.rays import Rays
from surgplan.printing.shapes import circle, prism, rod
from surgplan.printing.shells import shells
from surgplan.printing.solids import Solid, built, united
from surgplan.surface.regions import Region

ACROSS = 60
"""Rays from below along the longer side of the part."""
LOWEST = 0.3
"""Posts reach up through at most this share of the part's height, where that leaves enough places."""
INTO = 0.5
"""A post reaches so many of its radii into the part."""


def base(part: Part, operation: Base, context: Context) -> Done:
    """The part on its foot, below it in the body's axes: inferior.

    Raises
    ------
    BadInput
        Nothing of the part can be reached from below.
    """
    radius, gap, thick, margin = (
        context.life(each)
        for each in (operation.post_mm / 2, operation.gap_mm, operation.thickness_mm, operation.margin_mm)
    )
    tops = _tops(part.surface, operation.posts, 2.5 * radius)
    if not len(tops):
        raise BadInput(part.name, "nothing of it can be reached from below", advice="Choose another foot")
    floor = float(part.surface.bounds[0][2]) - gap
    outline = _hull(np.vstack([circle(radius + margin) + top[:2] for top in tops]))
    plate = prism(outline, (0, 0, floor), np.eye(3), -thick, 0.0)
    posts = [rod((*top[:2], floor - thick / 2), top + np.array([0, 0, INTO * radius]), radius) for top in tops]
    (made,) = built([united([Solid.of_surface(part.surface), plate, *posts])], part.name)
    what = f"a foot of {operation.thickness_mm:g} mm on {len(tops)} posts of {operation.post_mm:g} mm"
    measured = {"posts": float(len(tops)), "bodies": float(shells(made.surface(part.surface))[0])}
    places: list[Region] = [
        lambda points: np.asarray(points[:, 2] <= floor + 1e-3),
        *(_post(top, radius) for top in tops),
    ]
    changed, wrong = modified(part, made.surface(part.surface), "base", what, measured, places)
    return Done((changed,), (*_findings(part, what, outline, changed.surface), *wrong))


def _tops(surface: Surface, count: int, apart: float) -> Array:
    """(n, 3) places on the underside, far from each other: the lowest first."""
    low, high = surface.bounds
    step = float((high - low)[:2].max()) / ACROSS
    right, up = (np.arange(low[axis] + step / 2, high[axis], step) for axis in (0, 1))
    grid = np.stack(np.meshgrid(right, up), axis=-1).reshape(-1, 2)
    starts = np.column_stack([grid, np.full(len(grid), low[2] - 1.0)])
    length, _ = Rays(surface).first(starts, np.array([0.0, 0.0, 1.0]))
    hits = (starts + length[:, None] * [0, 0, 1])[np.isfinite(length)]
    if not len(hits):
        return hits
    near = hits[hits[:, 2] <= low[2] + LOWEST * (high - low)[2]]
    hits = near if len(near) >= count else hits
    chosen = [int(hits[:, 2].argmin())]
    away = np.linalg.norm((hits - hits[chosen[0]])[:, :2], axis=1)
    while len(chosen) < count and away.max() >= apart:
        chosen.append(int(away.argmax()))
        away = np.minimum(away, np.linalg.norm((hits - hits[chosen[-1]])[:, :2], axis=1))
    return np.asarray(hits[chosen])


def _hull(points: Array) -> Array:
    """(n, 2) the convex outline of points, counter-clockwise."""
    from scipy.spatial import ConvexHull

    return np.asarray(points[ConvexHull(points).vertices])


def _post(top: Array, radius: float) -> Region:
    def holds(points: Array) -> NDArray[np.bool_]:
        across = np.linalg.norm(points[:, :2] - top[:2], axis=1)
        return np.asarray((across <= 1.01 * radius) & (points[:, 2] <= top[2] + 1.01 * INTO * radius))

    return holds


def _findings(part: Part, what: str, outline: Array, surface: Surface) -> list[Finding]:
    told = [note("base", what, part)]
    a, b, c = (surface.corners - surface.vertices.mean(axis=0)).transpose(1, 0, 2)
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    middle = ((a + b + c) / 4 * volumes[:, None]).sum(axis=0) / volumes.sum() + surface.vertices.mean(axis=0)
    edges = np.roll(outline, -1, axis=0) - outline
    out = np.column_stack([edges[:, 1], -edges[:, 0]]) / np.maximum(np.linalg.norm(edges, axis=1, keepdims=True), 1e-12)
    beyond = float(((middle[:2] - outline) * out).sum(axis=1).max())
    if beyond > 0:
        words = f"the part's centre of mass lies {beyond:.1f} mm beyond the foot: it tips over"
        told.append(note("base", words, part, Level.WARN, advice="Add posts, or raise margin_mm"))
    return told
