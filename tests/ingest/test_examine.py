"""What the gate measures in voxels: against phantoms of known noise, metal, contrast and position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.case.sources import load_source
from surgplan.findings import Finding, Level
from surgplan.ingest.examine import examine
from surgplan.ingest.limits import GateLimits
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Grid, Modality, Volume

SHAPE = (24, 120, 120)
K, J, I = np.indices(SHAPE)  # noqa: E741
RADIUS = np.hypot(J - 60, I - 60)


def ct(array: np.ndarray, noise: float = 10.0, spacing: float = 1.0) -> Volume:
    noisy = array + np.random.default_rng(1).normal(0, noise, SHAPE)
    return Volume(Grid(SHAPE[::-1], (spacing, spacing, 1.0), (0, 0, 0)), noisy.round().astype(np.int16), Modality.CT)


def body() -> np.ndarray:
    return np.where(RADIUS < 45, 50.0, -1000.0)


def found(volume: Volume, aim: str | None = None, agent: bool = False, **limits: float) -> dict[str, Finding]:
    return {each.check: each for each in examine(volume, GateLimits(**limits), aim, agent)}


@pytest.mark.parametrize("noise", [5.0, 20.0, 45.0, 80.0])
def test_noise_is_that_of_the_phantom(noise: float) -> None:
    told = found(ct(body(), noise))["noise"]
    assert float(told.measured.split()[0]) == pytest.approx(noise, rel=0.1, abs=1.5)
    assert told.level is (Level.WARN if noise > 50 else Level.NOTE)
    assert found(ct(body(), noise), noise_hu=noise - 4)["noise"].level is Level.WARN


def test_air_that_is_shifted_is_warned_of_and_refused_when_it_is_far_off() -> None:
    assert "hu-scale" not in found(ct(body()))
    assert "hu-scale" not in found(ct(np.maximum(body(), -1024)))
    assert found(ct(body() + 90))["hu-scale"].level is Level.WARN
    told = found(ct(body() + 300))["hu-scale"]
    assert (told.level, told.measured) == (Level.REFUSE, "air round the body reads -700 HU")


def test_padding_and_lung_at_the_border_are_no_air() -> None:
    padded = np.where(RADIUS > 58, -2000, body())
    assert "hu-scale" not in found(ct(padded, 0))
    lung = np.where(J < 60, 40, np.where(J < 90, -860, -780)) + 100 * ((I // 3) % 2)
    assert "hu-scale" not in found(ct(lung, 30))


def test_metal_is_measured_and_single_bright_voxels_are_not() -> None:
    assert "metal-in-scan" not in found(ct(np.where((J == 60) & (I % 7 == 0) & (K == 3), 3100, body())))
    rod = np.where((np.hypot(J - 60, I - 40) < 2.6) & (K < 10), 3200, body())
    assert found(ct(rod))["metal-in-scan"].level is Level.NOTE
    told = found(ct(np.where(np.hypot(J - 60, I - 40) < 6, 3200, body())))["metal-in-scan"]
    assert told.level is Level.WARN
    assert float(told.measured.split()[0]) == pytest.approx(np.pi * 36 * 24 / 1000, rel=0.15)


def test_contrast_is_seen_in_an_even_vessel_and_not_in_spongy_bone() -> None:
    vessel = np.where(np.hypot(J - 60, I - 60) < 14, 320, body())
    assert found(ct(vessel))["contrast"].level is Level.NOTE
    assert found(ct(vessel), aim="bone")["contrast"].level is Level.WARN
    speckle = np.random.default_rng(2).normal(250, 70, SHAPE)
    spongy = np.where(np.hypot(J - 60, I - 60) < 14, speckle, body())
    assert "contrast" not in found(ct(spongy))
    assert found(ct(spongy), aim="vessel")["contrast"].level is Level.WARN
    assert found(ct(spongy), aim="vessel", agent=True)["contrast"].level is Level.NOTE


def test_a_body_that_is_cut_is_told_by_its_sides_in_the_patient() -> None:
    told = [each for each in examine(ct(body()), GateLimits(), None, False) if each.check == "field-of-view"]
    assert [each.level for each in told] == [Level.NOTE]  # a trunk goes on above and below
    shifted = np.where(np.hypot(J - 60, I - 110) < 45, 50.0, -1000.0)
    told = [each for each in examine(ct(shifted), GateLimits(), None, False) if each.check == "field-of-view"]
    assert told[0].level is Level.WARN
    assert "left" in told[0].measured  # i grows to the left
    assert "right" not in told[0].measured


def test_an_mr_scan_is_not_measured_on_a_scale_that_it_has_not() -> None:
    volume = ct(body())
    assert examine(Volume(volume.grid, volume.array, Modality.MR), GateLimits(), None, False) == []


REAL = {
    "ct_ge_chest_contrast": {"noise": Level.WARN, "contrast": Level.NOTE, "metal-in-scan": Level.WARN},
    "ct_abdomen_j2k/example_ct_dicom": {"noise": Level.NOTE, "contrast": Level.NOTE},
    "ct_head_thick/ct_example.nii.gz": {"noise": Level.NOTE},
    "cta_aorta/models/ct_cropped.nii.gz": {"contrast": Level.NOTE, "metal-in-scan": Level.WARN, "noise": Level.NOTE},
    "ct_pelvis_3mm/example_ct.nii.gz": {"metal-in-scan": Level.WARN, "noise": Level.NOTE},
}


@pytest.mark.parametrize("name", REAL)
def test_real_scans_give_what_they_hold_and_no_alarm_besides(test_data: Path, name: str) -> None:
    """A lung kernel is noisy; a stent and a hip stem are metal; CTAs and portal-venous scans have contrast."""
    volume = load_source(test_data / name, IngestParams()).volume
    told = {each.check: each.level for each in examine(volume, GateLimits(), None, False)}
    told.pop("field-of-view", None)
    assert told == REAL[name]


def test_what_a_tight_recipe_makes_of_a_scan(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ct(body()).array)
    image.SetSpacing((1.0, 1.0, 2.0))
    sitk.WriteImage(image, str(tmp_path / "ct.nii"))

    def step(**limits: float) -> Level | None:
        params = IngestParams(limits=GateLimits(**limits))
        found = load_source(tmp_path / "ct.nii", params).findings
        return next((each.level for each in found if each.check == "slice-step"), None)

    assert step() is None
    assert step(feature_mm=3.0) is Level.WARN
    assert step(feature_mm=4.0) is None
    assert step(refuse_step_mm=1.5) is Level.REFUSE
