"""The input gate: what is told of a scan before anything is made from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.case.sources import load_source
from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Modality
from tests.formats.slices import write_series

CT = IngestParams(modality="CT")
RNG = np.random.default_rng(0)


def scan(low: int = -1000, high: int = 1500, count: int = 24) -> np.ndarray:
    return RNG.integers(low, high, (count, 30, 32)).astype(np.int16)


def nifti(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
    return path


def checks(path: Path, **params: object) -> dict[str, Level]:
    return {finding.check: finding.level for finding in load_source(path, IngestParams(**params)).findings}


def test_a_ct_is_recognised_by_its_values_and_told(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii.gz", scan())
    assert load_source(path, IngestParams()).volume.modality is Modality.CT
    path = nifti(tmp_path / "mr.nii.gz", scan(0, 900))
    assert load_source(path, IngestParams()).volume.modality is Modality.OTHER
    assert checks(path)["modality"] is Level.WARN
    assert load_source(path, IngestParams(modality="MR")).volume.modality is Modality.MR
    assert "modality" not in checks(path, modality="MR")


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("labels", [1, 5, 117])
def test_a_label_map_is_refused_with_the_command_that_takes_it(tmp_path: Path, kind: str, labels: int) -> None:
    array = np.zeros((60, 60, 60), kind)
    for label in range(1, labels + 1):
        k, j = divmod(label, 12)
        array[k * 5 : k * 5 + 4, j * 5 : j * 5 + 4, 5:55] = label
    path = nifti(tmp_path / "labels.nii.gz", array)
    with pytest.raises(BadInput, match=r"labels\.nii\.gz: holds .* a label map.*surgplan surface"):
        load_source(path, IngestParams())


def test_an_mr_of_few_grey_values_is_no_label_map(tmp_path: Path) -> None:
    path = nifti(tmp_path / "mr.nii.gz", scan(0, 200).astype(np.uint8))
    assert checks(path)["modality"] is Level.WARN


def test_an_empty_image_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "empty.nii", np.full((20, 20, 20), -1024, np.int16))
    with pytest.raises(BadInput, match="every voxel has the value -1024"):
        load_source(path, IngestParams())


def test_thick_slices_and_long_voxels_are_told(tmp_path: Path) -> None:
    path = nifti(tmp_path / "ct.nii", scan(), (0.5, 0.5, 5))
    found = {finding.check: finding for finding in load_source(path, IngestParams()).findings}
    assert (found["slice-step"].measured, found["slice-step"].limit) == ("5.00 mm", "3 mm")
    assert (found["anisotropy"].measured, found["anisotropy"].limit) == ("10.0", "6")
    assert "slice-step" not in checks(path, max_step_mm=5.0)


def test_few_slices_are_told(tmp_path: Path) -> None:
    assert checks(nifti(tmp_path / "a.nii", scan(count=12)))["slice-count"] is Level.WARN
    assert "slice-count" not in checks(nifti(tmp_path / "a.nii", scan(count=30)))


def test_a_scale_without_air_and_a_clipped_top_are_told(tmp_path: Path) -> None:
    array = scan(0, 3071, 24)
    array[3, 4, 5:8] = 3071
    write_series(tmp_path / "a", array, np.arange(24.0))
    found = {finding.check: finding for finding in load_source(tmp_path / "a", IngestParams()).findings}
    assert found["hu-scale"].level is Level.REFUSE  # not even fat
    dark = {finding.check: finding for finding in load_source(nifti(tmp_path / "b.nii", scan(-300, 1500)), CT).findings}
    assert dark["hu-scale"].level is Level.WARN
    assert "3071 HU, in 3 voxels" in found["clipped"].measured


def test_loss_and_gaps_between_slices_are_told(tmp_path: Path) -> None:
    write_series(tmp_path, scan(), np.arange(24) * 3.0, LossyImageCompression="01")
    found = checks(tmp_path)
    assert found["lossy"] is Level.WARN
    assert found["slice-gaps"] is Level.WARN  # 2 mm thick, 3 mm apart


def test_nothing_that_identifies_the_patient_leaves_the_stage(tmp_path: Path) -> None:
    write_series(
        tmp_path, scan(), np.arange(24) * 2.0, SeriesDescription="Planted^Name", InstitutionName="Planted House"
    )
    found = load_source(tmp_path, IngestParams())
    told = repr([finding.as_dict() for finding in found.findings]) + repr(dict(found.facts)) + repr(found.corrections)
    assert "lanted" not in told.replace(str(tmp_path), "")
    assert "PLANTED" not in told
