"""Preparing parts for the printer: the operations of a recipe, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from surgplan.findings import Finding
from surgplan.model.part import Caliper, Part, parts_of
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.printing.operations import Operation
from surgplan.printing.printers import Printer


@dataclass(frozen=True)
class Context:
    """What operations may look at beside the parts.

    `scale` is length on the print per length in the body: lengths that concern the printer (walls, pins, clearances,
    letters) are those of the print, positions those of the body in LPS mm.
    """

    case: str
    printer: Printer
    scale: float = 1.0
    landmarks: PointSet = field(default_factory=lambda: PointSet(()))


@dataclass(frozen=True)
class Prepared:
    """The parts in their anatomical places, distances to measure on the print, and what the operations found."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = ()
    calipers: tuple[Caliper, ...] = ()


def prepare_parts(surfaces: Sequence[Surface], operations: Sequence[Operation], context: Context) -> Prepared:
    """Each surface as a part, after all operations."""
    return Prepared(parts_of(surfaces))
