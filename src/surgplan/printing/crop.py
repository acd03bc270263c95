"""Cropping: only what lies in a box, or beyond a plane, is printed."""

from __future__ import annotations

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.part import Part
from surgplan.printing.context import Context, Done, modified, not_mirrored, note, together
from surgplan.printing.operations import CropBox, CropPlane
from surgplan.printing.planes import plane_of, sides
from surgplan.printing.shapes import box
from surgplan.printing.solids import Solid, built
from surgplan.surface.regions import Region

EDGE_MM = 1e-3
"""So near to a cut a point counts as on it: vertices are kept in float32."""


def crop_box(part: Part, operation: CropBox, context: Context) -> Done:
    """What lies in the box; `BadInput` when nothing does."""
    not_mirrored(part, "crop_box")
    low, high = np.array(operation.min_mm), np.array(operation.max_mm)
    told = f"cropped to x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}, z {low[2]:g} to {high[2]:g} mm LPS"
    ends = part.surface.bounds
    if (ends[0] >= low).all() and (ends[1] <= high).all():
        return Done((part,), (note("crop", "lies in the box as a whole: not cropped", part),))
    return _kept(
        part,
        Solid.of_surface(part.surface) & box(low, high),
        told,
        lambda points: np.asarray(((points < low + EDGE_MM) | (points > high - EDGE_MM)).any(axis=1)),
    )


def crop_plane(parts: list[Part], operation: CropPlane, context: Context) -> Done:
    """What lies beyond the plane; parts that lie behind it as a whole go.

    Raises
    ------
    BadInput
        The plane meets none of them.
    """
    plane = plane_of(operation, context)
    made = list[Done]()
    for part, side in zip(parts, sides(plane, parts, "crop_plane"), strict=True):
        if side > 0:
            made.append(Done((part,)))
        elif side < 0:
            made.append(Done((), (note("crop", "lies behind the plane as a whole: left out", part, Level.WARN),)))
        else:
            kept = Solid.of_surface(part.surface).beyond(plane.normal, plane.offset)
            made.append(_kept(part, kept, "cropped by a plane", lambda points: plane.heights(points) < EDGE_MM))
    return together(made)


def _kept(part: Part, kept: Solid, what: str, gone: Region) -> Done:
    (made,) = built([kept], part.name)
    if made.empty:
        raise BadInput(part.name, "nothing of it lies in the box", advice="Correct min_mm and max_mm, in mm LPS")
    share = made.volume_mm3 / part.surface.volume_mm3
    changed, wrong = modified(part, made.surface(part.surface), "crop", what, {"kept_share": share}, [gone])
    findings: tuple[Finding, ...] = (note("crop", f"{what}; {share:.1%} of its volume is kept", part), *wrong)
    return Done((changed,), findings)
