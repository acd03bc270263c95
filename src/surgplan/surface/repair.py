"""Repair: the least change first, within a budget; else refused."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.surface import Surface
from surgplan.params import Params
from surgplan.surface.clean import Mesh, compact, joined, oriented, together, welded, without_scraps
from surgplan.surface.holes import border_loops
from surgplan.surface.intersections import self_intersections
from surgplan.surface.meshfix import GaveUp, meshfix
from surgplan.surface.parting import parted, set_apart
from surgplan.surface.patch import closed, patched, united
from surgplan.surface.repair_budget import Change, measured_change, places_of_lost_bodies
from surgplan.surface.ruler import Ruler
from surgplan.surface.topology import Topology, bodies, faulty, topology

if TYPE_CHECKING:
    from collections.abc import Callable

Ints = NDArray[np.int32]
LARGEST_SHARE = 0.05
"""Nothing may move farther than this share of the mesh's diagonal, whatever the limit: its unit may be another."""

ADVICE = "Raise the limit if that is acceptable, repair it by hand, or segment again"


class RepairParams(Params):
    """How much a repair may change."""

    weld_mm: float = Field(1e-5, ge=0, le=0.1, description="join vertices nearer than this, in mm")
    max_hole_mm: float = Field(10.0, ge=0, le=200, description="close holes up to this wide, in mm")
    max_distance_mm: float = Field(1.0, gt=0, le=50, description="most that the surface may move, in mm")
    max_volume_percent: float = Field(5.0, gt=0, le=100, description="most that the volume of closed bodies may change")
    max_area_percent: float = Field(20.0, gt=0, le=100, description="most that the surface's area may change")
    rebuild_mm: float = Field(
        0.5, gt=0, le=10, description="voxel of the rebuild that is tried when all else fails, in mm"
    )
    time_limit_s: float = Field(120.0, gt=0, le=3600, description="time for pymeshfix, in seconds")


@dataclass(frozen=True)
class RepairResult:
    """The repaired surface, its topology, how much was changed, and what was done."""

    surface: Surface
    topology: Topology
    change: Change | None
    findings: tuple[Finding, ...]


