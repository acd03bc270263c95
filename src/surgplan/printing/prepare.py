"""Preparing parts for the printer: the operations of a recipe, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from surgplan.errors import BadInput
from surgplan.findings import Finding
from surgplan.model.part import Caliper, Part, parts_of, unique_names
from surgplan.model.surface import Surface
from surgplan.printing import operations as ops
from surgplan.printing.base import base
from surgplan.printing.context import Context, Done, chosen, together
from surgplan.printing.crop import crop_box, crop_plane
from surgplan.printing.cut import cut
from surgplan.printing.extras import calipers, cube
from surgplan.printing.hollow import hollow
from surgplan.printing.join import join
from surgplan.printing.mirror import mirror
from surgplan.printing.sound import sound
from surgplan.printing.struts import struts
from surgplan.printing.text import text
from surgplan.printing.thicken import thicken
from surgplan.printing.window import window

__all__ = ["Context", "Prepared", "prepare_parts"]


@dataclass(frozen=True)
class Prepared:
    """The parts in their anatomical places, distances to measure on the print, and what the operations found."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = ()
    calipers: tuple[Caliper, ...] = ()


def prepare_parts(surfaces: Sequence[Surface], operations: Sequence[ops.Operation], context: Context) -> Prepared:
    """Each surface as a part, after all operations.

    Raises
    ------
    WrongUsage
        An operation names a structure or landmark that is not there.
    BadInput
        An operation cannot be done on this part: a plane misses it, a wall is thicker than it.
    OutOfResources
        A boolean took too long.
    """
    parts = parts_of(surfaces)
    findings: list[Finding] = []
    distances: list[Caliper] = []
    for number, operation in enumerate(operations, start=1):
        done = _apply(parts, operation, context, f"print.prepare {number}, {operation.do}")
        parts = unique_names(done.parts)
        findings += done.findings
        distances += done.calipers
    mended = [sound(part) for part in parts]
    findings += [finding for _, found in mended for finding in found]
    return Prepared(tuple(part for part, _ in mended), tuple(findings), tuple(distances))


def _apply(parts: tuple[Part, ...], operation: ops.Operation, context: Context, what: str) -> Done:
    on_all = ON_ALL.get(type(operation))
    if on_all is not None:
        return on_all(parts, operation, context)
    wanted = chosen(parts, getattr(operation, "structure", ""), what)
    ours = [part for part, so in zip(parts, wanted, strict=True) if so]
    at_once = AT_ONCE.get(type(operation))
    done = (
        at_once(ours, operation, context)
        if at_once
        else together(ONE_BY_ONE[type(operation)](part, operation, context) for part in ours)
    )
    if ours and not done.parts:
        raise BadInput(what, "leaves nothing to print", advice="Change that operation in the recipe")
    first = wanted.index(True) if ours else 0
    others = [(n, part) for n, (part, so) in enumerate(zip(parts, wanted, strict=True)) if not so]
    before, after = (tuple(part for n, part in others if (n < first) is so) for so in (True, False))
    return replace(done, parts=(*before, *done.parts, *after))


ON_ALL: dict[type, Callable[[tuple[Part, ...], Any, Context], Done]] = {
    ops.Join: join,
    ops.Mirror: mirror,
    ops.Calipers: calipers,
    ops.Cube: cube,
}
"""Operations that see all parts."""

AT_ONCE: dict[type, Callable[[list[Part], Any, Context], Done]] = {
    ops.CropPlane: crop_plane,
    ops.Cut: cut,
}
"""Operations on all parts that they are for, at once."""

ONE_BY_ONE: dict[type, Callable[[Part, Any, Context], Done]] = {
    ops.CropBox: crop_box,
    ops.Thicken: thicken,
    ops.Struts: struts,
    ops.Window: window,
    ops.Hollow: hollow,
    ops.Base: base,
    ops.Text: text,
}
"""Operations on one part after the other."""
