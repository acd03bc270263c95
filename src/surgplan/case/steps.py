"""Each stage joined to its files: nouns in, files and a noun out. Runner and command line both call these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from surgplan.case.log import operator
from surgplan.case.masks import MaskFiles, with_masks_of
from surgplan.case.print_files import PrintTargets, Sheet, print_writings, stored_placings
from surgplan.case.sources import Ingested, load_source
from surgplan.case.writing import Files, Later, at_once, together
from surgplan.errors import blaming
from surgplan.findings import Finding
from surgplan.formats.mrml import SceneItem
from surgplan.ingest.accept import admitted
from surgplan.ingest.examine import examine
from surgplan.ingest.stage import IngestParams
from surgplan.model.frames import Transform
from surgplan.model.labels import LabelMap
from surgplan.model.masks import NamedMask
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.registered import RegistrationError
from surgplan.navigation.stage import NavigationParams, NavigationPlan, plan_navigation
from surgplan.printing.checks import check_plates
from surgplan.printing.job import job_of
from surgplan.printing.printers import find_printer
from surgplan.printing.stage import NOTHING, NOWHERE, PrintParams, PrintResult, prepare
from surgplan.printing.thickness import Walls
from surgplan.report.job_page import job_page, thumbnail
from surgplan.report.stage import Report, ReportInput, ReportParams, make_report
from surgplan.report.views import Views
from surgplan.segment.mask_params import MaskKey
from surgplan.segment.networks.params import NetworkLimits
from surgplan.segment.stage import Given, SegmentParams, segment
from surgplan.surface.stage import SurfaceMeasures, SurfaceParams, SurfaceResult, make_surfaces

N = TypeVar("N")

UNCERTIFIED: Mapping[str, float] = MappingProxyType({})
"""Surfaces that come from no case: how far they lie from a scan is not known."""


@dataclass(frozen=True)
class StepOutput(Generic[N]):
    """What a step made.

    `files` may still be on their way to the disk. `results` are the numbers that later steps and the manifest need, as
    plain JSON values.
    """

    noun: N
    files: Files | Future[Files]
    findings: tuple[Finding, ...] = ()
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def written(self) -> Files:
        """The files, once they are on the disk; raises what went wrong."""
        return self.files.result() if isinstance(self.files, Future) else self.files


@dataclass(frozen=True)
class Printed:
    """What was printed, and the walls of its closed parts, by name, mm in the body."""

    result: PrintResult
    walls: Mapping[str, Walls]

    def walls_of(self, surface: Surface) -> Walls | None:
        """The walls of a surface that is printed as it is; None where they were not measured, or it was changed."""
        names = [part.name for part in self.result.parts if part.surface is surface]
        return next((self.walls[name] for name in names if name in self.walls), None)


def ingest_step(source: Path, params: IngestParams, target: Path, later: Later = at_once) -> StepOutput[Ingested]:
    """Read and check a scan, let the gate judge it, write it as NRRD.

    Raises
    ------
    Refused
        The gate refuses it, and `params.accept` does not override that.
    """
    from surgplan.formats.images import write_volume

    ingested = load_source(source, params)
    seen = examine(ingested.volume, params.limits, params.aim, ingested.contrast)
    by = params.operator or operator()
    findings, accepted = admitted((*ingested.findings, *seen), params.accept, by, source)
    files = later(lambda: (write_volume(target, ingested.volume),))
    results: dict[str, Any] = {
        "facts": dict(ingested.facts),
        "corrections": [dict(each) for each in ingested.corrections],
        "accepted": list(accepted),
    }
    return StepOutput(ingested, files, findings, results)


def networks_step(
    volume: Volume, params: SegmentParams, limits: NetworkLimits, folder: Path
) -> StepOutput[Mapping[MaskKey, NamedMask]]:
    """Run the networks and programs that structures ask for; write each mask below the folder."""
    from surgplan.case.networks import run_networks

    made = run_networks(volume, params, limits, folder)
    return StepOutput(made.masks, made.written, made.findings, made.results)


def segment_step(
    volume: Volume,
    params: SegmentParams,
    given: Given,
    target: Path,
    masks: MaskFiles | None = None,
    later: Later = at_once,
) -> StepOutput[LabelMap]:
    """Segment a volume, with the masks of the case's files; write the label map as `.seg.nrrd`."""
    from surgplan.formats.segmentations import write_labels

    given, told = with_masks_of(volume, given, masks, params)
    result = segment(volume, params, given)
    results = {
        "certainty": [asdict(each) for each in result.certainty],
        "left_out": [asdict(each) for each in result.left_out],
    }
    files = later(lambda: (write_labels(target, result.labels),))
    return StepOutput(result.labels, files, (*told, *result.findings), results)


