"""Simple bodies as tools of booleans: prisms, rods, boxes, tapered plugs. All in mm, closed, facing outward."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from surgplan.model.frames import Array
from surgplan.printing.solids import Solid

SIDES = 64
"""Sides of the polygon that stands for a circle: its radius is right within 0.12 %."""


def unit(vector: ArrayLike) -> Array:
    """(3,) of length 1."""
    values = np.asarray(vector, np.float64)
    return np.asarray(values / np.linalg.norm(values))


def axes_of(normal: ArrayLike, up: ArrayLike | None = None) -> Array:
    """(3, 3) rows right, up and normal of a right-handed frame, seen from where the normal points to.

    `up` is the direction that `up` shall come nearest to; without it, or along the normal, any does.
    """
    out = unit(normal)
    wish = np.eye(3)[np.abs(out).argmin()] if up is None else np.asarray(up, np.float64)
    within = wish - (wish @ out) * out
    if np.linalg.norm(within) < 1e-6:
        return axes_of(normal)
    upward = unit(within)
    return np.array([np.cross(upward, out), upward, out])


def circle(radius: float, around: bool = False) -> Array:
    """(SIDES, 2) counter-clockwise; within the circle, or around it when nothing of it may be missing."""
    turns = 2 * np.pi * np.arange(SIDES) / SIDES
    reach = radius / np.cos(np.pi / SIDES) if around else radius
    return np.asarray(reach * np.column_stack([np.cos(turns), np.sin(turns)]))


def rectangle(width: float, height: float) -> Array:
    """(4, 2) counter-clockwise round the origin."""
    return np.asarray(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array([width, height]) / 2)


def frustum(low: Array, high: Array, origin: ArrayLike, axes: Array, start: float, end: float) -> Solid:
    """Between a convex outline at the height `start` and one of as many corners at `end`, both (n, 2).

    Heights are along the third of the axes, (3, 3) rows, from the origin, (3,) mm.
    """
    count = len(low)
    flat = np.vstack([np.column_stack([low, np.full(count, start)]), np.column_stack([high, np.full(count, end)])])
    here = np.arange(count)
    there = np.roll(here, -1)
    sides = [(here, there, there + count), (here, there + count, here + count)]
    first, rest = np.zeros(count - 2, int), np.arange(1, count - 1)
    ends = [(first, rest + 1, rest), (first + count, rest + count, rest + 1 + count)]
    triangles = np.vstack([np.column_stack(each) for each in (*sides, *ends)])
    return Solid.mesh_of(np.asarray(origin) + flat @ axes, triangles)


def prism(outline: Array, origin: ArrayLike, axes: Array, start: float, end: float) -> Solid:
    """A convex outline, (n, 2), from one height to another; see `frustum`."""
    return frustum(outline, outline, origin, axes, start, end)


def rod(start: ArrayLike, end: ArrayLike, radius: float, around: bool = False) -> Solid:
    """A round rod from one point to another, (3,) mm; within its circle, or around it."""
    along = np.asarray(end, np.float64) - np.asarray(start, np.float64)
    return prism(circle(radius, around), start, axes_of(along), 0.0, float(np.linalg.norm(along)))


def box(low: ArrayLike, high: ArrayLike) -> Solid:
    """A box with sides along the axes, between two corners, (3,) mm."""
    lowest, highest = np.asarray(low, np.float64), np.asarray(high, np.float64)
    middle, size = (lowest + highest) / 2, highest - lowest
    return prism(rectangle(size[0], size[1]), middle, np.eye(3), -size[2] / 2, size[2] / 2)
