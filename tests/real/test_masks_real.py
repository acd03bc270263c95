"""Masks that other programs wrote. Truth: the source images' own arrays, and the label images that dcmqi's tests keep
beside each DICOM segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.errors import BadInput
from surgplan.formats.images import read_image
from surgplan.formats.masks import read_masks
from surgplan.model.labels import Code
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Volume
from surgplan.segment.placing import place


def on_scan(mask: NamedMask, volume: Volume) -> np.ndarray:
    region, findings = place(mask, volume)
    assert not findings
    whole = np.zeros(volume.grid.shape, bool)
    whole[region.box.slices] = region.mask
    return whole


def in_lps(path: Path) -> np.ndarray:
    """The voxels with axes turned to LPS by SimpleITK."""
    return sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS"))


def to_lps(volume: Volume, array: np.ndarray) -> np.ndarray:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetDirection(volume.grid.direction.ravel().tolist())
    return sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS"))


def test_a_folder_of_totalsegmentator(test_data):
    folder = test_data / "ct_pelvis_3mm"
    volume, _ = read_image(folder / "example_ct.nii.gz")
    masks, findings = read_masks(folder / "masks")
    assert len(masks) == 19
    assert findings == ()
    for name in ("femur_left", "hip_right", "vertebrae_T11"):
        mask = next(each for each in masks if each.name == name)
        truth = in_lps(folder / "masks" / f"{name}.nii.gz") > 0
        np.testing.assert_array_equal(to_lps(volume, on_scan(mask, volume)), truth)


def test_names_in_headers_twins_and_a_scan_among_the_masks(test_data):
    masks, findings = read_masks(test_data / "cta_aorta" / "models")
    voxels = {mask.name: mask.voxels for mask in masks}
    assert {name for name, count in voxels.items() if not count} == {
        "iliac_artery_left",
        "iliac_artery_right",
        "renal_arteries",
    }
    assert {"aorta_true_lumen", "aorta_false_lumen", "aorta"} <= set(voxels)
    assert [each.subject for each in findings if each.check == "no mask"] == ["ct_cropped.nii.gz"]
    assert sum(each.check == "mask twice" for each in findings) == 7


def test_axes_in_another_order(test_data):
    folder = test_data / "mr_spine_t2" / "sample_mri"
    volume, _ = read_image(folder / "sub-mri_label-6_T2w.nii.gz")
    path = folder / "sub-mri_seg-vert_label-6_msk.nii.gz"
    masks, _ = read_masks(path)
    assert volume.grid.orientation_code() == "PIR"
    # the same scan with its axes turned: the masks must follow
    image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "sub-mri_label-6_T2w.nii.gz")), "RAS")
    truth = sitk.GetArrayFromImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "RAS"))
    from surgplan.model.volume import Grid, Modality

    turned = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), np.array(image.GetDirection()).reshape(3, 3))
    scan = Volume(turned, np.zeros(turned.shape, np.int16), Modality.MR)
    for mask in masks:
        np.testing.assert_array_equal(on_scan(mask, scan), truth == int(mask.name.removeprefix("label-")))


DCMQI = {
    "liver.dcm": {"Liver": ("liver_seg.nrrd", 1)},
    "24x38x3/seg/label.seg": {"Liver": ("24x38x3/nrrd/label.nrrd", 1)},
    "23x38x3/seg/label.seg": {"Liver": ("23x38x3/nrrd/label.nrrd", 1)},
}


@pytest.mark.parametrize("name", DCMQI)
def test_dicom_segments_are_those_of_the_label_images(test_data, name, tmp_path):
    folder = test_data / "dicom_seg_rt" / "dcmqi"
    path = folder / name
    if path.suffix == ".seg":
        (tmp_path / "x.dcm").symlink_to(path)
        path = tmp_path / "x.dcm"
    masks, _ = read_masks(path)
    assert [mask.name for mask in masks] == list(DCMQI[name])
    for mask in masks:
        source, value = DCMQI[name][mask.name]
        truth, _ = read_image(folder / source)
        np.testing.assert_array_equal(on_scan(mask, truth), truth.array == value)
    assert masks[0].code == Code("SCT", "10200004", "Liver")
    assert masks[0].color == (221, 130, 101)  # Slicer's liver
    assert masks[0].frame_of_reference


def test_overlapping_dicom_segments_stay_whole(test_data):
    folder = test_data / "dicom_seg_rt" / "dcmqi"
    masks, _ = read_masks(folder / "partial_overlaps.dcm")
    layers = [read_image(folder / f"partial_overlaps-{number}.nrrd")[0] for number in (1, 2, 3)]
    truths = [(layer, layer.array == value) for layer in layers for value in np.unique(layer.array) if value]
    assert len(masks) == len(truths) == 5
    for mask in masks:
        assert any(np.array_equal(on_scan(mask, layer), truth) for layer, truth in truths), mask.name
    ours = [on_scan(mask, layers[0]) for mask in masks]
    assert sum(np.count_nonzero(each) for each in ours) > np.count_nonzero(np.logical_or.reduce(ours))


@pytest.mark.parametrize("kind", ["noppv", "ppv5"])
def test_dicom_label_maps_leave_out_the_background(test_data, kind):
    folder = test_data / "dicom_seg_rt" / "dcmqi"
    (mask,), _ = read_masks(folder / f"sparse-labelmap-{kind}.dcm")
    truth, _ = read_image(folder / f"sparse_labelmap_{kind}_seg.nrrd")
    values = [value for value in np.unique(truth.array) if np.count_nonzero(truth.array == value) == mask.voxels]
    assert mask.name == "Liver"
    assert any(np.array_equal(on_scan(mask, truth), truth.array == value) for value in values)


def test_fractional_and_binary_segments_of_highdicom(test_data):
    folder = test_data / "dicom_seg_rt" / "highdicom"
    (binary,), _ = read_masks(folder / "seg_image_ct_binary.dcm")
    (fractional,), _ = read_masks(folder / "seg_image_ct_binary_fractional.dcm")
    assert binary.voxels == fractional.voxels > 0
    assert binary.start == fractional.start
    np.testing.assert_array_equal(binary.array, fractional.array)
    one, two = read_masks(folder / "seg_image_ct_binary_overlap.dcm")[0]
    assert (one.name, two.name) == ("first segment", "second segment")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("highdicom/seg_image_sm_dots.dcm", "no position in the patient"),
        ("highdicom/seg_image_cr_binary.dcm", "no position in the patient"),
        ("highdicom/ct_image.dcm", "no segmentation: CT"),
        ("highdicom/sr_document.dcm", "no segmentation: SR"),
    ],
)
def test_what_is_no_segmentation_of_a_volume_is_told(test_data, name, words):
    with pytest.raises(BadInput, match=words):
        read_masks(test_data / "dicom_seg_rt" / name)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_cut_dicom_segmentation_is_refused(test_data, tmp_path, kept):
    data = (test_data / "dicom_seg_rt" / "dcmqi" / "liver.dcm").read_bytes()
    (tmp_path / "x.dcm").write_bytes(data[: int(kept * len(data))])
    with pytest.raises(BadInput, match=r"x\.dcm"):
        read_masks(tmp_path / "x.dcm")
