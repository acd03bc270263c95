"""How a label becomes a printable surface: the stage's parameters and its function."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.params import Params
from surgplan.surface.certificate import Certificate, Certifier
from surgplan.surface.fidelity import Contour, Fidelity, fidelity
from surgplan.surface.prepared import Boundary, Prepared
from surgplan.surface.topology import Topology


class SurfaceParams(Params):
    """How a label becomes a printable surface."""

    boundary: Boundary = Field(
        "level",
        description="where it lies between voxels: at the structure's one level, or at each place half way between the "
        "structure and what surrounds it",
    )
    tolerance_mm: float = Field(
        0.15, gt=0, le=2, description="most that smoothing and simplifying together may move the surface, in mm"
    )
    smooth: bool = Field(True, description="take off the finest ripples, within the tolerance")
    max_triangles: int | None = Field(None, ge=100, description="simplify further, down to this many triangles")
    max_p95_mm: float = Field(
        0.25,
        gt=0,
        le=5,
        description="reject when 95 % of the surface lie not within this, or half the largest voxel edge, of the scan",
    )
    min_body_mm3: float = Field(1.0, ge=0, description="drop separate bodies and cavities smaller than this, in mm³")
    joined: bool = Field(
        False, description="structures that touch share one wall, without gap or overlap: for models in several colours"
    )


@dataclass(frozen=True)
class SurfaceMeasures:
    """The numbers of one structure's surface: volume mm³, area mm², extent along x, y, z in mm."""

    name: str
    volume_mm3: float
    area_mm2: float
    size_mm: tuple[float, float, float]
    level: float | None
    tolerance_mm: float
    topology: Topology
    fidelity: Fidelity
    certificate: Certificate


@dataclass(frozen=True)
class SurfaceResult:
    """The surfaces in the order of the labels, the measures of each, and what the checks found.

    `distances` are, for each surface, those of its vertices to the boundary in the scan, (n,) mm.
    """

    surfaces: tuple[Surface, ...]
    measures: tuple[SurfaceMeasures, ...]
    findings: tuple[Finding, ...]
    distances: tuple[NDArray[np.float32], ...]


Part = tuple[Surface, SurfaceMeasures, tuple[Finding, ...], NDArray[np.float32]]


def make_surfaces(volume: Volume | None, labels: LabelMap, params: SurfaceParams) -> SurfaceResult:
    """The surface of each label: contoured, smoothed, simplified, checked, and repaired where it must be. LPS mm.

    With `joined`, labels that touch are made together, so that they share one wall.

    Vertices are exact in float32, so that every format stores the same numbers.

    Raises
    ------
    EmptyLabel
        A label has no voxels.
    BadInput
        The volume lies on another grid than the labels, or a surface cannot be repaired.
    """
    if volume is not None and not volume.grid.matches(labels.grid):
        raise BadInput(
            "label map",
            f"lies on a grid of {labels.grid.size} voxels",
            f"the volume's grid of {volume.grid.size}",
            "Segment that volume again",
        )
    if volume is not None:
        _refuse_other_scan(volume, labels)
    made: dict[Label, Part] = {}
    for group in _groups(labels, params):
        parts = _one(volume, labels, group[0], params) if len(group) == 1 else _together(volume, labels, group, params)
        made.update(zip(group, parts, strict=True))
    surfaces, measures, findings, distances = zip(*(made[label] for label in labels.labels), strict=True)
    found = (*_overlapping(labels, params), *(finding for found in findings for finding in found))
    return SurfaceResult(surfaces, measures, found, distances)


def _refuse_other_scan(volume: Volume, labels: LabelMap) -> None:
    """`BadInput` when a structure's level lies beyond all intensities: this cannot be the scan that was segmented."""
    levels = {label.name: label.level for label in labels.labels if label.level is not None}
    if not levels:
        return
    low, high = volume.array.min(), volume.array.max()
    for name, level in levels.items():
        if not low <= level <= high:
            found = f"holds values from {low:g} to {high:g}"
            advice = "Name the scan that was segmented, not the label map or another scan"
            raise BadInput("volume", found, f"values round {level:g}, where {name} ends", advice)


def _groups(labels: LabelMap, params: SurfaceParams) -> tuple[tuple[Label, ...], ...]:
    """The labels whose surfaces are made together."""
    from surgplan.surface.joined import touching

    if params.joined and len(labels.labels) > 1:
        return touching(labels)
    return tuple((label,) for label in labels.labels)


def _overlapping(labels: LabelMap, params: SurfaceParams) -> tuple[Finding, ...]:
    """That structures touch, and that their surfaces, each made for itself, reach into each other there."""
    from surgplan.surface.joined import touching

    if params.joined or len(labels.labels) == 1:
        return ()
    advice = "Set surface.joined = true to let them share one wall"
    return tuple(
        Finding(
            "touching",
            Level.NOTE,
            f"touches {', '.join(other.name for other in group[1:])}: there, each surface ends up to a voxel within "
            "the other",
            advice=advice,
            subject=group[0].name,
        )
        for group in touching(labels)
        if len(group) > 1
    )