def surface_step(
    volume: Volume | None, labels: LabelMap, params: SurfaceParams, folder: Path, later: Later = at_once
) -> StepOutput[SurfaceResult]:
    """Extract the surface of each label; write each as PLY, with distances to the scan, and certify them."""
    from surgplan.case.certificates import write_certificates
    from surgplan.formats.meshes import write_ply

    result = make_surfaces(volume, labels, params)
    writings = [
        partial(write_ply, folder / f"{surface.label.file_stem}.ply", surface, away)
        for surface, away in zip(result.surfaces, result.distances, strict=True)
    ]
    certificates = partial(write_certificates, folder, [each.certificate for each in result.measures])
    files = later(lambda: tuple(write() for write in (*writings, certificates)))
    measures = measures_adapter().dump_python(result.measures, mode="json")
    return StepOutput(result, files, result.findings, {"measures": measures})


@cache
def measures_adapter() -> TypeAdapter[tuple[SurfaceMeasures, ...]]:
    """Measures to plain JSON values and back."""
    return TypeAdapter(tuple[SurfaceMeasures, ...])


def print_step(
    surfaces: Sequence[Surface],
    params: PrintParams,
    case: str,
    targets: PrintTargets,
    assumed: tuple[str, ...] = (),
    landmarks: PointSet = NOWHERE,
    told: Mapping[str, str] = NOTHING,
    groups: Mapping[str, str] = NOTHING,
    later: Later = at_once,
    certified_mm: Mapping[str, float] = UNCERTIFIED,
) -> StepOutput[Printed]:
    """Prepare surfaces for the printer; write a 3MF of each plate, and what else `targets` names.

    `told` are further facts for the 3MF, `landmarks` what operations on the parts may refer to, `groups` the case that
    a structure belongs to, where several are printed, `certified_mm` the maximum of each structure's certificate.
    """
    from surgplan.case.certificates import print_certificate_text, print_certificates

    result = prepare(surfaces, params, case, assumed, landmarks, told, groups)
    printer = find_printer(params.printer)
    names = [path.name for path in targets.plate_files(len(result.plates))]
    spots, walls = check_plates(result.plates, printer)
    job = job_of(result, printer, case, names, spots)
    page = job_page(job, result.plates, printer, walls) if targets.job is not None else ""
    pictures = [thumbnail(plate, printer) for plate in result.plates]
    certificate = print_certificate_text(print_certificates(result.parts, certified_mm))
    writings = print_writings(result, targets, Sheet(job, page, pictures, certificate), assumed)
    files = later(lambda: tuple(write() for write in writings))
    results = {"placings": stored_placings(result.plates), "job": job}
    findings = (*result.findings, *(each.finding for each in spots))
    return StepOutput(Printed(result, walls), files, findings, results)


def navigation_step(
    volume: Volume,
    landmarks: PointSet,
    trajectories: Sequence[Trajectory],
    params: NavigationParams,
    placings: Sequence[Transform],
    folder: Path,
    surfaces: Sequence[Surface] | None = None,
    beside: Sequence[SceneItem] = (),
    errors: Mapping[str, RegistrationError] | None = None,
) -> StepOutput[NavigationPlan]:
    """Find fiducials, check landmarks, measure trajectories, gather the transforms; write the navigation bundle.

    `beside` are files of the case that the bundle's scene opens as well; `errors` those of the registrations by which
    trajectories are followed.
    """
    from surgplan.case.bundle import write_navigation

    plan = plan_navigation(volume, landmarks, trajectories, params, placings, surfaces, errors or {})
    return StepOutput(plan, write_navigation(folder, plan, beside), plan.findings)


def report_step(
    given: ReportInput, params: ReportParams, folder: Path, views: Views | None = None
) -> StepOutput[Report]:
    """Make the report; write the page and its pictures."""
    from surgplan.formats.atomic import write_bytes, write_text

    report = make_report(given, params, views)
    writings = [partial(write_text, folder / "index.html", report.html)]
    writings += [
        partial(write_bytes, folder / name, report.pictures[name], _is_picture) for name in sorted(report.pictures)
    ]
    return StepOutput(report, together(writings), report.findings)


def _is_picture(path: Path) -> None:
    from PIL import Image

    with blaming(path), Image.open(path) as picture:
        picture.verify()
