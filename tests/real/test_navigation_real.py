"""Point files that 3D Slicer and others wrote, and scans of patients who carried no markers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.sources import load_source
from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.formats.markups import read_points, write_fcsv, write_mrk_json
from surgplan.ingest.stage import IngestParams
from surgplan.model.frames import LPS, RAS
from surgplan.navigation.fiducials import find_fiducials
from surgplan.navigation.stage import NavigationParams


def afids(test_data: Path, ending: str) -> Path:
    return test_data / "navigation" / "afids" / "data" / f"tpl-MNI152NLin2009cAsym_afids.{ending}"


def slicerigt(test_data: Path) -> list[Path]:
    return sorted((test_data / "navigation" / "slicerigt").rglob("*.fcsv"))


def test_afids_are_the_same_32_points_in_both_formats(test_data: Path) -> None:
    from_fcsv, from_json = (read_points(afids(test_data, ending)) for ending in ("fcsv", "json"))
    assert len(from_fcsv) == len(from_json) == 32
    assert [point.name for point in from_fcsv] == [point.name for point in from_json]
    assert [point.description for point in from_fcsv] == [point.description for point in from_json]
    np.testing.assert_allclose(from_fcsv.positions, from_json.positions, atol=1e-6)


def test_afids_lie_on_the_right_side_in_lps(test_data: Path) -> None:
    """Anterior commissure before the posterior one; the left Meckel's cave on the left."""
    points = {point.description: point.position for point in read_points(afids(test_data, "fcsv"))}
    assert points["AC"][1] < points["PC"][1]
    pairs = [(name, name.replace("R ", "L ", 1)) for name in points if name.startswith("R ")]
    assert len(pairs) >= 8
    for right, left in pairs:
        assert points[right][0] < 0 < points[left][0], f"{left} lies right of {right}"


def test_afids_say_ras_and_are_not_to_be_taken_for_lps(test_data: Path) -> None:
    stored = json.loads(afids(test_data, "json").read_text("utf-8"))["markups"][0]
    assert stored["coordinateSystem"] == "RAS"
    first = read_points(afids(test_data, "json"), RAS)["1"].position
    np.testing.assert_allclose(first, np.array(stored["controlPoints"][0]["position"]) * [-1, -1, 1], atol=1e-12)
    with pytest.raises(BadInput, match="says that it lies in RAS, expected LPS"):
        read_points(afids(test_data, "json"), LPS)


def test_slicerigt_s_points_of_old_versions_are_read(test_data: Path) -> None:
    counts = {path.name: len(read_points(path)) for path in slicerigt(test_data)}
    assert counts["TrXFiducials.fcsv"] == 26
    assert counts["UsLandmarks_Atlas.fcsv"] == 54
    assert set(counts) >= {"ModelLandmarks.fcsv"}


def test_real_points_come_back_from_our_files(test_data: Path, tmp_path: Path) -> None:
    for path in (*slicerigt(test_data), afids(test_data, "fcsv")):
        points = read_points(path)
        for write, ending in ((write_fcsv, ".fcsv"), (write_mrk_json, ".mrk.json")):
            write(tmp_path / f"points{ending}", points)
            found = read_points(tmp_path / f"points{ending}")
            assert [point.name for point in found] == [point.name for point in points]
            np.testing.assert_allclose(found.positions, points.positions, atol=1e-9)


def test_a_real_file_cut_anywhere_is_refused_or_holds_whole_points(test_data: Path, tmp_path: Path) -> None:
    for name in ("fcsv", "json"):
        whole = afids(test_data, name).read_bytes()
        truth = {tuple(point.position) for point in read_points(afids(test_data, name))}
        path = tmp_path / f"cut.{name}"
        for length in range(0, len(whole), max(1, len(whole) // 150)):
            path.write_bytes(whole[:length])
            try:
                found = read_points(path)
            except BadInput:
                continue
            assert {tuple(point.position) for point in found} <= truth, f"cut at {length}"


SCANS = {
    "ct_ge_chest_contrast": "ct_ge_chest_contrast",
    "ct_philips_head_phantom": "ct_philips_head_phantom/notilt_5mm/S2010",
    "ct_abdomen_j2k": "ct_abdomen_j2k",
    "ct_head_thick": "ct_head_thick/ct_example.nii.gz",
    "ct_pelvis_3mm": "ct_pelvis_3mm/example_ct.nii.gz",
}


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS)
def test_patients_without_markers_have_none(scan: str, test_data: Path) -> None:
    """Ribs, teeth, contrast medium, leads, a metal hip: each is told by number and reason, and none as a marker."""
    volume = load_source(test_data / scan, IngestParams(modality="CT")).volume
    found, findings = find_fiducials(volume, NavigationParams())
    assert len(found) == 0
    assert [each.check for each in findings] == ["fiducials-rejected"]
    assert findings[0].level == Level.NOTE
    assert findings[0].measured.startswith("bright spots that are no markers: ")
    for kind in ("spheres", "donuts", "screws"):
        found, _ = find_fiducials(volume, NavigationParams(fiducials=kind, min_markers=1))
        assert len(found) == 0, f"{kind}: {found.positions}"
