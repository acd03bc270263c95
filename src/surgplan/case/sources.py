"""From the files of a scan to a checked volume: joins formats and ingest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgplan.case.image_files import choose_image, image_rows
from surgplan.case.opened import OpenSource, opened
from surgplan.errors import SurgplanError, WrongUsage, blaming
from surgplan.findings import Finding
from surgplan.formats.dicom import DicomTree, SliceHeader, find_slices
from surgplan.formats.dicom_context import ScanContext, read_context
from surgplan.formats.dicom_copies import without_copies
from surgplan.formats.dicom_pixels import AIR_HU, read_slices
from surgplan.formats.images import is_image_file, read_image
from surgplan.ingest.choose import choose, counted
from surgplan.ingest.context import check_context
from surgplan.ingest.correct import place
from surgplan.ingest.gate import check_slices
from surgplan.ingest.listing import Listing, Row, rows
from surgplan.ingest.series import Rules, Series, group, why_no_slice
from surgplan.ingest.stage import IngestParams, check_volume
from surgplan.model.volume import Modality, Volume

Fact = str | int | float


@dataclass(frozen=True)
class Ingested:
    """A scan that was read: volume, findings, the files that it came from, facts for the report, what was corrected.

    Nothing in the facts, findings or corrections identifies a patient.
    """

    volume: Volume
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]
    facts: Mapping[str, Fact]
    corrections: tuple[Mapping[str, Any], ...] = ()
    contrast: bool = False
    """Whether a header tells of a contrast agent."""


def load_source(path: Path, params: IngestParams) -> Ingested:
    """Read and check a scan.

    `path` is a folder, one DICOM file, a DICOMDIR, a zip archive, or a NIfTI, NRRD or MHA file. Image files in a folder
    or archive count only where there are no DICOM slices, or when they are asked for by number.

    Raises
    ------
    Missing
        There is no such file, or no decoder for it is installed.
    BadInput
        It cannot be read as a volume, and why.
    WrongUsage
        The series that was asked for is not there.
    OutOfResources
        It does not fit into memory, or onto the disk where an archive is unpacked.
    """
    with opened(path) as source:
        survey = _surveyed(source, params)
        if survey.images and (not survey.tree.slices or survey.means_an_image(params.series)):
            return _image(survey, params)
        return _dicom(survey, params)


@dataclass(frozen=True)
class Survey:
    """What an open source holds: image files, and the series among its DICOM files; `left` belongs to none."""

    source: OpenSource
    images: tuple[Path, ...]
    tree: DicomTree
    series: tuple[Series, ...]
    left: tuple[tuple[SliceHeader, str], ...]

    def means_an_image(self, wanted: str | None) -> bool:
        """Whether what `--series` asks for is one of the image files, which are numbered after the series."""
        last = len(self.series) + len(self.images)
        numbers = {str(number) for number in range(len(self.series) + 1, last + 1)}
        return wanted in numbers | {path.name for path in self.images}


def _surveyed(source: OpenSource, params: IngestParams) -> Survey:
    images = tuple(path for path in source.files if is_image_file(path))
    tree = find_slices((path for path in source.files if not is_image_file(path)), source.absent)
    tree = without_copies(tree, lambda each: not why_no_slice(each))
    series, left = group(tree.slices, Rules(params.orthogonal, params.fill_gaps))
    return Survey(source, images, tree, series, left)


def list_series(path: Path, params: IngestParams) -> Listing:
    """What a source holds, and which of it would be read; pixels of DICOM files are left alone.

    Raises
    ------
    Missing, BadInput, OutOfResources
        The source cannot be opened.
    """
    with opened(path) as source:
        survey = _surveyed(source, params)
        found = [*rows(survey.series), *image_rows(survey.images, len(survey.series), source, params)]
        number, why = _foretold(survey, found, params)
        reasons = [reason for _, reason in survey.left] + [each.reason for each in survey.tree.skipped]
        reasons += ["a slice once more"] * len(survey.tree.copies)
        return Listing(tuple(found), number, why, counted(reasons))


def _foretold(survey: Survey, found: Sequence[Row], params: IngestParams) -> tuple[int | None, str]:
    """The number of what would be read without a doubt, or None and why not."""
    try:
        if survey.images and (not survey.tree.slices or survey.means_an_image(params.series)):
            chosen, _ = choose_image(survey.images, len(survey.series), survey.source, params)
            number = len(survey.series) + survey.images.index(chosen) + 1
            return (number, "") if not found[number - 1].trouble else (None, found[number - 1].trouble)
        best, findings = choose(survey.tree, survey.series, survey.left, params.series, survey.source.given)
    except SurgplanError as error:
        return None, error.message
    return best.number, next((finding.measured for finding in findings if finding.check == "series"), "")


def _image(survey: Survey, params: IngestParams) -> Ingested:
    source = survey.source
    chosen, why = choose_image(survey.images, len(survey.series), source, params)
    volume, findings = read_image(chosen, params.frame)
    checked, more = check_volume(volume, params, chosen)
    return Ingested(checked, (*why, *findings, *more), (source.named(chosen),), _volume_facts(checked))


def _dicom(survey: Survey, params: IngestParams) -> Ingested:
    source = survey.source
    if params.frame is not None:
        advice = "Omit it; pass --series NUMBER to choose among the volumes of a DICOM source"
        raise WrongUsage("--frame", "is for NIfTI, NRRD and MHA files that hold several volumes", advice=advice)
    series, why = choose(survey.tree, survey.series, survey.left, params.series, source.given)
    assert series.layout is not None
    array = read_slices(series.slices)
    first = series.first
    modality = Modality(first.modality) if first.modality in set(Modality) else Modality.OTHER
    placed = place(series.layout, array, AIR_HU if modality is Modality.CT else float(array.min()))
    with blaming(first.path, "Re-export the series"):
        volume = Volume(placed.grid, placed.array, modality, first.frame_of_reference)
    checked, found = check_volume(volume, params, source.given, first.thickness)
    context = read_context(first.path)
    told = check_slices(series.slices, float(series.layout.usual_steps.max()), context.lossy_ratio)
    told += check_context(first, series.layout.axes, context, params.limits, params.aim, params.planned_on)
    files = tuple(dict.fromkeys(source.named(each.path) for each in series.slices))
    facts = {**_volume_facts(checked), **_series_facts(first), **_context_facts(context)}
    findings = (*why, *source.findings, *placed.findings, *found, *told)
    return Ingested(checked, findings, files, facts, placed.corrections, context.contrast)


def _volume_facts(volume: Volume) -> dict[str, Fact]:
    size, spacing = volume.grid.size, volume.grid.spacing
    return {
        "modality": str(volume.modality),
        "voxels": " × ".join(map(str, size)),
        "voxel size (mm)": " × ".join(f"{step:.3f}" for step in spacing),
        "axes grow to": volume.grid.orientation_code(),
    }


def _context_facts(context: ScanContext) -> dict[str, Fact]:
    return {"laterality": context.laterality} if context.laterality else {}


def _series_facts(first: SliceHeader) -> dict[str, Fact]:
    told: dict[str, Fact | None] = {
        "scanner": " ".join(part for part in (first.maker, first.model) if part),
        "kernel": first.kernel,
        "tube voltage (kV)": first.kilovolts,
        "slice thickness (mm)": first.thickness,
        "patient position": first.patient_position,
        "series number": first.series_number,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}
