"""Are the walls of a solid thick enough for the printer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.printing.printers import Printer
from surgplan.printing.thickness import THIN_SHARE, Walls


def thin_walls(name: str, solid: Walls, printer: Printer, scale: float = 1.0) -> Iterator[Finding]:
    """A finding, with its place, where walls are thinner on the print than the printer makes them."""
    for finding, _, place in thinnest(name, solid, printer, scale):
        where = ", ".join(f"{value:.1f}" for value in place)
        yield replace(finding, measured=f"{finding.measured} at LPS ({where}) mm")


def thinnest(name: str, solid: Walls, printer: Printer, scale: float) -> Iterator[tuple[Finding, float, Array]]:
    """The same without its place in the words: the finding, the thinnest wall on the print, mm, and its place, mm LPS.

    A note when less than `THIN_SHARE` of the surface is concerned, since every sharp ridge tapers to nothing.
    """
    limit = printer.smallest_wall_mm
    area, place = solid.below(limit / scale)
    if place is None:
        return
    share = area / (solid.sample_mm2 * len(solid.points))
    value = scale * float(np.nanmin(solid.thickness))
    measured = f"{share:.1%} of the surface bounds thinner walls, the thinnest {value:.2f} mm"
    level = Level.WARN if share > THIN_SHARE else Level.NOTE
    advice = "Print it larger, choose another printer, or thicken it"
    source = printer.source_of("smallest_wall_mm")
    yield Finding("wall", level, measured, f"{limit:g} mm", advice, source, name), value, place
