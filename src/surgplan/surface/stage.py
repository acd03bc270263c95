"""How a label becomes a printable surface: the stage's parameters and its function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.params import Params
from surgplan.surface.certificate import Certificate, Certifier
from surgplan.surface.fidelity import Contour, Fidelity, fidelity
from surgplan.surface.topology import Topology


class SurfaceParams(Params):
    """How a label becomes a printable surface."""

    boundary: Literal["level", "local-half-maximum"] = Field(
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


def make_surfaces(volume: Volume | None, labels: LabelMap, params: SurfaceParams) -> SurfaceResult:
    """The surface of each label: contoured, smoothed, simplified, checked, and repaired where it must be. LPS mm.

    Vertices are exact in float32, so that every format stores the same numbers.

    Raises
    ------
    EmptyLabel
        A label has no voxels.
    BadInput
        The volume lies on another grid than the labels, or a surface cannot be repaired.
    """
    from surgplan.errors import BadInput

    if volume is not None and not volume.grid.matches(labels.grid):
        raise BadInput(
            "label map",
            f"lies on a grid of {labels.grid.size} voxels",
            f"the volume's grid of {volume.grid.size}",
            "Segment that volume again",
        )
    made = [_one(volume, labels, label, params) for label in labels.labels]
    surfaces, measures, findings, distances = zip(*made, strict=True)
    return SurfaceResult(surfaces, measures, tuple(finding for found in findings for finding in found), distances)


def _one(
    volume: Volume | None, labels: LabelMap, label: Label, params: SurfaceParams
) -> tuple[Surface, SurfaceMeasures, tuple[Finding, ...], NDArray[np.float32]]:
    from surgplan.surface.blurred_edge import made_linear
    from surgplan.surface.contour import contour
    from surgplan.surface.finish import dropped_specks, finished
    from surgplan.surface.local_level import at_local_level

    given, findings = label, []
    if params.boundary == "local-half-maximum" and volume is not None and label.level is not None:
        volume, labels, label, note = at_local_level(volume, labels, label)
        findings.append(note)
    if volume is not None:
        volume, labels, label = made_linear(volume, labels, label)
    raw = contour(volume, labels, label)
    whole, specks, dropped = dropped_specks(raw, params.min_body_mm3)
    reference = Contour(whole)
    certifier = Certifier(volume, labels, label)
    certifier.leave_out(specks)

    def watch(step: str, seen: Surface) -> None:
        certifier.add(step, seen, reference.ruler if seen is whole else None)

    surface, told, more = finished(reference, params.tolerance_mm, params.smooth, params.max_triangles, watch)
    certifier.add("repair" if any(finding.check == "repair" for finding in more) else "finish", surface, last=True)
    lengths = surface.bounds[1] - surface.bounds[0]
    measures = SurfaceMeasures(
        name=label.name,
        volume_mm3=surface.volume_mm3,
        area_mm2=surface.area_mm2,
        size_mm=(float(lengths[0]), float(lengths[1]), float(lengths[2])),
        level=given.level,
        tolerance_mm=params.tolerance_mm,
        topology=told,
        fidelity=fidelity(surface, reference, volume, labels),
        certificate=replace(certifier.certificate(params.max_p95_mm), level=given.level),
    )
    found = (*findings, *dropped, *more, *_verdict(measures, params), *measures.certificate.findings())
    return replace(surface, label=given), measures, found, certifier.distances_of(surface.vertices)


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
