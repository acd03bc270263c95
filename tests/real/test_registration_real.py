"""Registrations whose results were published, and one that must not be accepted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.program import surgplan

PUBLISHED_MM = [22.7064, -39.7536, 25.6504]
"""Phantom to Reference, `PhantomRegistrationLandmarkDetection.results.xml` of PlusLibData."""


def test_plus_from_the_recording_to_the_published_registration(test_data: Path, tmp_path: Path) -> None:
    plus = test_data / "navigation" / "plus"
    config = plus / "PlusDeviceSet_fCal_Sim_RecordPhantomLandmarks.xml"
    recording = plus / "EightLandmarkPointsTrackedForPhantomRegistration.igs.mha"
    touched, out = tmp_path / "touched.csv", tmp_path / "reference_from_phantom.tfm"
    done = surgplan("collect", "--from", recording, "--calibration", config, "--names", config, "-o", touched)
    assert done.code == 0, done.err
    done = surgplan("register", config, touched, "-o", out, "--json")
    assert done.code == 0, done.err
    stored = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert (stored["moving"]["name"], stored["fixed"]["name"]) == ("Phantom", "Reference")
    offset = np.array(stored["matrix"])[:3, 3]
    assert np.linalg.norm(offset - PUBLISHED_MM) < 0.3
    assert stored["accuracy"]["fre_mm"] < 0.5
    assert len(stored["accuracy"]["pairs"]) == 8


@pytest.mark.parametrize(("model", "fre", "scale"), [("rigid", 23.05, 0.83), ("similarity", 12.64, 0.83)])
def test_an_atlas_on_a_scoliotic_spine_is_never_accepted(
    model: str, fre: float, scale: float, test_data: Path, tmp_path: Path
) -> None:
    folder = test_data / "navigation" / "slicerigt" / "ModelToPatientRegistrationSampleData"
    sides = folder / "UsLandmarks_Atlas.fcsv", folder / "TrXFiducials.fcsv"
    words = ("register", *sides, "-o", tmp_path / "x.tfm", "--model", model, "--match", "normalised", "--json")
    done = surgplan(*words)
    assert done.code == 4
    assert done.json["verdict"] == "rejected"
    assert done.json["accuracy"]["fre_mm"] == pytest.approx(fre, abs=0.1)
    assert done.json["accuracy"]["scale"]["found"] == pytest.approx(scale, abs=0.005)
    assert len(done.json["accuracy"]["pairs"]) == 26
    assert {"fre", "tre", "scale"} <= {each["check"] for each in done.json["findings"] if each["level"] == "refuse"}
    assert "REJECTED" in (tmp_path / "x.tfm").read_text("utf-8")


def test_names_that_differ_are_told_with_the_cure(test_data: Path, tmp_path: Path) -> None:
    """By exact names only T10 to T12 match: the rest is listed, and the result refused."""
    folder = test_data / "navigation" / "slicerigt" / "ModelToPatientRegistrationSampleData"
    sides = folder / "UsLandmarks_Atlas.fcsv", folder / "TrXFiducials.fcsv"
    done = surgplan("register", *sides, "-o", tmp_path / "x.tfm")
    assert done.code == 4
    assert "20 of 26 fixed points have no partner: T3L, T3R" in done.err
    assert "--match normalised" in done.err
