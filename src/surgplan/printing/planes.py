"""Planes that a recipe names, and whether they meet the part."""

from __future__ import annotations

import numpy as np

from surgplan.errors import BadInput, WrongUsage
from surgplan.model.part import Part
from surgplan.printing.context import Context, not_mirrored
from surgplan.printing.operations import OnPlane
from surgplan.printing.section import Plane, plane_of_three


def plane_of(operation: OnPlane, context: Context) -> Plane:
    """The plane that the keys of an operation tell, LPS mm.

    Raises
    ------
    WrongUsage
        It names a landmark that the case does not have, or three that lie on a line.
    """
    if operation.landmarks is not None:
        try:
            return plane_of_three(np.array([context.point(name) for name in operation.landmarks]))
        except ValueError as error:
            raise WrongUsage("print.prepare", str(error), advice="Choose others") from None
    point = operation.point_mm if operation.landmark is None else context.point(operation.landmark)
    return Plane.through(np.array(point), np.array(operation.normal))


def sides(plane: Plane, parts: list[Part], what: str) -> list[int]:
    """For each part 1 when it lies beyond the plane, −1 when behind, 0 when the plane meets it.

    Raises
    ------
    BadInput
        The plane meets none of them; how far it misses the nearest is told.
    """
    found, misses = [], []
    for part in parts:
        not_mirrored(part, what)
        heights = plane.heights(part.surface.vertices)
        low, high = float(heights.min()), float(heights.max())
        found.append(1 if low >= 0 else -1 if high <= 0 else 0)
        misses.append((max(low, -high), part, low, high))
    if parts and 0 not in found:
        _, part, low, high = min(misses, key=lambda each: each[0])
        told = f"the plane of `{what}` misses it by {max(low, -high):.1f} mm"
        reach = f"offset {low + plane.offset:.1f} to {high + plane.offset:.1f} mm along the normal"
        raise BadInput(part.name, told, f"a plane within its reach ({reach})", "Move the plane")
    return found
