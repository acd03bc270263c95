"""Segmentation of real scans: bone is found, whole, and little else with it."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from surgplan.errors import Refused
from surgplan.findings import Level
from surgplan.model.volume import Grid, Modality, Volume, right_handed
from surgplan.segment.components import parts_of
from surgplan.segment.region import Box, Region
from surgplan.segment.stage import SegmentParams, segment

PIPELINES = Path(__file__).parents[2] / "pipelines"
PELVIS_BONES = ["sacrum", "vertebrae_T11", "vertebrae_T12", *(f"vertebrae_L{n}" for n in range(1, 6))]
PELVIS_BONES += [f"{bone}_{side}" for bone in ("femur", "hip") for side in ("left", "right")]
PELVIS_BONES += ["rib_left_12", "rib_right_12"]


def volume_of(image):
    """Read by SimpleITK, so that these tests stand on their own feet."""
    grid, array = right_handed(
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        np.reshape(image.GetDirection(), (3, 3)),
        sitk.GetArrayFromImage(image),
    )
    return Volume(grid, array.astype(np.int32), Modality.CT)


def series_of(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return volume_of(reader.Execute())


def by_recipe(volume, recipe, **changes):
    (structure,) = tomllib.loads((PIPELINES / f"{recipe}.toml").read_text(encoding="utf-8"))["structure"]
    result = segment(volume, SegmentParams.model_validate({"structures": [structure | changes]}))
    return result, result.labels.array > 0


def litres(volume, mask):
    return np.count_nonzero(mask) * volume.grid.voxel_volume_mm3 / 1e6


def parts(volume, mask):
    """Volumes of the connected parts, largest first, litres."""
    found = parts_of(Region(volume.grid, Box((0, 0, 0), mask.shape), mask))
    return np.sort(found.volumes_mm3)[::-1] / 1e6


def told(result, check):
    return [finding for finding in result.findings if finding.check == check]


@pytest.fixture(scope="module")
def pelvis(test_data):
    return volume_of(sitk.ReadImage(str(test_data / "ct_pelvis_3mm" / "example_ct.nii.gz")))


@pytest.fixture(scope="module")
def bones(test_data, pelvis):
    """Name → reference mask; voxels near the metal in the left femur are in none."""
    metal = ndimage.binary_dilation(pelvis.array > 2500, iterations=4)
    folder = test_data / "ct_pelvis_3mm" / "masks"
    read = {name: volume_of(sitk.ReadImage(str(folder / f"{name}.nii.gz"))) for name in PELVIS_BONES}
    assert all(mask.grid.matches(pelvis.grid) for mask in read.values())
    return {name: (mask.array > 0) & ~metal for name, mask in read.items()} | {"metal": metal}


def agreement(mask, bones):
    """Dice, precision and recall against all reference bones together, without the region of the metal."""
    truth = np.logical_or.reduce([bones[name] for name in PELVIS_BONES])
    mask = mask & ~bones["metal"]
    both = (mask & truth).sum()
    return 2 * both / (mask.sum() + truth.sum()), both / mask.sum(), both / truth.sum()


def test_what_is_called_bone_in_the_pelvis_is_bone(pelvis, bones):
    result, mask = by_recipe(pelvis, "ct-bone")
    _, precision, _ = agreement(mask, bones)
    assert precision > 0.9
    for name in PELVIS_BONES[:-2]:  # the tips of two ribs are thinner than a voxel
        assert (mask & bones[name]).sum() > 0.2 * bones[name].sum(), name
    assert told(result, "metal")[0].level is Level.WARN
    assert "lower end" in told(result, "field of view")[0].measured


def test_the_spongy_bone_of_the_pelvis_with_closing_and_filling(pelvis, bones):
    """The masks count marrow as bone; at 3 mm it is reached by a low threshold, closing and filling."""
    _, mask = by_recipe(pelvis, "ct-bone", threshold_hu=(100, 32767), close_mm=9.0, fill_holes=True)
    dice, precision, recall = agreement(mask, bones)
    assert dice > 0.85
    assert min(precision, recall) > 0.8


def test_a_left_hip_is_left_and_never_right(pelvis, bones):
    others = (pelvis.array > 150) & ~bones["hip_left"]
    alone = Volume(pelvis.grid, np.where(others, 40, pelvis.array).astype(np.int32), Modality.CT)
    result, _ = by_recipe(alone, "ct-bone", side="left", keep_largest=1)
    assert told(result, "side")[0].level is Level.NOTE
    with pytest.raises(Refused, match="mm left of the body's middle, expected on the right side"):
        by_recipe(alone, "ct-bone", side="right", keep_largest=1)
    mirrored = Volume(Grid(pelvis.grid.size, pelvis.grid.spacing, (0, 0, 0)), alone.array, Modality.CT)
    assert pelvis.grid.orientation_code()[0] == "R"  # so that without its directions the array lies mirrored
    with pytest.raises(Refused):
        by_recipe(mirrored, "ct-bone", side="left", keep_largest=1)


def test_chest_ribs_spine_and_shoulders_without_the_table(test_data):
    volume = series_of(test_data / "ct_ge_chest_contrast")
    result, mask = by_recipe(volume, "ct-bone")
    x, y, _ = volume.grid.lps_from_ijk.apply(np.argwhere(mask)[:, ::-1]).T
    assert y.max() < 140  # the table is curved: it begins at 157 mm in its middle and at 117 mm at its edges
    assert not ((y > 110) & (abs(x) > 150)).any()
    assert told(result, "faint parts")[0].level is Level.NOTE
    sizes = parts(volume, mask)
    assert sizes[1] > 0.35  # spine with ribs; the largest is the sternum with the contrast-filled heart at its catheter
    assert sizes[2] > 0.06  # right shoulder
    assert told(result, "metal")  # the port of the catheter


def test_abdomen_spine_ribs_and_hands_without_kidneys_and_vessels(test_data):
    volume = series_of(test_data / "ct_abdomen_j2k" / "example_ct_dicom")
    result, mask = by_recipe(volume, "ct-bone")
    dropped = told(result, "faint parts")[0]
    assert "the largest, 38." in dropped.measured  # cm³: kidney
    assert np.percentile(volume.array[mask], 90) > 600
    assert 0.1 < litres(volume, mask) < 0.2


@pytest.mark.parametrize("recipe", ["ct-bone", "ct-skull"])
def test_head_is_one_skull(test_data, recipe):
    volume = volume_of(sitk.ReadImage(str(test_data / "ct_head_thick" / "ct_example.nii.gz")))
    result, mask = by_recipe(volume, recipe)
    assert len(parts(volume, mask)) == 1
    assert 0.35 < litres(volume, mask) < 0.6
    assert np.median(volume.array[mask]) > 800
    if recipe == "ct-skull":
        assert result.labels.labels[0].level == pytest.approx(500, abs=30)


def test_head_phantom_without_its_headrest(test_data):
    volume = series_of(test_data / "ct_philips_head_phantom" / "notilt_5mm" / "S2010")
    result, mask = by_recipe(volume, "ct-bone")
    assert "92.6" in told(result, "faint parts")[0].measured  # cm³: headrest
    assert 0.25 < litres(volume, mask) < 0.4
