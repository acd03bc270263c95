"""Are the walls of a solid thick enough for the printer?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.plate import Plate
from surgplan.printing.printers import Printer
from surgplan.printing.thickness import THIN_SHARE, Walls, walls
from surgplan.surface.topology import faces_outward, is_closed

PRINT_SAMPLES = 20_000
"""Points for each structure of a plate: enough to find a hundredth of its walls within a few hundredths."""


def thin_walls(name: str, solid: Walls, printer: Printer, scale: float = 1.0) -> Iterator[Finding]:
    """A finding where walls are thinner on the print than the printer makes them.

    A note when less than `THIN_SHARE` of the surface is concerned, since every sharp ridge tapers to nothing.
    """
    limit = printer.smallest_wall_mm
    area, place = solid.below(limit / scale)
    if place is None:
        return
    share = area / (solid.sample_mm2 * len(solid.points))
    where = ", ".join(f"{value:.1f}" for value in place)
    thinnest = scale * float(np.nanmin(solid.thickness))
    measured = f"{share:.1%} of the surface bounds thinner walls, the thinnest {thinnest:.2f} mm at LPS ({where}) mm"
    level = Level.WARN if share > THIN_SHARE else Level.NOTE
    advice = "Print it larger, choose another printer, or thicken it"
    yield Finding("wall", level, measured, f"{limit:g} mm", advice, printer.source_of("smallest_wall_mm"), name)


def check_plate(plate: Plate, printer: Printer) -> tuple[Finding, ...]:
    """The walls of every closed structure of a plate, at the scale of the print."""
    found: list[Finding] = []
    for each in plate.objects:
        closed = is_closed(each.triangles, len(each.vertices)) and faces_outward(each.vertices, each.triangles)
        if closed:
            found += thin_walls(each.label.name, walls(each, PRINT_SAMPLES), printer, plate.scale)
    return tuple(found)
