"""Structures that are printed as one: bone with the tumour in it, each in its colour, or fused to one solid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.params import nearest
from surgplan.printing.context import Context, Done, modified, note
from surgplan.printing.operations import Join
from surgplan.printing.solids import Solid, built, united
from surgplan.surface.regions import Region
from surgplan.surface.ruler import Ruler

TOUCHING_MM = 0.05
"""Parts farther apart on the print hold nothing."""


def join(parts: tuple[Part, ...], operation: Join, context: Context) -> Done:
    """The parts of the structures as one group, without what two have in common, or fused to one part.

    Raises
    ------
    WrongUsage
        No part is of one of the structures, or several are.
    BadInput
        One lies wholly within those that are named later.
    """
    known = list(dict.fromkeys(part.structure for part in parts if part.structure))
    for name in operation.structures:
        if name not in known:
            found = f"there is no structure `{name}` to join"
            raise WrongUsage("print.prepare, join", found, advice=nearest(name, known))
    several = [name for name in operation.structures if sum(part.structure == name for part in parts) > 1]
    if several:
        found = f"`{several[0]}` is in several parts by then"
        raise WrongUsage("print.prepare, join", found, advice="Put `join` before what parts it")
    ours = [part for name in operation.structures for part in parts if part.structure == name]
    findings = _apart(ours, context)
    made, told = _fused(ours) if operation.fuse else _carved(ours, operation)
    first = parts.index(ours[0])
    rest = [part for part in parts[:first] if part not in ours], [part for part in parts[first:] if part not in ours]
    return Done((*rest[0], *made, *rest[1]), (*findings, *told))


def _apart(ours: list[Part], context: Context) -> list[Finding]:
    """A warning for each part that touches none of those before it."""
    findings = []
    for number, part in enumerate(ours[1:], start=1):
        points = part.surface.vertices[:: 1 + len(part.surface.vertices) // 20_000]
        away = min(float(Ruler(one.surface.vertices, one.surface.triangles)(points).min()) for one in ours[:number])
        if away * context.scale > TOUCHING_MM and not any(
            _holds(one, part) or _holds(part, one) for one in ours[:number]
        ):
            told = f"lies {away * context.scale:.2f} mm away from what it is joined to: nothing holds it"
            findings.append(note("join", told, part, Level.WARN, f"{TOUCHING_MM:g} mm", "Add `struts`"))
    return findings


def _holds(outer: Part, inner: Part) -> bool:
    """Whether one part encloses another, by their boxes."""
    big, small = outer.surface.bounds, inner.surface.bounds
    return bool((big[0] <= small[0]).all() and (big[1] >= small[1]).all())


def _fused(ours: list[Part]) -> tuple[list[Part], tuple[Finding, ...]]:
    (made,) = built([united(Solid.of_surface(part.surface) for part in ours)], ours[0].name)
    what = f"fused with {', '.join(part.name for part in ours[1:])}"
    others = [_within(part) for part in ours[1:]]
    fused, wrong = modified(ours[0], made.surface(ours[0].surface), "join", what, {}, others)
    return [fused], (note("join", what, fused), *wrong)


def _carved(ours: list[Part], operation: Join) -> tuple[list[Part], tuple[Finding, ...]]:
    """Each part without what belongs to those after it."""
    solids = [Solid.of_surface(part.surface) for part in ours]
    made = built([*(solid - united(solids[n + 1 :]) for n, solid in enumerate(solids[:-1])), solids[-1]], ours[0].name)
    group = " and ".join(operation.structures)
    parts, findings = [], list[Finding]()
    for number, (part, each) in enumerate(zip(ours, made, strict=True)):
        if each.empty:
            found = "lies wholly within the structures that are named after it"
            raise BadInput(part.name, found, advice="Name it last in `structures`")
        common = part.surface.volume_mm3 - each.volume_mm3
        what = f"joined to {', '.join(other.name for other in ours if other is not part)}, printed as one"
        surface = each.surface(part.surface) if number < len(ours) - 1 else part.surface
        later = [_within(other) for other in ours[number + 1 :]]
        changed, wrong = modified(part, surface, "join", what, {"carved_mm3": common}, later)
        parts.append(replace(changed, group=group))
        findings += [note("join", f"{what}; {common:.1f} mm³ left to others", part), *wrong]
    return parts, tuple(findings)


def _within(part: Part) -> Region:
    """All points in another part, and on its surface."""
    from surgplan.surface.regions import deeper

    near = deeper(part.surface, -1e-3)
    low, high = part.surface.bounds + np.array([[-1e-2], [1e-2]])

    def holds(points: Array) -> NDArray[np.bool_]:
        inside = np.asarray(((points >= low) & (points <= high)).all(axis=1))
        inside[inside] = near(points[inside])
        return inside

    return holds
