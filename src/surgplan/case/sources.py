"""From the files of a scan to a checked volume: joins formats and ingest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgplan.case.digest import source_files
from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding
from surgplan.formats.dicom import DicomTree, SliceHeader, find_slices
from surgplan.formats.dicom_pixels import AIR_HU, read_slices
from surgplan.formats.images import is_image_file, read_image
from surgplan.ingest.choose import choose
from surgplan.ingest.correct import place
from surgplan.ingest.gate import check_slices
from surgplan.ingest.listing import Row, rows
from surgplan.ingest.series import Rules, group
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


def load_source(path: Path, params: IngestParams) -> Ingested:
    """Read and check a scan: a folder of DICOM files, one file of them, or a NIfTI, NRRD or MHA file.

    Raises
    ------
    Missing
        There is no such file, or no decoder for it is installed.
    BadInput
        It cannot be read as a volume, and why.
    WrongUsage
        The series that was asked for is not there.
    OutOfResources
        It does not fit into memory.
    """
    if path.is_file() and is_image_file(path):
        volume, findings = read_image(path)
        checked, more = check_volume(volume, params, path)
        return Ingested(checked, (*findings, *more), (path,), _volume_facts(checked))
    files = source_files(path)
    tree = find_slices(files)
    images = [file for file in files if is_image_file(file)]
    if images and not tree.slices:
        advice = f"Name the file itself, for example {images[0].name}"
        raise BadInput(path, f"holds {len(images)} image files and no DICOM series", "one scan", advice)
    return _dicom(path, tree, params)


def list_series(path: Path, params: IngestParams) -> tuple[Row, ...]:
    """What DICOM series a folder or file holds; pixels are left alone. Numbers are those that `series` takes.

    Raises
    ------
    Missing
        There is no such file or folder.
    """
    found, _ = group(find_slices(source_files(path)).slices, Rules(params.orthogonal, params.fill_gaps))
    return rows(found)


def _dicom(path: Path, tree: DicomTree, params: IngestParams) -> Ingested:
    series, why = choose(tree, params.series, path, Rules(params.orthogonal, params.fill_gaps))
    assert series.layout is not None
    array = read_slices(series.slices)
    first = series.first
    modality = Modality(first.modality) if first.modality in set(Modality) else Modality.OTHER
    placed = place(series.layout, array, AIR_HU if modality is Modality.CT else float(array.min()))
    with blaming(first.path, "Re-export the series"):
        volume = Volume(placed.grid, placed.array, modality, first.frame_of_reference)
    checked, found = check_volume(volume, params, path)
    told = check_slices(series.slices, float(series.layout.usual_steps.max()))
    files = tuple(dict.fromkeys(each.path for each in series.slices))
    facts = {**_volume_facts(checked), **_series_facts(first)}
    return Ingested(checked, (*why, *placed.findings, *found, *told), files, facts, placed.corrections)


def _volume_facts(volume: Volume) -> dict[str, Fact]:
    size, spacing = volume.grid.size, volume.grid.spacing
    return {
        "modality": str(volume.modality),
        "voxels": " × ".join(map(str, size)),
        "voxel size (mm)": " × ".join(f"{step:.3f}" for step in spacing),
        "axes grow to": volume.grid.orientation_code(),
    }


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
