"""Preparing surfaces for the printer: the stage's parameters and its function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding, Level
from surgplan.model.frames import LPS, PRINT, Array, Transform
from surgplan.model.labels import LONGEST_NAME
from surgplan.model.part import Caliper, Part
from surgplan.model.plate import Assembly, Plate
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.params import Params
from surgplan.printing.nest import in_the_middle, moved, nest
from surgplan.printing.operations import Operation
from surgplan.printing.orient import Orientation, SideName, turned
from surgplan.printing.prepare import Context, prepare_parts
from surgplan.printing.printers import Printer, find_printer

ADVICE = "Choose a larger printer, a smaller scale, or cut the model (operation `cut`)"
NOTHING: Mapping[str, str] = MappingProxyType({})
NOWHERE = PointSet(())


class PrintParams(Params):
    """How surfaces become a print."""

    printer: str = Field("", description="name of the printer's profile; without it generic-fdm, whose size only warns")
    scale: float = Field(1.0, gt=0.01, le=100, description="length on the print per length in the body")
    instruments: bool = Field(False, description="also print trajectories that have a diameter, as rods of their own")
    prepare: tuple[Operation, ...] = Field((), description="what is done to the parts, in this order")
    arrange: Literal["auto", "together", "apart"] = Field(
        "auto", description="together as in the body, or apart on plates; auto: apart where parts were cut or added"
    )
    orientation: Orientation = Field(
        "standing", description="as the patient stands, or by least support, height, or overhang on the faces to spare"
    )
    spare: tuple[SideName, ...] = Field(
        (), description="with orientation faces: sides of the body that overhangs and supports shall spare"
    )
    copies: int = Field(1, ge=1, le=500, description="how often everything is printed")
    spacing_mm: float | None = Field(
        None, ge=0.1, le=100, description="room between parts that share a plate, in mm; without it, the printer's"
    )

    @model_validator(mode="after")
    def _faces_are_named(self) -> Self:
        if (self.orientation == "faces") != bool(self.spare):
            raise ValueError("orientation `faces` goes with `spare`, the sides of the body that it shall spare")
        return self


@dataclass(frozen=True, eq=False)
class PrintResult:
    """The plates, the parts on them at life size, distances to measure on the print, and what the checks found."""

    plates: tuple[Plate, ...]
    parts: tuple[Part, ...]
    findings: tuple[Finding, ...]
    calipers: tuple[Caliper, ...] = ()

    @property
    def plate(self) -> Plate:
        """The only plate; `ValueError` where there are several."""
        [plate] = self.plates
        return plate


def prepare(
    surfaces: Sequence[Surface],
    params: PrintParams,
    case: str,
    assumed: tuple[str, ...] = (),
    landmarks: PointSet = NOWHERE,
    told: Mapping[str, str] = NOTHING,
    groups: Mapping[str, str] = NOTHING,
) -> PrintResult:
    """Prepare the surfaces as the recipe says, turn them, and place them on the printer's plates.

    Where nothing else is asked for, they stand as the patient stands: superior up, lowest point at height 0, centred,
    in their places relative to each other; anterior (−y in LPS) faces the printer's front. `assumed` is what of unit
    and frame nobody stated, `told` further facts for the file; `groups` tells of structures which of them keep their
    places to each other where things stand apart: those of one case.

    Raises
    ------
    WrongUsage
        There is no such printer.
    BadInput
        There is nothing to print, nothing fits the printer, or a surface is not in LPS.
    """
    printer = find_printer(params.printer)
    with blaming(case):
        made = prepare_parts(surfaces, params.prepare, Context(case, printer, params.scale, landmarks))
    if not made.parts:
        raise BadInput(case, "has no surface to print", advice="Check the segmentation")
    parts = tuple(replace(part, group=groups.get(part.structure, part.group)) for part in made.parts)
    metadata = {"case": case} | ({"assumed": ",".join(assumed)} if assumed else {}) | dict(told)
    with blaming(case):
        unplaced = [_turned(each, params, printer) for each in _assemblies(parts, params, case)]
        placed, lost = _placed(unplaced, params, printer)
        plates = tuple(_plates(placed, case, printer, metadata))
    too_large = tuple(_lost(lost, printer))
    if not plates:
        first = too_large[0]
        raise BadInput(f"{case}: {first.subject}", f"is {first.measured}, as all parts", first.limit, ADVICE)
    findings = (*made.findings, *too_large, *_findings(plates, params, printer, case))
    return PrintResult(plates, parts, findings, made.calipers)


def stands_apart(parts: Sequence[Part], params: PrintParams) -> bool:
    """Whether the parts are placed each by itself; `auto` does so where operations made several of one structure."""
    if params.arrange != "auto":
        return params.arrange == "apart"
    structures = [part.structure for part in parts]
    added = any(not structure for structure in structures) and len(parts) > 1
    return added or len(set(structures)) != len(structures) or len({part.group for part in parts}) > 1


def _assemblies(parts: Sequence[Part], params: PrintParams, case: str) -> list[Assembly]:
    """What keeps its places relative to each other: everything, or the parts of each group."""
    if not stands_apart(parts, params):
        groups = {case: list(parts)}
    else:
        groups = {}
        taken = {part.name for part in parts}
        for part in parts:
            # a group that is called like a part is none of that part
            name = part.name if not part.group else f"{part.group} together" if part.group in taken else part.group
            groups.setdefault(name, []).append(part)
    place = Transform(PRINT, LPS, np.diag([params.scale] * 3 + [1.0]))
    return [
        Assembly(
            name[:LONGEST_NAME],
            tuple(part.body for part in members),
            (place,),
            frozenset(part.name for part in members if part.mirrored),
        )
        for name, members in groups.items()
    ]


def _turned(assembly: Assembly, params: PrintParams, printer: Printer) -> Assembly:
    if params.orientation == "standing":
        return assembly
    turn, _ = turned(assembly.objects, params.orientation, params.spare, printer, params.scale)
    return replace(assembly, places=(moved(turn, np.zeros(3)) @ assembly.places[0],))


def _placed(
    unplaced: Sequence[Assembly], params: PrintParams, printer: Printer
) -> tuple[list[list[Assembly]], list[Assembly]]:
    """The assemblies of each plate, and those that fit on none; a single one stands in the middle, fit or not."""
    if len(unplaced) == 1 and params.copies == 1:
        return [[in_the_middle(unplaced[0], printer)]], []
    spacing = params.spacing_mm or printer.spacing_mm
    plates, lost = nest(unplaced, [params.copies] * len(unplaced), printer, spacing)
    return [_centred(plate, printer) for plate in plates], lost


def _centred(plate: Sequence[Assembly], printer: Printer) -> list[Assembly]:
    ends = np.array([each.bounds(place) for each in plate for place in each.places])
    middle = (ends[:, 0].min(axis=0) + ends[:, 1].max(axis=0)) / 2
    shift = np.array([*(np.array(printer.build_volume_mm[:2]) / 2 - middle[:2]), 0.0])
    if printer.stacks:
        shift[2] = -ends[:, 0, 2].min()
    step = moved(np.eye(3), shift)
    return [replace(each, places=tuple(step @ place for place in each.places)) for each in plate]


def _plates(
    placed: Sequence[Sequence[Assembly]], case: str, printer: Printer, metadata: Mapping[str, str]
) -> Iterator[Plate]:
    for number, assemblies in enumerate(placed, 1):
        several = {"plate": f"{number} of {len(placed)}"} if len(placed) > 1 else {}
        yield Plate(case, tuple(assemblies), printer.name, {**metadata, **several})


def _lost(lost: Sequence[Assembly], printer: Printer) -> Iterator[Finding]:
    for each in lost:
        yield _too_large(each.name, np.ptp(each.bounds(each.places[0]), axis=0), printer, Level.REFUSE)


def _findings(plates: Sequence[Plate], params: PrintParams, printer: Printer, case: str) -> Iterator[Finding]:
    for plate in plates:
        size = np.ptp(plate.bounds, axis=0)
        if (size > np.array(printer.build_volume_mm) + 1e-6).any():
            # a printer that somebody chose must take the model; the default one is nobody's choice
            level = Level.REFUSE if params.printer else Level.WARN
            yield _too_large(plate.name, size, printer, level)
    if params.scale != 1.0:
        advice = "Do not take sizes from this print without the scale"
        measured = f"the print is {params.scale:g} times life size"
        yield Finding("scale", Level.WARN, measured, "1", advice, "the recipe", case)


def _too_large(name: str, size: Array, printer: Printer, level: Level) -> Finding:
    told = " × ".join(f"{length:.1f}" for length in size) + " mm"
    limit = " × ".join(f"{length:g}" for length in printer.build_volume_mm) + " mm"
    return Finding("build-volume", level, told, limit, ADVICE, printer.source_of("build_volume_mm"), name)
