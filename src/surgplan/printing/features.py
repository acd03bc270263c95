"""Pins and spikes that are too thin for the printer: thin in two directions, where a wall is thin in one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.rays import Rays
from surgplan.printing.thickness import Walls

LINES = 4
"""Lines through the middle of a thin place, across its thickness: each eighth of a circle."""
MOST_LOOKED_AT = 2000
"""Thin places that are looked at, spread over all of them."""


@dataclass(frozen=True, eq=False)
class Features:
    """Places that are thin in two directions, (n, 3) mm, their larger width, (n,) mm, and the area of all, mm²."""

    places: Array
    widths: Array
    area_mm2: float


def thin_features(surface: Surface, solid: Walls, limit_mm: float) -> Features:
    """Where a closed surface is thinner than the limit, mm in its frame, in its thickness and along another line.

    The walls are those that were measured on it. From the middle of each thin wall, lines run across its thickness;
    where the shortest of them is shorter than the limit too, the place is a pin, a spike or a thread.
    """
    with np.errstate(invalid="ignore"):
        thin = np.flatnonzero(solid.thickness < limit_mm)
    share = max(1, -(-len(thin) // MOST_LOOKED_AT))
    looked_at = thin[::share]
    if not len(looked_at):
        return Features(np.empty((0, 3)), np.empty(0), 0.0)
    inward = solid.inward[looked_at]
    middles = solid.points[looked_at] + inward * solid.thickness[looked_at, None] / 2
    aside = np.cross(inward, np.eye(3)[np.abs(inward).argmin(axis=1)])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    beyond = np.cross(inward, aside)
    rays, widths = Rays(surface), np.full(len(looked_at), np.inf)
    for angle in np.pi * np.arange(LINES) / LINES:
        line, along = (np.cos(a) * aside + np.sin(a) * beyond for a in (angle, angle + np.pi / 2))
        width = _width(rays, middles, line, limit_mm)
        # the corner of a wall is narrow too, but farther in it is not: a pin stays narrow along itself
        free = [np.nan_to_num(rays.first(middles, way, limit_mm)[0], nan=np.inf) for way in (along, -along)]
        inner = middles + np.where(free[0] >= free[1], limit_mm, -limit_mm)[:, None] * along
        crumb = np.maximum(*free) <= limit_mm
        stays = crumb | (_width(rays, inner, line, limit_mm) < limit_mm)
        widths = np.where(stays, np.minimum(widths, width), widths)
    small = widths < limit_mm
    across = np.maximum(widths, solid.thickness[looked_at])[small]
    return Features(solid.points[looked_at[small]], across, float(small.sum() * share * solid.sample_mm2))


def _width(rays: Rays, middles: Array, line: Array, limit_mm: float) -> Array:
    """(n,) the length within the body of lines through points, both (n, 3); infinite beyond the limit to one side."""
    ends = [np.nan_to_num(rays.first(middles, way, limit_mm)[0], nan=np.inf) for way in (line, -line)]
    return np.asarray(ends[0] + ends[1])