@dataclass
class _Log:
    """What was done, for the findings, and why attempts were given up."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __call__(self, check: str, measured: str, level: Level = Level.NOTE) -> None:
        self.findings.append(Finding(check, level, measured, subject=self.name))


def repair(surface: Surface, params: RepairParams, crossing: Ints | None = None) -> RepairResult:
    """Make a surface watertight, manifold, outward and free of self-intersections, changing as little as possible.

    Steps, each only when the one before was not enough: weld, drop degenerate and doubled triangles, orient, close
    holes up to a width. All else is measured against the outcome of these: cut out what is at fault and close again,
    and join bodies that overlap; or pymeshfix, one body at a time; or, when none of that is sound and within the
    budget, a rebuild from a distance field. `crossing` are the given surface's self-intersections where known.

    Raises
    ------
    BadInput
        The mesh has no triangles, or it cannot be repaired within the budget.
    """
    name = surface.label.name
    if not len(surface.triangles):
        raise BadInput(name, "has no triangles", advice="Check the file")
    log = _Log(name)
    start = welded(surface.vertices, surface.triangles, params.weld_mm, log)
    if not len(start[1]):
        raise BadInput(name, "has only triangles without area", advice="Check the file")
    mesh = parted(without_scraps(*oriented(*start, log), log), log)
    params = _for_size(params, float(np.linalg.norm(np.ptp(mesh[0], axis=0))))
    if crossing is None or mesh[1] is not surface.triangles:
        crossing = self_intersections(*mesh)
    mesh, crossing = closed(mesh, crossing, params.max_hole_mm, log)
    if not len(crossing):
        mesh = set_apart(mesh, log)
    cleaned = surface.with_mesh(*mesh)
    told = topology(*mesh, crossing)
    if told.ok:
        change = measured_change(surface.with_mesh(*start), cleaned) if log.findings else None
        findings = (*log.findings, *_told(change, params, name))
        return _nothing_lost(surface, RepairResult(cleaned, told, change, findings), params)
    for attempt in (_patched, _fixed, _rebuilt):
        made = _tried(attempt, cleaned, crossing, params, log)
        if made is not None:
            return _nothing_lost(surface, made, params)
    found = f"cannot be repaired: {what_is_wrong(told)}; " + "; ".join(log.refused)
    raise BadInput(name, found, advice=ADVICE)


def _nothing_lost(given: Surface, made: RepairResult, params: RepairParams) -> RepairResult:
    """The result, with a finding when a shell of the given mesh, however flat, has nothing left near it."""
    if not made.findings:
        return made
    whole = given.with_mesh(given.vertices, together(given.vertices, given.triangles, params.weld_mm))
    places = places_of_lost_bodies(whole, Ruler(made.surface.vertices, made.surface.triangles))
    if not places:
        return made
    where = ", ".join(f"{value:.1f}" for value in places[0])
    measured = f"{len(places)} shells have nothing left near them, the first at ({where}) mm"
    advice = "Look there: it was a sheet without thickness, or lay within another body; is it part of the model?"
    gone = Finding("lost-body", Level.WARN, measured, advice=advice, subject=made.surface.label.name)
    return replace(made, findings=(*made.findings, gone))


def _for_size(params: RepairParams, diagonal_mm: float) -> RepairParams:
    """The limits, no larger than a mesh of this size bears."""
    return params.model_copy(
        update={
            "max_distance_mm": min(params.max_distance_mm, LARGEST_SHARE * diagonal_mm),
            "max_hole_mm": min(params.max_hole_mm, 4 * LARGEST_SHARE * diagonal_mm),
            "rebuild_mm": min(params.rebuild_mm, LARGEST_SHARE / 5 * diagonal_mm),
        }
    )


def what_is_wrong(told: Topology) -> str:
    """The faults of a mesh, in words."""
    faults = {
        "it has no triangles": told.triangles == 0,
        "it is open": not told.watertight,
        "an edge has more than two triangles": not told.edge_manifold,
        "parts touch in one vertex": not told.vertex_manifold,
        "it is not oriented outward": not told.outward,
        f"{told.degenerate} triangles have no area": told.degenerate > 0,
        f"{told.self_intersections} pairs of triangles cross": told.self_intersections > 0,
    }
    return ", ".join(words for words, so in faults.items() if so)


def _tried(
    attempt: Callable[[Surface, Ints, RepairParams, _Log], tuple[Surface, Surface, Ints | None]],
    cleaned: Surface,
    crossing: Ints,
    params: RepairParams,
    log: _Log,
) -> RepairResult | None:
    """What an attempt made, when it is sound and within the budget; else why not is noted."""
    own = _Log(log.name)
    try:
        apart, made, left = attempt(cleaned, crossing, params, own)
    except GaveUp as error:
        log.refused.append(str(error))
        return None
    what = attempt.__name__.strip("_").replace("_", " ")
    mesh = set_apart((made.vertices, made.triangles), own)
    if mesh[0] is not made.vertices:
        made, left = made.with_mesh(*mesh), None
    told = topology(made.vertices, made.triangles, left)
    if not told.ok:
        log.refused.append(f"{what}: still {what_is_wrong(told)}")
        return None
    change = measured_change(cleaned, apart)
    if beyond := change.beyond(params.max_distance_mm, params.max_volume_percent, params.max_area_percent):
        log.refused.append(f"{what}: {beyond}")
        return None
    return RepairResult(made, told, change, (*log.findings, *own.findings, *_told(change, params, log.name)))


def _patched(cleaned: Surface, crossing: Ints, params: RepairParams, log: _Log) -> tuple[Surface, Surface, Ints]:
    """What is at fault cut out and closed, bodies that overlap joined."""
    mesh, crossing = patched((cleaned.vertices, cleaned.triangles), crossing, log)
    return _united(cleaned, mesh, crossing, log)


def _united(cleaned: Surface, mesh: Mesh, crossing: Ints, log: _Log) -> tuple[Surface, Surface, Ints]:
    """Before and after bodies that overlap were joined: that takes away walls within, which is told, but no harm."""
    apart = cleaned.with_mesh(*mesh)
    if not len(crossing) or _faulty_bodies(mesh, crossing).any():
        return apart, apart, crossing
    mesh, crossing = united(mesh, crossing, log)
    return apart, cleaned.with_mesh(*mesh), crossing


def _fixed(cleaned: Surface, crossing: Ints, params: RepairParams, log: _Log) -> tuple[Surface, Surface, Ints]:
    """pymeshfix for each body that is at fault; sound ones stay as they are."""
    mesh = cleaned.vertices, cleaned.triangles
    wrong = _faulty_bodies(mesh, crossing)
    body = bodies(*mesh)
    parts: list[Mesh] = [compact(mesh[0], mesh[1][~wrong[body]])]
    end = time.monotonic() + params.time_limit_s
    for number in np.flatnonzero(wrong):
        given = compact(mesh[0], mesh[1][body == number])
        fixed = meshfix(given, end - time.monotonic())
        log(
            "meshfix",
            f"body {number + 1} repaired: {len(given[1])} triangles before, {len(fixed[1])} after",
            Level.WARN,
        )
        parts.append(fixed)
    mesh = oriented(*joined(parts), log)
    return _united(cleaned, mesh, self_intersections(*mesh), log)


def _faulty_bodies(mesh: Mesh, crossing: Ints) -> NDArray[np.bool_]:
    """(bodies,) which have a fault of their own: crossing another body is none."""
    body = bodies(*mesh)
    own = crossing[body[crossing[:, 0]] == body[crossing[:, 1]]]
    wrong = np.zeros(int(body.max()) + 1, dtype=bool)
    wrong[body[faulty(mesh[1], len(mesh[0]), own)]] = True
    for loop in border_loops(mesh[1]):
        wrong[body[(mesh[1] == loop[0]).any(axis=1).argmax()]] = True
    return wrong


def _rebuilt(cleaned: Surface, crossing: Ints, params: RepairParams, log: _Log) -> tuple[Surface, Surface, None]:
    """A closed surface round the mesh, from its distance field."""
    from surgplan.surface.rebuild import TooFine, rebuilt
    from surgplan.surface.simplify import simplify

    pitch = params.rebuild_mm
    try:
        made = rebuilt(cleaned, pitch)
    except TooFine as error:
        raise GaveUp(f"rebuild: {error}; raise rebuild_mm") from None
    if not len(made.triangles):
        raise GaveUp("rebuild: the mesh encloses nothing")
    made = simplify(made, 0.2 * pitch, lambda simple: simple)
    made = made.with_mesh(made.vertices.astype(np.float32).astype(np.float64), made.triangles)
    log("rebuild", f"made anew from its distance field with voxels of {pitch:g} mm", Level.WARN)
    return made, made, None


def _told(change: Change | None, params: RepairParams, name: str) -> tuple[Finding, ...]:
    if change is None:
        return ()
    limit = f"{params.max_distance_mm:g} mm, {params.max_volume_percent:g} % of the volume"
    level = Level.WARN if change.is_felt else Level.NOTE
    return (Finding("repair-change", level, str(change), limit, subject=name),)
