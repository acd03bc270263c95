"""Pins and dovetails on a cut: solids to add to one part and to take away from the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.context import Context
from surgplan.printing.operations import Cut
from surgplan.printing.section import PITCH_MM, Plane, Section, places, section
from surgplan.printing.shapes import circle, frustum, prism
from surgplan.printing.solids import Solid

LEVELS = 7
"""At so many heights along a pin it is looked whether there is material round it."""
THINNER = 0.85
"""Pins become thinner in steps of this ratio until there is room."""
APART = 2.0
"""Pins stand at least so many diameters apart."""
CHAMFER = 0.2
"""Of a pin's radius is taken off at its tip, so that it finds its socket."""
DOVETAIL_DEG = 15.0
"""How much a dovetail widens on each side."""


@dataclass(frozen=True, eq=False)
class Connectors:
    """`tongues` are added to the part behind the plane and `sockets` taken from the one beyond it; mm at life size.

    `middles`, (n, 3), lie in the plane. `width_mm` is the diameter of a pin or the width of a dovetail's neck;
    `reach_mm` bounds how far from a middle, across the plane's normal, a connector changes anything.
    """

    tongues: tuple[Solid, ...] = ()
    sockets: tuple[Solid, ...] = ()
    middles: Array | None = None
    width_mm: float = 0.0
    reach_mm: float = 0.0
    length_mm: float = 0.0
    gap_mm: float = 0.0
    room_mm: float = 0.0

    def touch(self, points: Array, plane: Plane) -> NDArray[np.bool_]:
        """(n,) which points lie in a connector or its gap."""
        inside = np.zeros(len(points), dtype=bool)
        for middle in () if self.middles is None else self.middles:
            across = (points - middle) @ plane.axes[:2].T
            inside |= np.linalg.norm(across, axis=1) <= self.reach_mm
        height = plane.heights(points)
        return inside & (height > -1.05 * self.length_mm) & (height < 1.05 * (self.length_mm + self.gap_mm))


def connectors(surface: Surface, plane: Plane, wanted: Cut, context: Context) -> Connectors:
    """What the recipe wants on this cut, as far as there is room."""
    if wanted.connector == "none":
        return Connectors()
    return (
        pins(surface, plane, wanted, context)
        if wanted.connector == "pins"
        else dovetail(surface, plane, wanted, context)
    )


def pins(surface: Surface, plane: Plane, wanted: Cut, context: Context) -> Connectors:
    """As many pins as wanted, as thick as there is room for, far from each other."""
    length, gap = context.life(wanted.pin_length_mm), context.life(wanted.gap_mm)
    found = room(surface, plane, wanted, context)
    width, best = wanted.pin_mm, (0.0, list[tuple[float, float]]())
    while width >= wanted.smallest_pin_mm * 0.999:
        needed = needed_room(wanted, width, context)
        where = places(found, needed, wanted.pins, APART * context.life(width))
        if len(where) > len(best[1]):
            best = context.life(width), where
        if len(where) == wanted.pins:
            break
        width = max(width * THINNER, wanted.smallest_pin_mm) if width > wanted.smallest_pin_mm else 0.0
    diameter, where = best
    middles = np.array([plane.place(*each) for each in where]).reshape(-1, 3)
    radius = diameter / 2
    return Connectors(
        tuple(_pin(middle, plane, radius, length) for middle in middles),
        tuple(prism(circle(radius + gap, True), middle, plane.axes, -gap, length + gap) for middle in middles),
        middles,
        diameter,
        1.02 * (radius + gap),
        length,
        gap,
        float(found.depth.max()) * 2,
    )


def needed_room(wanted: Cut, width: float, context: Context) -> float:
    """How deep in the material the middle of a pin of this width, mm on the print, must lie, mm at life size."""
    return context.life(width / 2 + wanted.gap_mm + wanted.wall_mm)


def room(surface: Surface, plane: Plane, wanted: Cut, context: Context, pitch_mm: float = PITCH_MM) -> Section:
    """How deep in the material each place of the plane is, all along a pin and its socket."""
    length, beyond = context.life(wanted.pin_length_mm), context.life(wanted.gap_mm + wanted.wall_mm)
    start = -length if wanted.connector == "pins" else 0.0  # a dovetail has no root
    levels = np.linspace(start, length + beyond, LEVELS)
    return section(surface, plane, tuple(levels.tolist()), context.life(pitch_mm))


def _pin(middle: Array, plane: Plane, radius: float, length: float) -> Solid:
    shank = prism(circle(radius), middle, plane.axes, -length, length - CHAMFER * radius)
    tip = frustum(circle(radius), circle((1 - CHAMFER) * radius), middle, plane.axes, length - CHAMFER * radius, length)
    return shank | tip


def dovetail(surface: Surface, plane: Plane, wanted: Cut, context: Context) -> Connectors:
    """One dovetail through the deepest place, along the direction in which the section is shortest there."""
    length, gap, wall = (context.life(each) for each in (wanted.pin_length_mm, wanted.gap_mm, wanted.wall_mm))
    neck = context.life(wanted.pin_mm)
    widening = np.tan(np.radians(DOVETAIL_DEG))
    head = neck + 2 * length * widening
    found = room(surface, plane, wanted, context)
    widest = float(found.depth.max()) * 2
    if widest < head + 2 * (gap + wall):
        return Connectors(room_mm=widest)
    row, column = np.unravel_index(int(found.depth.argmax()), found.depth.shape)
    middle = plane.place(*found.at(int(row), int(column)))
    slide = _shortest_way(found, int(row), int(column))
    # right is across the slide, up along the plane's normal, and the prism runs along the slide
    right = np.cross(plane.normal, slide @ plane.axes[:2])
    axes = np.array([right, plane.normal, np.cross(right, plane.normal)])
    far = 2 * float(np.linalg.norm(surface.bounds[1] - surface.bounds[0]))

    def profile(more: float, deeper: float, low: float) -> Array:
        # each side moves outward by `more`, measured across it
        side = more / np.cos(np.radians(DOVETAIL_DEG))
        narrow, wide = neck / 2 + side + low * widening, neck / 2 + side + (length + deeper) * widening
        return np.array([[-narrow, low], [narrow, low], [wide, length + deeper], [-wide, length + deeper]])

    body = Solid.of_surface(surface)
    tongue = prism(profile(0, 0, 0), middle, axes, -far, far) & body
    socket = prism(profile(gap, gap, -gap), middle, axes, -far, far)
    return Connectors((tongue,), (socket,), middle[None], neck, far, length, gap, widest)


def _shortest_way(found: Section, row: int, column: int) -> Array:
    """(2,) right and up: the direction in which the way through the material at a place is shortest."""
    best, shortest = np.array([1.0, 0.0]), np.inf
    steps = np.arange(1, max(found.depth.shape))
    for turn in np.linspace(0, np.pi, 36, endpoint=False):
        direction = np.array([np.cos(turn), np.sin(turn)])
        total = 0.0
        for sign in (1, -1):
            columns = np.rint(column + sign * steps * direction[0]).astype(int)
            rows = np.rint(row + sign * steps * direction[1]).astype(int)
            within = (rows >= 0) & (columns >= 0) & (rows < found.depth.shape[0]) & (columns < found.depth.shape[1])
            free = ~within
            free[within] = found.depth[rows[within], columns[within]] == 0
            total += int(free.argmax()) if free.any() else len(steps)
        if total < shortest:
            best, shortest = direction, total
    return best
