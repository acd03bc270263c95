"""Contours as masks. Truth: areas of circles and polygons, and the squares that a contour surrounds by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from surgplan.errors import BadInput
from surgplan.formats.masks import read_masks
from surgplan.formats.rtstruct import RTSTRUCT
from surgplan.model.volume import Grid

WHERE = Grid((60, 50, 9), (1.0, 1.0, 2.5), (-30.0, -25.0, 100.0))
OBLIQUE = Grid((60, 50, 9), (1.0, 1.0, 2.5), (-30.0, -25.0, 100.0), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


def circle(radius: float, k: float, grid: Grid = WHERE, centre=(30, 25)) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ijk = [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(200, k)]
    return grid.lps_from_ijk.apply(np.stack(ijk, axis=1))


def structure_set(
    path: Path, rois: dict[str, list[np.ndarray]], kind: str = "CLOSED_PLANAR", frame: str = "1.2.3"
) -> Path:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = RTSTRUCT
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = RTSTRUCT, "1.2.3.4", "RTSTRUCT"
    made.StructureSetROISequence, made.ROIContourSequence = [], []
    for number, (name, loops) in enumerate(rois.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, frame
        made.StructureSetROISequence.append(roi)
        contours = Dataset()
        contours.ReferencedROINumber, contours.ROIDisplayColor = number, [10, 200, 30]
        contours.ContourSequence = []
        for loop in loops:
            item = Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = kind, len(loop)
            item.ContourData = [f"{value:.6g}" for value in loop.ravel()]
            contours.ContourSequence.append(item)
        made.ROIContourSequence.append(contours)
    made.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("grid", [WHERE, OBLIQUE])
def test_a_circle_has_its_area_and_its_hole(tmp_path, grid):
    loops = [loop for k in (3, 4, 5) for loop in (circle(18, k, grid), circle(7, k, grid))]
    (mask,), findings = read_masks(structure_set(tmp_path / "rt.dcm", {"ring": loops}), grid=grid)
    assert mask.voxels == pytest.approx(3 * np.pi * (18**2 - 7**2), rel=0.01)
    assert (mask.name, mask.color, mask.frame_of_reference) == ("ring", (10, 200, 30), "1.2.3")
    assert (mask.start[0], mask.array.shape[0]) == (3, 3)
    assert not mask.array[1, 18, 18]
    np.testing.assert_allclose(mask.block_grid.centre, grid.lps_from_ijk.apply((30, 25, 4)), atol=0.6)
    assert findings == ()


def test_a_square_holds_the_voxels_whose_centres_it_surrounds(tmp_path):
    corners = WHERE.lps_from_ijk.apply([(9.5, 19.5, 2), (14.5, 19.5, 2), (14.5, 22.5, 2), (9.5, 22.5, 2)])
    (mask,), _ = read_masks(structure_set(tmp_path / "rt.dcm", {"square": [corners]}), grid=WHERE)
    assert (mask.start, mask.array.shape, mask.voxels) == ((2, 20, 10), (1, 3, 5), 15)


def test_missing_slices_are_told(tmp_path):
    path = structure_set(tmp_path / "rt.dcm", {"bladder": [circle(9, 1), circle(9, 3)], "none": []})
    (mask,), (told,) = read_masks(path, grid=WHERE)
    assert mask.name == "bladder"
    assert "contours on 2 of 3 slices of 2.50 mm" in told.measured


@pytest.mark.parametrize(
    ("loops", "kind", "words"),
    [
        ([circle(9, 2.5)], "CLOSED_PLANAR", "lies 1.25 mm beside the scan's nearest slice"),
        ([circle(9, 12)], "CLOSED_PLANAR", "lies 10.0 mm beyond the scan's last slice"),
        ([circle(9, 2)], "POINT", "holds no closed contours"),
        ([circle(9, 2)[:2]], "CLOSED_PLANAR", "a contour has 6 coordinates"),
        ([np.full((4, 3), np.nan)], "CLOSED_PLANAR", r"rt\.dcm"),
    ],
)
def test_contours_that_are_not_on_the_scan_are_refused(tmp_path, loops, kind, words):
    path = structure_set(tmp_path / "rt.dcm", {"x": loops}, kind)
    with pytest.raises(BadInput, match=words):
        read_masks(path, grid=WHERE)


def test_without_a_scan_contours_cannot_be_filled(tmp_path):
    with pytest.raises(BadInput, match="holds contours, expected a scan to fill them on"):
        read_masks(structure_set(tmp_path / "rt.dcm", {"x": [circle(9, 2)]}))


def test_real_contours_have_the_area_of_their_polygons(test_data):
    path = test_data / "dicom_seg_rt" / "rtutils" / "mock_data" / "invalid_reference_rt.dcm"
    grid = Grid((512, 512, 3), (0.488281, 0.488281, 5), (-125, -125, 60))
    masks, _ = read_masks(path, grid=grid)
    from pydicom import dcmread

    assert [mask.name for mask in masks] == ["ROI-1", "ROI-2", "ROI-3", "ROI-4"]
    for mask, roi in zip(masks, dcmread(path).ROIContourSequence, strict=True):
        area = 0.0
        for item in roi.ContourSequence:
            x, y = (np.array([float(v) for v in item.ContourData[n::3]]) for n in (0, 1))
            area += abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
        assert mask.volume_mm3 == pytest.approx(area * 5, rel=0.02)
    (first, *_) = masks
    assert first.color == (255, 0, 255)
    assert first.frame_of_reference.endswith(".912.6060.1")