def _one(volume: Volume | None, labels: LabelMap, label: Label, params: SurfaceParams) -> list[Part]:
    from surgplan.surface.contour import contour
    from surgplan.surface.finish import dropped_specks, finished
    from surgplan.surface.prepared import prepared

    scan = prepared(volume, labels, label, params.boundary)
    whole, specks, dropped = dropped_specks(contour(scan.volume, scan.labels, scan.label), params.min_body_mm3)
    reference = Contour(whole)
    certifier = Certifier(scan.volume, scan.labels, scan.label)
    certifier.leave_out(specks)

    def watch(step: str, seen: Surface) -> None:
        certifier.add(step, seen)

    surface, told, more = finished(reference, params.tolerance_mm, params.smooth, params.max_triangles, watch)
    certifier.add("repair" if any(finding.check == "repair" for finding in more) else "finish", surface, last=True)
    return [_part(label, surface, told, reference, certifier, scan, (*scan.notes, *dropped, *more), params)]


def _together(volume: Volume | None, labels: LabelMap, group: tuple[Label, ...], params: SurfaceParams) -> list[Part]:
    """Those of structures that touch, with one wall between two of them."""
    from surgplan.surface.joined import parting_of, shared_walls, without_specks
    from surgplan.surface.prepared import prepared_together
    from surgplan.surface.wall_finish import finished_walls
    from surgplan.surface.walls import Walls, wall_contour

    scans, whole = prepared_together(volume, labels, group, params.boundary)
    walls, specks, dropped = without_specks(
        wall_contour(parting_of(volume, whole, group, scans)), group, params.min_body_mm3
    )
    contours = {label: Contour(walls.surface(label)) for label in group}
    certifiers = {}
    for label, scan in zip(group, scans, strict=True):
        certifiers[label] = Certifier(scan.volume, scan.labels, scan.label)
        certifiers[label].leave_out(specks.surface(label))

    def watch(step: str, seen: Walls) -> None:
        for label in group:
            certifiers[label].add(step, contours[label].surface if seen is walls else seen.surface(label))

    done, told, more = finished_walls(walls, contours, params.tolerance_mm, params.smooth, params.max_triangles, watch)
    parts = []
    for label, scan in zip(group, scans, strict=True):
        surface = done.surface(label)
        certifiers[label].add("finish", surface, last=True)
        own = tuple(finding for finding in (*dropped, *more) if finding.subject == label.name)
        found = (*scan.notes, *own, *shared_walls(done, label, group))
        parts.append(_part(label, surface, told[label], contours[label], certifiers[label], scan, found, params))
    return parts


def _part(
    label: Label,
    surface: Surface,
    told: Topology,
    reference: Contour,
    certifier: Certifier,
    scan: Prepared,
    found: tuple[Finding, ...],
    params: SurfaceParams,
) -> Part:
    """One structure's surface with its measures, findings and distances."""
    lengths = surface.bounds[1] - surface.bounds[0]
    measures = SurfaceMeasures(
        name=label.name,
        volume_mm3=surface.volume_mm3,
        area_mm2=surface.area_mm2,
        size_mm=(float(lengths[0]), float(lengths[1]), float(lengths[2])),
        level=label.level,
        tolerance_mm=params.tolerance_mm,
        topology=told,
        fidelity=fidelity(replace(surface, label=scan.label), reference, scan.volume, scan.labels),
        certificate=replace(certifier.certificate(params.max_p95_mm), level=label.level),
    )
    found = (*found, *_verdict(measures, params), *measures.certificate.findings())
    return replace(surface, label=label), measures, found, certifier.distances_of(surface.vertices)


def _verdict(measures: SurfaceMeasures, params: SurfaceParams) -> tuple[Finding, ...]:
    """Whether the result kept what was promised."""
    from surgplan.surface.repair import what_is_wrong

    findings = []
    if not measures.topology.ok:
        wrong = what_is_wrong(measures.topology)
        advice = "Close or smooth the label, or repair the mesh by hand"
        findings.append(
            Finding("topology", Level.REFUSE, wrong, "a closed solid", advice, "3MF core 1.3", measures.name)
        )
    most = max(measures.fidelity.to_contour.maximum, measures.fidelity.from_contour.maximum)
    if most > params.tolerance_mm:
        advice = "Allow more triangles, or accept the larger distance"
        limit = f"{params.tolerance_mm:g} mm"
        findings.append(Finding("tolerance", Level.WARN, f"{most:.3f} mm", limit, advice, "the recipe", measures.name))
    return tuple(findings)
