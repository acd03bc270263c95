"""What booleans leave is made sound for the printer: triangles that cross by thousandths of a millimetre."""

from __future__ import annotations

from dataclasses import replace

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.part import Modification, Part
from surgplan.model.surface import Surface
from surgplan.surface.changed import certify_changed
from surgplan.surface.finish import untangled
from surgplan.surface.repair import RepairParams, repair, what_is_wrong
from surgplan.surface.topology import topology

NUDGE_MM = 0.0125
"""Corners of crossing triangles may be moved by so much, and by four times that if it is not enough."""
LIMITS = RepairParams(
    weld_mm=0.0, max_hole_mm=2.0, max_distance_mm=0.1, max_volume_percent=0.1, max_area_percent=1.0, time_limit_s=60.0
)
"""What a repair may do when that is not enough: less than half a layer of most printers."""


def sound(part: Part) -> tuple[Part, tuple[Finding, ...]]:
    """The part, mended within `LIMITS` if it was changed and is not sound; a finding refuses it if that fails."""
    surface = part.surface
    if not part.modifications:
        return part, ()
    before = topology(surface.vertices, surface.triangles)
    if before.ok:
        return part, ()
    mended, left, findings = untangled(surface, NUDGE_MM, surface.vertices, surface.vertices)
    told = topology(mended.vertices, mended.triangles, left)
    if not told.ok:
        try:
            result = repair(mended, LIMITS, left)
        except BadInput as error:
            advice = f"Change what was done to it ({error.found})"
            wrong = Finding("topology", Level.REFUSE, what_is_wrong(told), "a closed solid", advice, subject=part.name)
            return part.changed(mended, _done(part, mended, what_is_wrong(before))), (*findings, wrong)
        mended, findings = result.surface, (*findings, *result.findings)
    done = _done(part, mended, what_is_wrong(before))
    wrong_ways = () if done.held is None else done.held.findings()
    return part.changed(mended, done), (*findings, *(replace(each, subject=part.name) for each in wrong_ways))


def _done(part: Part, mended: Surface, why: str) -> Modification:
    held = certify_changed("mend", part.surface, mended, limit_mm=LIMITS.max_distance_mm + 4 * NUDGE_MM)
    what = f"mended, because after the booleans {why}"
    return Modification("mend", what, {}, part.surface.volume_mm3, mended.volume_mm3, held)
