"""Windows: a round plug that can be taken out and put back, tapered so that it cannot fall in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, FailedCheck
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import LONGEST_NAME
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.context import Context, Done, modified, not_mirrored, note
from surgplan.printing.cut import REBUILD_SHARE
from surgplan.printing.operations import Window
from surgplan.printing.shapes import axes_of, circle, frustum
from surgplan.printing.shells import shells
from surgplan.printing.solids import Solid, built
from surgplan.surface.fidelity import spread
from surgplan.surface.regions import Region
from surgplan.surface.ruler import Ruler

NARROWEST_MM = 0.5
"""A plug narrower than this at its inner end is none."""
OUT_MM = 0.5
"""The tool reaches so far out of the highest place within the window, on the print."""
SAMPLES = 40_000
PLUG = "the plug"
FARTHEST = 2.0
"""A window's middle must lie within so many of its radii of the surface."""


def window(part: Part, operation: Window, context: Context) -> Done:
    """The part with a hole, and the plug that fits it with the gap all round.

    Raises
    ------
    BadInput
        Its middle lies far from the part, it narrows to nothing, or takes in the whole part.
    """
    not_mirrored(part, "window")
    middle = np.array(operation.point_mm) if operation.landmark is None else context.point(operation.landmark)
    radius, depth, gap = (
        context.life(each) for each in (operation.diameter_mm / 2, operation.depth_mm, operation.gap_mm)
    )
    slope = float(np.tan(np.radians(operation.taper_deg)))
    if radius - depth * slope < context.life(NARROWEST_MM):
        found = f"a window of {operation.diameter_mm:g} mm narrows to nothing within {operation.depth_mm:g} mm"
        raise BadInput(part.name, found, advice="Lower taper_deg or depth_mm")
    place, axes, top = _seat(part.surface, middle, radius, part.name, context)
    top += context.life(OUT_MM)

    def tool(more: float, deeper: float) -> Solid:
        side = more / np.cos(np.radians(operation.taper_deg))
        low, high = radius + side - (depth + deeper) * slope, radius + side + top * slope
        return frustum(circle(low, more > 0), circle(high, more > 0), place, axes, -depth - deeper, top)

    body, plug, hole = Solid.of_surface(part.surface), tool(0.0, 0.0), tool(gap, gap)
    made = built([body - hole, body & plug, (body & hole) - plug], part.name)
    if made[0].empty or made[1].empty:
        raise BadInput(part.name, "a window there leaves nothing of the part or of the plug", advice="Move it")
    whole = part.surface.volume_mm3
    error = abs(sum(each.volume_mm3 for each in made) - whole) / whole
    if error > REBUILD_SHARE:
        raise FailedCheck(part.name, f"window and frame miss the whole by {error:.2%}", "at most 0.10 %", "Move it")
    fit = Ruler(made[0].vertices, made[0].triangles)(_sides(made[1].vertices, place, axes, radius, slope))
    measured = {"gap_mm": float(fit.min()) * context.scale if len(fit) else 0.0, "rebuild_error": error}
    return _parts(
        part,
        [each.surface(part.surface) for each in made[:2]],
        operation,
        measured,
        _round(place, axes, radius, top, slope, gap),
    )


def is_plug(part: Part) -> bool:
    """Whether the part was taken out of a window."""
    return any(done.kind == "window" and done.what.startswith(PLUG) for done in part.modifications)


def _seat(surface: Surface, middle: Array, radius: float, name: str, context: Context) -> tuple[Array, Array, float]:
    """The surface's place nearest to the middle, axes with the mean normal outward, and the highest place, mm."""
    place, _ = Ruler(surface.vertices, surface.triangles).nearest(middle)
    away = float(np.linalg.norm(place - middle))
    if away > FARTHEST * radius:
        found = f"the window's middle lies {away * context.scale:.1f} mm from its surface"
        raise BadInput(name, found, f"at most {FARTHEST * radius * context.scale:.1f} mm", "Move it, in mm LPS")
    points, owners = spread(surface, SAMPLES)
    near = np.linalg.norm(points - place, axis=1) <= radius
    a, b, c = surface.corners[owners[near]].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    first = normals[np.linalg.norm(points[near] - place, axis=1).argmin()] if near.any() else np.array([0.0, 0.0, 1.0])
    outward = normals[normals @ first > 0.5]
    axes = axes_of(outward.mean(axis=0) if len(outward) else first)
    same = points[near][normals @ axes[2] > 0.3] if near.any() else place[None]
    return place, axes, float(((same - place) @ axes[2]).max(initial=0.0))


def _sides(vertices: Array, place: Array, axes: Array, radius: float, slope: float) -> Array:
    """The plug's vertices that lie on its conical side, (n, 3)."""
    within = (vertices - place) @ axes.T
    cone = radius + within[:, 2] * slope
    return np.asarray(vertices[np.abs(np.linalg.norm(within[:, :2], axis=1) - cone) < 0.005 * radius])


def _round(place: Array, axes: Array, radius: float, top: float, slope: float, gap: float) -> Region:
    """All points within the hole."""

    def holds(points: Array) -> NDArray[np.bool_]:
        within = (points - place) @ axes.T
        cone = radius + 1.2 * gap / np.cos(np.arctan(slope)) + within[:, 2] * slope
        return np.asarray((np.linalg.norm(within[:, :2], axis=1) <= 1.003 * cone) & (within[:, 2] < 1.01 * top))

    return holds


def _parts(part: Part, made: list[Surface], operation: Window, measured: dict[str, float], hole: Region) -> Done:
    what = f"a window of {operation.diameter_mm:g} mm, tapered by {operation.taper_deg:g}°, gap {operation.gap_mm:g} mm"
    frame, wrong = modified(part, made[0], "window", what, measured, [hole])
    # the plug leaves the group: printed in its place it would fuse with the frame
    own = replace(part, name=f"{part.name[: LONGEST_NAME - 7]} window", group="")

    def beyond(points: Array) -> NDArray[np.bool_]:
        return ~hole(points)

    plug, also = modified(own, made[1], "window", f"{PLUG} of {what}", measured, [beyond, _side_of(made[1])])
    findings = [note("window", f"{what}; the plug is {plug.name}", part)]
    count, _ = shells(made[1])
    if count > 1:
        advice = "Lower depth_mm, so that it does not reach what lies behind"
        findings.append(note("window", f"the plug has {count} bodies", plug, Level.WARN, "1", advice))
    told: tuple[Finding, ...] = (*findings, *wrong, *also)
    return Done((frame, plug), told)


def _side_of(plug: Surface) -> Region:
    """All points on the plug's own surface: its sides are where the part was solid."""
    ruler = Ruler(plug.vertices, plug.triangles)
    return lambda points: np.asarray(ruler(points) < 1e-3)
