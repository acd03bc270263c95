"""Label maps as 3D Slicer's segmentations. Truth: SimpleITK, and files laid out as Slicer's documentation says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.errors import BadInput
from surgplan.formats.segmentations import read_labels, write_labels
from surgplan.model.labels import Code, Label, LabelMap, Side
from surgplan.model.volume import Grid

GRID = Grid((4, 5, 6), (0.5, 0.6, 0.7), (10, 20, 30))
LABELS = (
    Label(1, "Left femur", (232, 220, 192), Side.LEFT, Code("SCT", "71341001", "Femur"), 226.5),
    Label(2, "tumour | ä: 50 % \\n", (1, 2, 3)),
    Label(7, "vessels", (255, 0, 128), level=-0.125),
)


def label_map(kind: str = "uint8") -> LabelMap:
    array = np.random.default_rng(0).choice([0, 1, 2, 7], GRID.shape).astype(kind)
    return LabelMap(GRID, array, LABELS)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_everything_comes_back(tmp_path: Path, kind: str) -> None:
    labels = label_map(kind)
    write_labels(tmp_path / "labels.seg.nrrd", labels)
    found = read_labels(tmp_path / "labels.seg.nrrd")
    assert found.labels == labels.labels
    assert found.grid.matches(labels.grid)
    np.testing.assert_array_equal(found.array, labels.array)


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_labels(tmp_path / "a.seg.nrrd", label_map())
    assert write_labels(tmp_path / "b.seg.nrrd", label_map()).sha256 == first.sha256


def test_the_fields_of_slicer_are_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.seg.nrrd"
    write_labels(path, label_map())
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), label_map().array)
    assert image.GetMetaData("Segment0_Name") == "Left femur"
    assert image.GetMetaData("Segment2_LabelValue") == "7"
    assert image.GetMetaData("Segment0_Layer") == "0"
    assert image.GetMetaData("Segment0_Extent") == "0 3 0 4 0 5"
    color = [float(part) for part in image.GetMetaData("Segment2_Color").split()]
    np.testing.assert_allclose(color, [1, 0, 128 / 255], atol=1e-6)
    tags = dict(tag.split(":", 1) for tag in image.GetMetaData("Segment0_Tags").split("|"))
    terms = tags["TerminologyEntry"].split("~")
    assert len(terms) == 7
    assert terms[2] == "SCT^71341001^Femur"
    assert terms[3] == "SCT^7771000^Left"
    assert len({image.GetMetaData(f"Segment{number}_ID") for number in range(3)}) == 3


def slicer_file(path: Path, array: np.ndarray, keys: list[str], sizes: str, directions: str) -> Path:
    header = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "type: unsigned char",
        f"dimension: {len(sizes.split())}",
        "space: left-posterior-superior",
        f"sizes: {sizes}",
        f"space directions: {directions}",
        "encoding: raw",
        "space origin: (1,2,3)",
        *keys,
    ]
    path.write_bytes("\n".join(header).encode() + b"\n\n" + array.tobytes())
    return path


TISSUE = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~~^^~^^"
)
BONE = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^85756007^Tissue~SCT^272673000^Bone"
    "~SCT^24028007^Right~Anatomic codes - DICOM master list~^^~^^"
)
KEYS = [
    "Segment0_Color:=0.5 0 1",
    "Segment0_ID:=Segment_1",
    "Segment0_LabelValue:=1",
    "Segment0_Layer:=0",
    "Segment0_Name:=Segment_1",
    f"Segment0_Tags:=Segmentation.Status:inprogress|TerminologyEntry:{TISSUE}|",
    "Segment1_Color:=0 1 0",
    "Segment1_ID:=Segment_2",
    "Segment1_LabelValue:=1",
    "Segment1_Layer:=1",
    "Segment1_Name:=bone",
    f"Segment1_Tags:=TerminologyEntry:{BONE}|",
    "Segmentation_ReferenceImageExtentOffset:=0 0 0",
]


def test_layers_that_do_not_overlap_become_one_map(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 4, 2), np.uint8)  # (k, j, i, layer): the list is the fastest axis
    layers[0, 0, :2, 0] = 1
    layers[1, 2, :3, 1] = 1
    path = tmp_path / "from-slicer.seg.nrrd"
    slicer_file(path, layers, KEYS, "2 4 3 2", "none (1,0,0) (0,1,0) (0,0,1)")
    found = read_labels(path)
    first, second = found.labels
    assert (first.value, first.name, first.color, first.code) == (1, "Segment_1", (128, 0, 255), None)
    assert (second.value, second.side, second.code) == (2, Side.RIGHT, Code("SCT", "272673000", "Bone"))
    assert found.counts().tolist() == [19, 2, 3]
    assert found.array[1, 2, 0] == 2
    layers[0, 0, 0, 1] = 1
    slicer_file(path, layers, KEYS, "2 4 3 2", "none (1,0,0) (0,1,0) (0,0,1)")
    with pytest.raises(BadInput, match="segment 'bone' shares 1 voxels"):
        read_labels(path)


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.nrrd", "mask.mha"])
def test_a_plain_label_image_gets_numbered_labels(tmp_path: Path, name: str) -> None:
    array = np.zeros((3, 4, 5), np.uint16)
    array[1], array[2] = 3, 500
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name))
    found = read_labels(tmp_path / name)
    assert [(label.value, label.name) for label in found.labels] == [(3, "label-3"), (500, "label-500")]


@pytest.mark.parametrize("values", [[0.0, 0.5], [0, -3], [0, 70000], [0, 0]])
def test_what_is_no_label_map_is_refused(tmp_path: Path, values: list[float]) -> None:
    array = np.resize(np.array(values), (3, 4, 5))
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "mask.nrrd"))
    with pytest.raises(BadInput, match=r"mask\.nrrd"):
        read_labels(tmp_path / "mask.nrrd")


def test_a_value_without_a_segment_is_refused(tmp_path: Path) -> None:
    array = np.full((2, 3, 4), 9, np.uint8)
    path = slicer_file(tmp_path / "x.seg.nrrd", array, KEYS[:6], "4 3 2", "(1,0,0) (0,1,0) (0,0,1)")
    with pytest.raises(BadInput, match=r"x\.seg\.nrrd: voxels have the values \[9\]"):
        read_labels(path)
