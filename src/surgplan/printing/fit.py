"""Cutting a part into as many as fit the printer, by planes that are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.connectors import needed_room, room
from surgplan.printing.context import Context, Done, note
from surgplan.printing.cut import cut_at
from surgplan.printing.operations import Cut
from surgplan.printing.section import Plane

MOST_PARTS = 16
"""A part that would need more is refused: nobody would put it together."""
TRIED = 9
"""Planes along the axis that are looked at for each cut."""
COARSE_MM = 1.0
"""So far apart lie the places at which a plane is tried for its room, on the print."""
UNEVEN = 0.3
"""A section may be larger by this share if that makes the parts more even by the longest length that fits."""


def cut_to_fit(part: Part, operation: Cut, context: Context) -> Done:
    """The part, cut across its longest axis until every part fits the printer in some turning by right angles.

    Of the planes that leave parts which fit, that one is taken which has room for connectors and the smallest section.

    Raises
    ------
    WrongUsage
        It is joined to others.
    BadInput
        It would take more than `MOST_PARTS`.
    """
    if part.group:
        found = f"`fit` finds other planes for each of the joined structures, and {part.name} is joined"
        raise WrongUsage("print.prepare, cut", found, advice="Give a plane")
    limit = _limit(operation, context)
    if _size(part.surface, context).max() > MOST_PARTS * limit[0]:
        raise _too_many(part, context)
    waiting, fitting = [part], list[Part]()
    findings = list[Finding]()
    while waiting:
        piece = waiting.pop()
        plane = _plane(piece, limit, operation, context)
        if plane is None:
            fitting.append(piece)
            continue
        done = cut_at(piece, plane, operation, context)
        waiting += reversed(done.parts)
        findings += done.findings
        if len(waiting) + len(fitting) > MOST_PARTS:
            raise _too_many(part, context)
    if len(fitting) == 1:
        return Done((part,), (note("cut", "fits the printer as it is: not cut", part),))
    parts = tuple(replace(each, name=f"{part.name} {number}") for number, each in enumerate(fitting, 1))
    told = " × ".join(f"{length:.0f}" for length in limit)
    findings.append(note("cut", f"{len(parts)} parts that fit {told} mm", part, Level.NOTE))
    return Done(parts, tuple(findings))


def _too_many(part: Part, context: Context) -> BadInput:
    told = " × ".join(f"{length:.0f}" for length in _size(part.surface, context))
    found = f"is {told} mm on the print and would take more than {MOST_PARTS} parts"
    return BadInput(part.name, found, advice="Choose a larger printer or a smaller scale")


def _limit(operation: Cut, context: Context) -> Array:
    """(3,) the largest lengths that fit, longest first, mm on the print."""
    room_for = np.array(context.printer.build_volume_mm) - 2 * operation.margin_mm
    if operation.connector != "none":
        room_for = room_for - operation.pin_length_mm  # pins stick out of a part
    if room_for.min() <= 0:
        found = f"margin_mm and pin_length_mm leave {room_for.min():.0f} mm of the build volume"
        raise BadInput(f"printer `{context.printer.name}`", found, "some room", "Lower them")
    return np.sort(room_for)[::-1]


def _size(surface: Surface, context: Context) -> Array:
    return np.asarray((surface.bounds[1] - surface.bounds[0]) * context.scale)


def _plane(part: Part, limit: Array, operation: Cut, context: Context) -> Plane | None:
    """Where to cut next; None when the part fits."""
    size = _size(part.surface, context)
    order = np.argsort(-size, kind="stable")
    over = np.flatnonzero(size[order] > limit + 1e-6)
    if not len(over):
        return None
    axis = int(order[over[0]])
    longest = limit[over[0]]
    count = int(np.ceil(size[axis] / longest - 1e-6))
    even = size[axis] / count
    best, lowest = None, (2, np.inf)
    for at in np.linspace(size[axis] - (count - 1) * longest, longest, TRIED):
        offset = part.surface.bounds[0][axis] + at / context.scale
        plane = Plane.through(np.eye(3)[axis] * offset, np.eye(3)[axis])
        found = room(part.surface, plane, operation, context, COARSE_MM)
        holds = 0 if found.depth.max() >= needed_room(operation, operation.smallest_pin_mm, context) else 1
        # of sections of about the same size, the one in the middle
        score = (holds, (found.area_mm2 or np.inf) * (1 + UNEVEN * abs(at - even) / longest))
        if best is None or score < lowest:
            best, lowest = plane, score
    return best
