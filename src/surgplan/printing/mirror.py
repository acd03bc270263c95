"""Mirroring: a healthy side as a template for the other one. Never silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from surgplan.errors import WrongUsage
from surgplan.findings import Level
from surgplan.model.labels import LONGEST_NAME
from surgplan.model.part import Modification, Part
from surgplan.printing.context import Context, Done, chosen, note
from surgplan.printing.operations import Mirror

SAID = "mirrored"


def mirror(parts: tuple[Part, ...], operation: Mirror, context: Context) -> Done:
    """All chosen parts with left and right exchanged, about the plane in the middle of all of them.

    Raises
    ------
    WrongUsage
        They have letters or calipers' marks already: those would be mirrored too.
    """
    wanted = chosen(parts, operation.structure, "print.prepare, mirror")
    ends = np.array([part.surface.bounds for part, so in zip(parts, wanted, strict=True) if so])
    middle = float(ends[:, 0, 0].min() + ends[:, 1, 0].max()) / 2
    made, findings = [], []
    for part, so in zip(parts, wanted, strict=True):
        if not so:
            made.append(part)
            continue
        marked = [done.kind for done in part.modifications if done.kind in ("text", "calipers")]
        if marked:
            found = f"`mirror` comes after `{marked[0]}` on {part.name}: the marks would be mirrored"
            raise WrongUsage("print.prepare", found, advice="Put `mirror` before it")
        turned = _turned(part, middle)
        made.append(turned)
        advice = (
            "Check that the other side is wanted. Its name says so, and its letters, where a `text` comes after this"
        )
        told = "left and right are exchanged" if turned.mirrored else "mirrored twice: as in the body again"
        findings.append(note("mirrored", told, turned, Level.WARN if turned.mirrored else Level.NOTE, advice=advice))
    return Done(tuple(made), tuple(findings))


def _turned(part: Part, middle: float) -> Part:
    vertices = part.surface.vertices * [-1.0, 1.0, 1.0] + [2 * middle, 0.0, 0.0]
    surface = part.surface.with_mesh(vertices.astype(np.float32).astype(np.float64), part.surface.triangles[:, ::-1])
    volume = part.surface.volume_mm3
    done = Modification("mirror", f"mirrored about the plane x = {middle:.2f} mm", {}, volume, surface.volume_mm3)
    name = part.name.removesuffix(f" {SAID}") if part.mirrored else f"{part.name[: LONGEST_NAME - 9]} {SAID}"
    return replace(part.changed(surface, done), mirrored=not part.mirrored, name=name)
