"""What is printed beside the anatomy, or marked on it, to measure the printer with."""

from __future__ import annotations

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.part import Caliper, Part
from surgplan.model.surface import Surface
from surgplan.printing.context import Context, Done, chosen, modified, not_mirrored, note
from surgplan.printing.operations import Calipers, Cube
from surgplan.printing.shapes import axes_of, box, circle, frustum
from surgplan.printing.solids import Solid, built, united
from surgplan.surface.regions import within_ball
from surgplan.surface.ruler import Ruler

CUBE_COLOR = (170, 170, 170)
BESIDE_MM = 10.0
"""Room between the parts and the cube."""
TIP = 0.02
"""A dimple's cone ends in a circle of this share of its own: a point would be no solid."""


def cube(parts: tuple[Part, ...], operation: Cube, context: Context) -> Done:
    """A cube to the left of all parts, with sides along the patient's axes, and its three edges to be measured."""
    edge = context.life(operation.edge_mm)
    ends = np.array([part.surface.bounds for part in parts]).reshape(-1, 2, 3)
    corner = np.array([ends[:, 1, 0].max() + context.life(BESIDE_MM), ends[:, 0, 1].min(), ends[:, 0, 2].min()])
    value = 1 + max((part.surface.label.value for part in parts), default=0)
    label = Label(value, f"cube {operation.edge_mm:g} mm", CUBE_COLOR)
    (made,) = built([box(corner, corner + edge)], label.name)
    surface = Surface(label, made.vertices, made.triangles)
    part = Part(surface, "", label.name, label.color)
    middle = corner + edge / 2
    calipers = tuple(
        Caliper(
            f"{part.name}, {axis}",
            part.name,
            np.array([middle - edge / 2 * direction, middle + edge / 2 * direction]),
            operation.edge_mm,
        )
        for axis, direction in zip("xyz", np.eye(3), strict=True)
    )
    return Done(
        (*parts, part), (note("cube", f"{operation.edge_mm:g} mm, to measure the printer with", part),), calipers
    )


def calipers(parts: tuple[Part, ...], operation: Calipers, context: Context) -> Done:
    """Dimples at landmarks, and the distances between their bottoms.

    Raises
    ------
    WrongUsage
        The case has no such landmark.
    BadInput
        A landmark lies too far from the surface, or the two of a pair on different parts.
    """
    wanted = [part for part, so in zip(parts, chosen(parts, operation.structure, "calipers"), strict=True) if so]
    names = list(dict.fromkeys(name for pair in operation.between for name in pair))
    looks = [Ruler(part.surface.vertices, part.surface.triangles) for part in wanted]
    found = {name: _seat(name, wanted, looks, operation, context) for name in names}
    measured = []
    for one, two in operation.between:
        (first, here, _), (second, there, _) = found[one], found[two]
        if first != second:
            told = f"landmarks `{one}` and `{two}` lie on different parts: {wanted[first].name}, {wanted[second].name}"
            raise BadInput("print.prepare, calipers", told, advice="Choose others, or measure before it is cut")
        length = float(np.linalg.norm(there - here)) * context.scale
        measured.append(Caliper(f"{one} to {two}", wanted[first].name, np.array([here, there]), length))
    made, findings = list(parts), list[Finding]()
    for number, part in enumerate(wanted):
        seats = [seat for seat in found.values() if seat[0] == number]
        if seats and operation.dimple_mm:
            dimpled, wrong = _dimpled(part, seats, operation, context)
            made[parts.index(part)] = dimpled
            findings += wrong
    words = ((f"{each.name}: {each.expected_mm:.2f} mm on the print", each.part) for each in measured)
    findings += [Finding("calipers", Level.NOTE, what, subject=name) for what, name in words]
    return Done(tuple(made), tuple(findings), tuple(measured))


def _seat(
    name: str, parts: list[Part], looks: list[Ruler], operation: Calipers, context: Context
) -> tuple[int, Array, Array]:
    """Number of the part that a landmark lies on, where a tip rests there, and the direction outward."""
    point = context.point(name)
    best = min(
        ((*look.nearest(point), number) for number, look in enumerate(looks)),
        key=lambda each: float(np.linalg.norm(each[0] - point)),
    )
    place, triangle, number = best
    away = float(np.linalg.norm(place - point)) * context.scale
    if away > operation.within_mm:
        found = f"landmark `{name}` lies {away:.1f} mm from the surface of {parts[number].name}"
        raise BadInput("print.prepare, calipers", found, f"at most {operation.within_mm:g} mm", "Move the landmark")
    not_mirrored(parts[number], "calipers")
    a, b, c = parts[number].surface.corners[triangle]
    out = np.cross(b - a, c - a)
    out /= np.linalg.norm(out)
    return number, place - context.life(operation.dimple_mm) / 2 * out, out


def _dimpled(
    part: Part, seats: list[tuple[int, Array, Array]], operation: Calipers, context: Context
) -> tuple[Part, tuple[Finding, ...]]:
    """The part with a cone of 90° at each seat."""
    deep = context.life(operation.dimple_mm) / 2
    cones = [
        frustum(circle(TIP * deep), circle(2 * deep), seat, axes_of(out), 0.0, (2 - TIP) * deep)
        for _, seat, out in seats
    ]
    (made,) = built([Solid.of_surface(part.surface) - united(cones)], part.name)
    what = f"{len(seats)} dimples of {operation.dimple_mm:g} mm for calipers' tips"
    places = [within_ball(seat, 3 * deep) for _, seat, _ in seats]
    return modified(part, made.surface(part.surface), "calipers", what, {"dimples": float(len(seats))}, places)
