"""Preparing parts for the printer: the operations of a recipe, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from surgplan.findings import Finding
from surgplan.model.part import Caliper, Part, parts_of, unique_names
from surgplan.model.surface import Surface
from surgplan.printing import operations as ops
from surgplan.printing.base import base
from surgplan.printing.context import Context, Done, chosen
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
        An operation cannot be done on this part: a plane misses it, no place has room for a text.
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
    on_all = TOGETHER.get(type(operation))
    if on_all is not None:
        return on_all(parts, operation, context)
    made: list[Part] = []
    findings: list[Finding] = []
    distances: list[Caliper] = []
    structure = getattr(operation, "structure", "")
    for part, wanted in zip(parts, chosen(parts, structure, what), strict=True):
        done = ONE_BY_ONE[type(operation)](part, operation, context) if wanted else Done((part,))
        made += done.parts
        findings += done.findings
        distances += done.calipers
    return Done(tuple(made), tuple(findings), tuple(distances))


TOGETHER: dict[type, Callable[[tuple[Part, ...], Any, Context], Done]] = {
    ops.Join: join,
    ops.Mirror: mirror,
    ops.Calipers: calipers,
    ops.Cube: cube,
}
"""Operations on all parts at once."""

ONE_BY_ONE: dict[type, Callable[[Part, Any, Context], Done]] = {
    ops.CropBox: crop_box,
    ops.CropPlane: crop_plane,
    ops.Thicken: thicken,
    ops.Struts: struts,
    ops.Window: window,
    ops.Cut: cut,
    ops.Hollow: hollow,
    ops.Base: base,
    ops.Text: text,
}
"""Operations on one part after the other."""
