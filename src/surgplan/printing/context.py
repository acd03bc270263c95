"""What an operation of preparing gets to see, and what it hands back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from surgplan.errors import WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Caliper, Modification, Part
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.params import nearest
from surgplan.printing.printers import Printer
from surgplan.surface.changed import certify_changed
from surgplan.surface.regions import Region


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

    def life(self, print_mm: float) -> float:
        """A length of the print as it is at life size."""
        return print_mm / self.scale

    def point(self, landmark: str) -> Array:
        """(3,) LPS mm; `WrongUsage` when the case has no such landmark."""
        try:
            return self.landmarks[landmark].position
        except KeyError:
            known = [point.name for point in self.landmarks]
            advice = nearest(landmark, known) if known else "Add it to the case file, or pass --landmarks"
            raise WrongUsage("print.prepare", f"there is no landmark `{landmark}`", advice=advice) from None


@dataclass(frozen=True)
class Done:
    """What an operation made of one part or of several, what to measure on the print, and what it found."""

    parts: tuple[Part, ...]
    findings: tuple[Finding, ...] = ()
    calipers: tuple[Caliper, ...] = ()


def together(made: Iterable[Done]) -> Done:
    """What was made of several parts, in their order."""
    every = list(made)
    return Done(
        tuple(part for done in every for part in done.parts),
        tuple(finding for done in every for finding in done.findings),
        tuple(caliper for done in every for caliper in done.calipers),
    )


def note(
    check: str, measured: str, part: Part, level: Level = Level.NOTE, limit: str = "", advice: str = ""
) -> Finding:
    """A finding about a part; limits come from the recipe."""
    return Finding(check, level, measured, limit, advice, "the recipe" if limit else "", part.name)


def modified(
    part: Part, surface: Surface, kind: str, what: str, measured: dict[str, float], intended: Sequence[Region] | None
) -> tuple[Part, tuple[Finding, ...]]:
    """The part with its new surface and the modification noted, held to the surface before outside of the places.

    `intended` tells the places; None when it has no meaning to compare, because the whole part moved.
    """
    held, findings = None, tuple[Finding, ...]()
    if intended is not None:
        held = certify_changed(kind, part.surface, surface, intended)
        findings = tuple(replace(each, subject=part.name) for each in held.findings())
    done = Modification(kind, what, measured, part.surface.volume_mm3, surface.volume_mm3, held)
    return part.changed(surface, done), findings


def not_mirrored(part: Part, what: str) -> None:
    """`WrongUsage` when the part is mirrored: positions are those of the body, where it no longer lies."""
    if part.mirrored:
        found = f"`{what}` names positions of the body, but {part.name} is mirrored by then"
        raise WrongUsage("print.prepare", found, advice="Put `mirror` after it")


def chosen(parts: Sequence[Part], structure: str, what: str) -> list[bool]:
    """Which of the parts an operation is for: those of a structure, or all that come from one.

    Raises
    ------
    WrongUsage
        No part is of that structure.
    """
    told = [part.structure == structure if structure else bool(part.structure) for part in parts]
    if structure and not any(told):
        known = list(dict.fromkeys(part.structure for part in parts if part.structure))
        raise WrongUsage(what, f"there is no structure `{structure}` to print", advice=nearest(structure, known))
    return told
