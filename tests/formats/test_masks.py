"""Masks as other programs write them. Truth: SimpleITK, and files laid out as nifti1.h and 3D Slicer document them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.findings import Level
from surgplan.formats.masks import read_masks
from surgplan.formats.name_table import read_name_table
from surgplan.formats.nifti_names import nifti_label_names
from surgplan.model.labels import Code, Side
from tests.formats.test_segmentations import KEYS, slicer_file


def image(path: Path, array: np.ndarray) -> Path:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((0.7, 0.8, 2.5))
    made.SetOrigin((-10.0, 20.0, 5.0))
    sitk.WriteImage(made, str(path))
    return path


def block(value: int = 1, kind: str = "uint8") -> np.ndarray:
    array = np.zeros((6, 5, 4), kind)
    array[2:4, 1:4, 2] = value
    return array


@pytest.mark.parametrize("kind", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("value", [1, 255])
def test_a_folder_holds_one_structure_in_each_file(tmp_path, kind, value):
    image(tmp_path / "femur_left.nii.gz", block(value, kind))
    image(tmp_path / "hip.seg.nrrd", block(value, kind))
    image(tmp_path / "empty.mha", np.zeros((6, 5, 4), kind))
    (tmp_path / "statistics.json").write_text("{}")
    (tmp_path / ".hidden.nii").write_text("no image")
    masks, findings = read_masks(tmp_path)
    assert [(mask.name, mask.voxels) for mask in masks] == [("empty", 0), ("femur_left", 6), ("hip", 6)]
    assert masks[1].array.shape == (2, 3, 1)
    assert masks[1].volume_mm3 == pytest.approx(6 * 0.7 * 0.8 * 2.5)
    np.testing.assert_allclose(masks[1].block_grid.centre, (-10 + 2 * 0.7, 20 + 2 * 0.8, 5 + 2.5 * 2.5), atol=1e-4)
    assert findings == ()


def test_a_scan_among_the_masks_is_left_out_and_told(tmp_path):
    image(tmp_path / "bone.nii.gz", block())
    image(tmp_path / "ct.nii.gz", np.arange(120, dtype=np.int16).reshape(6, 5, 4) * 20 - 1000)
    masks, (told,) = read_masks(tmp_path)
    assert [mask.name for mask in masks] == ["bone"]
    assert (told.level, told.subject) == (Level.WARN, "ct.nii.gz")
    assert "values from -1000 to 1380" in told.measured
    with pytest.raises(BadInput, match="Is it a scan"):
        read_masks(tmp_path / "ct.nii.gz")


def test_only_what_is_wanted_is_read(tmp_path):
    image(tmp_path / "bone.nii.gz", block())
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8b no stream")
    assert [mask.name for mask in read_masks(tmp_path, wanted={"bone"})[0]] == ["bone"]
    with pytest.raises(BadInput, match=r"broken\.nii\.gz"):
        read_masks(tmp_path)


def test_two_files_of_one_name_must_hold_the_same(tmp_path):
    image(tmp_path / "bone.nii.gz", block())
    image(tmp_path / "bone.nrrd", block())
    masks, (told,) = read_masks(tmp_path)
    assert len(masks) == 1
    assert told.check == "mask twice"
    image(tmp_path / "bone.nrrd", block()[:, :, ::-1].copy())
    with pytest.raises(BadInput, match=r"`bone` and differ: in bone\.nii\.gz and in bone\.nrrd"):
        read_masks(tmp_path)


TABLES = {
    "names.json": '{"1": "liver", "7": {"name": "Left kidney", "color": "#102030", "side": "left"}}',
    "dataset.json": '{"labels": {"background": 0, "liver": 1, "Left kidney": 7}, "file_ending": ".nii.gz"}',
    "list.json": '[{"value": 1, "name": "liver"}, {"value": 7, "name": "Left kidney"}]',
    "names.toml": '[[label]]\nvalue = 1\nname = "liver"\n[[label]]\nvalue = 7\nname = "Left kidney"\n'
    'code = ["SCT", "64033007", "Kidney"]\n',
    "names.csv": "value,name\n1,liver\n7,Left kidney\n",
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_names_the_values_of_a_label_image(tmp_path, table):
    array = block(7)
    array[0] = 1
    path = image(tmp_path / "labels.nrrd", array)
    (tmp_path / table).write_text(TABLES[table])
    masks, _ = read_masks(path, read_name_table(tmp_path / table))
    assert [(mask.name, mask.voxels) for mask in masks] == [("liver", 20), ("Left kidney", 6)]
    if table == "names.json":
        assert (masks[1].color, masks[1].side) == ((16, 32, 48), Side.LEFT)
    if table == "names.toml":
        assert masks[1].code == Code("SCT", "64033007", "Kidney")
    assert [mask.name for mask in read_masks(path)[0]] == ["label-1", "label-7"]


def test_a_table_renames_the_files_of_a_folder(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    image(folder / "seg_017.nii.gz", block())
    (tmp_path / "names.json").write_text('{"seg_017": "tumor"}')
    masks, _ = read_masks(folder, read_name_table(tmp_path / "names.json"))
    assert [mask.name for mask in masks] == ["tumor"]


def test_a_value_that_the_table_does_not_name_is_refused(tmp_path):
    path = image(tmp_path / "labels.nrrd", block(9))
    (tmp_path / "names.json").write_text('{"1": "liver"}')
    with pytest.raises(BadInput, match="holds the values 9, which the table of names does not have"):
        read_masks(path, read_name_table(tmp_path / "names.json"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", "{"),
        ("x.json", "[" * 100_000),
        ("x.json", "3"),
        ("x.json", '{"1": ["a", "b"]}'),
        ("x.json", '{"70000": "a"}'),
        ("x.json", '[{"value": 1, "name": "a"}, {"value": 1, "name": "b"}]'),
        ("x.toml", "= 1"),
        ("x.csv", "value,nmae\n1,liver\n"),
        ("x.csv", "value,name\nliver,1\n"),
        ("x.txt", "1 liver"),
    ],
)
def test_a_broken_table_is_told(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(WrongUsage, match=rf"x\.{name[2:]}"):
        read_name_table(tmp_path / name)


def test_segments_that_overlap_in_layers_stay_whole(tmp_path):
    layers = np.zeros((2, 3, 4, 2), np.uint8)
    layers[0, 0, :2, 0] = 1
    layers[0, :2, 1:3, 1] = 1
    path = slicer_file(tmp_path / "x.seg.nrrd", layers, KEYS, "2 4 3 2", "none (1,0,0) (0,1,0) (0,0,1)")
    one, two = read_masks(path)[0]
    assert (one.name, one.voxels, one.color) == ("Segment_1", 2, (128, 0, 255))
    assert (two.name, two.voxels, two.side, two.code) == ("bone", 4, Side.RIGHT, Code("SCT", "272673000", "Bone"))
    assert two.start == (0, 0, 1)


def test_shares_are_taken_from_one_half_and_told(tmp_path):
    array = np.linspace(0, 1, 120, dtype=np.float32).reshape(6, 5, 4)
    masks, (told,) = read_masks(image(tmp_path / "probability.nrrd", array))
    assert masks[0].voxels == 60
    assert told.check == "fractional mask"


@pytest.mark.parametrize("values", [[-3.0, 0], [0, 1.5], [0, 70000], [0, np.nan]])
def test_what_is_no_mask_is_refused(tmp_path, values):
    array = np.resize(np.array(values, np.float32), (3, 4, 5))
    with pytest.raises(BadInput, match=r"x\.nrrd"):
        read_masks(image(tmp_path / "x.nrrd", array))


def test_a_missing_folder_and_an_empty_one(tmp_path):
    with pytest.raises(Missing, match="no such file or folder"):
        read_masks(tmp_path / "none")
    with pytest.raises(BadInput, match="holds no mask files"):
        read_masks(tmp_path)
    (tmp_path / "x.dcm").write_bytes(b"no dicom")
    with pytest.raises(BadInput, match=r"x\.dcm"):
        read_masks(tmp_path)


def with_names(path: Path, array: np.ndarray, names: dict[int, str]) -> Path:
    """A NIfTI file with a `CaretExtension`, as `TotalSegmentator --ml` writes it (nifti1.h: extended header)."""
    image(path, array)
    data = gzip.decompress(path.read_bytes())
    labels = "".join(
        f'<Label Key="{key}" Red="1.0" Green="0.0" Blue="0.0" Alpha="1"><![CDATA[{name}]]></Label>\n'
        for key, name in names.items()
    )
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <VolumeInformation Index="0">   <LabelTable>{labels}'
    )
    xml += "</LabelTable> </VolumeInformation></CaretExtension>"
    body = xml.encode() + bytes(-(len(xml) + 8) % 16)
    extension = (len(body) + 8).to_bytes(4, "little") + (0).to_bytes(4, "little") + body
    header = bytearray(data[:352])
    header[108:112] = np.float32(352 + len(extension)).tobytes()
    header[348] = 1
    path.write_bytes(gzip.compress(bytes(header) + extension + data[352:]))
    return path


def test_names_in_the_header_of_a_nifti_file_are_taken(tmp_path):
    array = block(5)
    array[0] = 1
    path = with_names(tmp_path / "all.nii.gz", array, {1: "spleen", 5: "liver", 6: "stomach"})
    assert nifti_label_names(path) == {1: "spleen", 5: "liver", 6: "stomach"}
    masks, _ = read_masks(path)
    assert [(mask.name, mask.voxels) for mask in masks] == [("spleen", 20), ("liver", 6)]
    masks, _ = read_masks(tmp_path)
    assert [mask.name for mask in masks] == ["spleen", "liver"]


@pytest.mark.parametrize("text", [b"", b"\x1f\x8b", b"\x5c\x01\x00\x00" + bytes(400), bytes(1000)])
def test_a_file_without_names_has_none(tmp_path, text):
    (tmp_path / "x.nii").write_bytes(text)
    assert nifti_label_names(tmp_path / "x.nii") == {}


def test_a_table_is_read_as_json_dumps_it(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"1": "Fémur gauche"}))
    assert read_name_table(tmp_path / "x.json").values[1].name == "Fémur gauche"
