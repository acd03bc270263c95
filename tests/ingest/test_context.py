"""What the gate reads in headers: contradictions about left and right, kernels, cone beams, ages."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.sources import load_source
from surgplan.findings import Finding, Level
from surgplan.formats.dicom_context import read_context
from surgplan.ingest.context import kernel_kind
from surgplan.ingest.stage import IngestParams
from tests.formats.slices import slice_of, write, write_series

ARRAY = np.random.default_rng(0).integers(-1000, 1500, (24, 30, 32)).astype(np.int16)
COUNT = np.arange(24) * 2.0


def found(folder: Path, params: IngestParams | None = None, **tags: object) -> dict[str, Finding]:
    write_series(folder, ARRAY, COUNT, **tags)
    return {each.check: each for each in load_source(folder, params or IngestParams()).findings}


@pytest.mark.parametrize("letters", [["L", "P"], ["L", "PF"], ["LA", "P"], ["", ""], ["L"]])
def test_an_orientation_that_agrees_or_says_nothing(tmp_path: Path, letters: list[str]) -> None:
    assert "orientation" not in found(tmp_path, PatientOrientation=letters)


@pytest.mark.parametrize("letters", [["R", "P"], ["L", "A"], ["RP", "P"]])
def test_a_header_that_contradicts_itself_about_left_and_right_is_refused(tmp_path: Path, letters: list[str]) -> None:
    told = found(tmp_path, PatientOrientation=letters)["orientation"]
    assert told.level is Level.REFUSE
    assert "ImageOrientationPatient the opposite" in told.measured


@pytest.mark.parametrize(("position", "rows", "told"), [
    ("HFS", [1, 0, 0, 0, 1, 0], False), ("FFS", [1, 0, 0, 0, 1, 0], False), ("HFP", [-1, 0, 0, 0, -1, 0], False),
    ("HFP", [1, 0, 0, 0, 1, 0], True), ("HFS", [-1, 0, 0, 0, -1, 0], True), ("HFS", [0, 1, 0, 0, 0, -1], False),
    ("HFDR", [0, -1, 0, 1, 0, 0], False), ("", [-1, 0, 0, 0, -1, 0], False),
])  # fmt: skip
def test_rows_against_the_patients_position(tmp_path: Path, position: str, rows: list[int], told: bool) -> None:
    normal = np.cross(rows[:3], rows[3:])
    for number, plane in enumerate(ARRAY):
        tags = {"ImageOrientationPatient": rows, "PatientPosition": position, "InstanceNumber": number + 1}
        write(tmp_path / f"{number}.dcm", slice_of(plane, normal * number * 2.0, **tags))
    checks = {each.check for each in load_source(tmp_path, IngestParams()).findings}
    assert ("patient-position" in checks) is told


@pytest.mark.parametrize(("kernel", "kind"), [
    ("B70s", "sharp"), ("H60f", "sharp"), ("Br69f/3", "sharp"), ("Hr60", "sharp"), ("BONE", "sharp"),
    ("BONEPLUS", "sharp"),
    ("LUNG", "sharp"), ("EDGE", "sharp"), ("YC", "sharp"), ("FC30", "sharp"), ("FC81", "sharp"), ("B20f", "smooth"),
    ("SOFT", "smooth"), ("FC01", "smooth"), ("Br38f/3", ""), ("B30f", ""), ("STANDARD", ""), ("UB", ""),
    ("FC08", ""), ("", ""),
])  # fmt: skip
def test_kernels_of_four_vendors(kernel: str, kind: str) -> None:
    assert kernel_kind(kernel) == kind


def test_a_kernel_is_judged_by_what_the_scan_is_for(tmp_path: Path) -> None:
    assert found(tmp_path / "a", ConvolutionKernel="B70s")["kernel"].level is Level.NOTE
    for aim, kernel, level in (
        ("vessel", "B70s", Level.WARN),
        ("bone", "B10f", Level.WARN),
        ("bone", "B70s", Level.NOTE),
    ):
        params = IngestParams.from_table({"aim": aim}, "test")
        assert found(tmp_path / f"{aim}{kernel}", params, ConvolutionKernel=kernel)["kernel"].level is level
    assert "kernel" not in found(tmp_path / "b", ConvolutionKernel="B30f")


@pytest.mark.parametrize("model", ["i-CAT 17-19", "NewTom VGi", "3D Accuitomo 170", "ProMax 3D", "Orthophos SL"])
def test_cone_beams_are_known_by_name(tmp_path: Path, model: str) -> None:
    assert found(tmp_path, ManufacturerModelName=model)["cbct"].level is Level.WARN


@pytest.mark.parametrize(
    "model", ["LightSpeed VCT", "Biograph40_mCT 4R", "Ingenuity CT", "SOMATOM Force", "Aquilion ONE"]
)
def test_other_scanners_are_no_cone_beams(tmp_path: Path, model: str) -> None:
    assert "cbct" not in found(tmp_path, ManufacturerModelName=model)


def test_the_age_is_told_in_months_and_never_the_date(tmp_path: Path) -> None:
    def age(folder: str, **tags: str) -> Finding | None:
        params = IngestParams.from_table({"planned_on": "2026-05-04"}, "test")
        return found(tmp_path / folder, params, **tags).get("scan-age")

    told = age("old", AcquisitionDate="20250704")
    assert told is not None
    assert (told.level, told.measured) == (Level.WARN, "9 months old on the day of planning")
    new = age("new", StudyDate="20260401")
    assert new is not None
    assert new.level is Level.NOTE
    late = age("late", StudyDate="20270401")
    assert late is not None
    assert late.level is Level.WARN
    assert age("none") is None
    assert "scan-age" not in found(tmp_path / "unplanned", StudyDate="20100101")
    assert "2025" not in json.dumps([told.as_dict(), new.as_dict()])
    table = json.loads(IngestParams.from_table({"planned_on": "2026-05-04"}, "t").model_dump_json())
    assert table["planned_on"] == "2026-05-04"


def test_what_a_header_tells_of_the_scan(tmp_path: Path) -> None:
    tags = {"ContrastBolusAgent": "Iohexol", "ImageLaterality": "R", "LossyImageCompressionRatio": [8.5, 12.0]}
    told = read_context(write(tmp_path / "a.dcm", slice_of(ARRAY[0], StudyDate="20250704", **tags)))
    assert told.contrast
    assert (told.laterality, told.lossy_ratio, told.taken_on) == ("R", 12.0, date(2025, 7, 4))
    assert not read_context(write(tmp_path / "b.dcm", slice_of(ARRAY[0], ContrastBolusAgent="NONE"))).contrast
    (tmp_path / "c").write_bytes(b"no header")
    assert read_context(tmp_path / "c").taken_on is None
    loaded = load_source(write_series(tmp_path / "s", ARRAY, COUNT, LossyImageCompression="01", **tags), IngestParams())
    assert loaded.facts["laterality"] == "R"
    assert any("at 12:1" in each.measured for each in loaded.findings)


def test_thick_slices_that_overlap_are_as_coarse_as_they_are_thick(tmp_path: Path) -> None:
    told = found(tmp_path / "a", SliceThickness=4.0)["slice-step"]
    assert (told.level, told.measured) == (Level.WARN, "4.00 mm thick slices")
    assert found(tmp_path / "b", SliceThickness=6.0)["slice-step"].level is Level.REFUSE
