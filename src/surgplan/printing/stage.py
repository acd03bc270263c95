"""Preparing surfaces for the printer: the stage's parameters and its function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding, Level
from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface
from surgplan.params import Params
from surgplan.printing.printers import Printer, find_printer


class PrintParams(Params):
    """How surfaces become a print."""

    printer: str = Field("generic-fdm", description="name of the printer's profile; see `surgplan printers`")
    scale: float = Field(1.0, gt=0.01, le=100, description="length on the print per length in the body")
    instruments: bool = Field(False, description="also print trajectories that have a diameter, as rods of their own")


@dataclass(frozen=True)
class PrintResult:
    """The plate, and what the checks found."""

    plate: Plate
    findings: tuple[Finding, ...]


def prepare(surfaces: Sequence[Surface], params: PrintParams, case: str, assumed: tuple[str, ...] = ()) -> PrintResult:
    """Stand the surfaces on the build plate as the patient stands: superior up, lowest point at height 0, centred.

    They keep their places relative to each other; anterior (−y in LPS) faces the printer's front. The plate tells what
    of unit and frame nobody stated and was `assumed`.

    Raises
    ------
    WrongUsage
        There is no such printer.
    BadInput
        There is nothing to print, or a surface is not in LPS.
    """
    printer = find_printer(params.printer)
    solid = [each for each in surfaces if len(each.triangles)]
    if not solid:
        raise BadInput(case, "has no surface to print", advice="Check the segmentation")
    with blaming(case):
        metadata = {"case": case} | ({"assumed": ",".join(assumed)} if assumed else {})
        plate = Plate.together(case, tuple(solid), _standing(solid, params.scale, printer), printer.name, metadata)
    return PrintResult(plate, tuple(_findings(plate, params, printer)))


def _standing(surfaces: Sequence[Surface], scale: float, printer: Printer) -> Transform:
    ends = np.array([each.bounds for each in surfaces])
    low, high = scale * ends[:, 0].min(axis=0), scale * ends[:, 1].max(axis=0)
    matrix = np.diag([scale, scale, scale, 1.0])
    middle = np.array(printer.build_volume_mm[:2]) / 2
    matrix[:2, 3] = middle - (low + high)[:2] / 2
    matrix[2, 3] = -low[2]
    return Transform(PRINT, LPS, matrix)


def _findings(plate: Plate, params: PrintParams, printer: Printer) -> list[Finding]:
    size = plate.bounds[1] - plate.bounds[0]
    told = " × ".join(f"{length:.1f}" for length in size)
    findings = []
    if (size > np.array(printer.build_volume_mm)).any():
        limit = " × ".join(f"{length:g}" for length in printer.build_volume_mm) + " mm"
        advice = "Choose a larger printer, a smaller scale, or cut the model in the slicer program"
        findings.append(
            Finding(
                "build-volume",
                Level.WARN,
                f"{told} mm",
                limit,
                advice,
                printer.source_of("build_volume_mm"),
                plate.name,
            )
        )
    if params.scale != 1.0:
        advice = "Do not take sizes from this print without the scale"
        measured = f"the print is {params.scale:g} times life size"
        findings.append(Finding("scale", Level.WARN, measured, "1", advice, "the recipe", plate.name))
    return findings
