"""Cutting parts by planes, with connectors between the two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import FailedCheck
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.connectors import Connectors, connectors
from surgplan.printing.context import Context, Done, modified, note, together
from surgplan.printing.operations import Cut
from surgplan.printing.planes import plane_of, sides
from surgplan.printing.section import Plane
from surgplan.printing.shells import shells
from surgplan.printing.solids import Built, Solid, built, united
from surgplan.surface.regions import Region
from surgplan.surface.ruler import Ruler

REBUILD_SHARE = 1e-3
"""Both parts and the gaps between them must make up the whole's volume within this share."""
AT_PLANE_MM = 1e-3
"""So near to the plane a point counts as on the cut: vertices are kept in float32."""


def cut(parts: list[Part], operation: Cut, context: Context) -> Done:
    """Each part in two, or in as many as fit the printer; a group of parts becomes one on each side of the plane.

    Raises
    ------
    BadInput
        The plane meets none of the parts.
    FailedCheck
        The two do not make up the whole.
    """
    if operation.fit:
        from surgplan.printing.fit import cut_to_fit

        return together(cut_to_fit(part, operation, context) for part in parts)
    plane = plane_of(operation, context)
    made = list[Done]()
    for part, side in zip(parts, sides(plane, parts, "cut"), strict=True):
        if side:
            told = f"lies {'beyond' if side > 0 else 'behind'} the plane as a whole: not cut"
            whole = replace(part, group=_names(part.group)[side > 0] if part.group else "")
            made.append(Done((whole,), (note("cut", told, part),)))
        else:
            made.append(cut_at(part, plane, operation, context))
    return together(made)


def cut_at(part: Part, plane: Plane, operation: Cut, context: Context) -> Done:
    """The part in two: the first, behind the plane, has the pins, the second the sockets."""
    surface = part.surface
    found = connectors(surface, plane, operation, context)
    beyond, behind = Solid.of_surface(surface).split(plane.normal, plane.offset)
    halves = [behind, beyond]
    if found.tongues:
        # a tongue's root lies in the material behind already: only what stands out of the plane is new
        out = [tongue.beyond(plane.normal, plane.offset) for tongue in found.tongues]
        halves = [united([behind, *found.tongues]), beyond - united(found.sockets), behind, united(out)]
        halves += [united(found.sockets) & beyond]
    made = built(halves, part.name)
    error = _rebuild_error(surface, made)
    if error > REBUILD_SHARE:
        advice = "Repair the surface, or move the plane"
        raise FailedCheck(part.name, f"the parts of the cut miss the whole by {error:.2%}", "at most 0.10 %", advice)
    gap = _measured_gap(made, found, plane)
    measured = {"connectors": float(len(found.tongues)), "width_mm": found.width_mm * context.scale}
    measured |= {"gap_mm": gap * context.scale} if found.tongues else {}
    measured["rebuild_error"] = error
    names = _names(part.name)
    parts, told = [], list[Finding]()
    for each, name, side in zip(made, names, ("behind", "beyond"), strict=False):
        what = f"cut by a plane; this part lies {side} it{_told(found, operation, context)}"
        own = replace(part, name=name, group=_names(part.group)[side == "beyond"] if part.group else "")
        changed, wrong = modified(own, each.surface(surface), "cut", what, measured, [_place(plane, found, side)])
        parts.append(changed)
        told += wrong
    if len(made) > 2 and (loose := shells(parts[0].surface)[0] - shells(made[2].surface(surface))[0]) > 0:
        advice = "Choose pins, or move the plane"
        told.append(note("connectors", f"the connector leaves {loose} loose pieces", parts[0], Level.WARN, "0", advice))
    return Done(tuple(parts), (*_findings(part, found, operation, context, names), *told))


def _names(name: str) -> tuple[str, str]:
    return f"{name} 1", f"{name} 2"  # no letters: an A beside an arrow would be taken for anterior


def _place(plane: Plane, found: Connectors, side: str) -> Region:
    sign = 1.0 if side == "behind" else -1.0

    def place(points: Array) -> NDArray[np.bool_]:
        return np.asarray((sign * plane.heights(points) > -AT_PLANE_MM) | found.touch(points, plane))

    return place


def _rebuild_error(surface: Surface, made: list[Built]) -> float:
    """By which share of the whole's volume the two parts and the gaps between them miss it."""
    whole = surface.volume_mm3
    gaps = made[4].volume_mm3 - made[3].volume_mm3 if len(made) > 2 else 0.0
    return abs(made[0].volume_mm3 + made[1].volume_mm3 + gaps - whole) / whole


def _measured_gap(made: list[Built], found: Connectors, plane: Plane) -> float:
    """The narrowest gap, mm, between what stands out of the first part and the second, off the plane between them."""
    if not found.tongues:
        return 0.0
    height = plane.heights(made[0].vertices)
    tongue = made[0].vertices[(height > found.gap_mm) & found.touch(made[0].vertices, plane)]
    if not len(tongue):
        return 0.0
    return float(Ruler(made[1].vertices, made[1].triangles)(tongue).min())


def _told(found: Connectors, operation: Cut, context: Context) -> str:
    count = len(found.tongues)
    if not count:
        return ", without connectors"
    width = found.width_mm * context.scale
    kind = (
        f"{count} pin{'s' * (count > 1)} of {width:.2f} mm"
        if operation.connector == "pins"
        else f"a dovetail of {width:.2f} mm"
    )
    return f", with {kind}, {operation.pin_length_mm:g} mm long, gap {found.gap_mm * context.scale:g} mm all round"


def _findings(part: Part, found: Connectors, operation: Cut, context: Context, names: tuple[str, str]) -> list[Finding]:
    told = [note("cut", f"two parts, {names[0]} and {names[1]}{_told(found, operation, context)}", part)]
    count, wanted = len(found.tongues), operation.pins if operation.connector == "pins" else 1
    if operation.connector != "none" and count < wanted:
        room = (
            f"there is room for {count} of {wanted} connectors: the widest place is {found.room_mm * context.scale:.1f}"
        )
        room += " mm wide"
        least = operation.smallest_pin_mm if operation.connector == "pins" else operation.pin_mm
        limit = f"{least + 2 * (operation.gap_mm + operation.wall_mm):.1f} mm"
        told.append(
            note("connectors", room, part, Level.WARN, limit, "Move the plane, or allow thinner or shorter pins")
        )
    elif count == 1 and operation.connector == "pins":
        told.append(note("connectors", "one pin does not keep the parts from turning", part, Level.WARN))
    return told
