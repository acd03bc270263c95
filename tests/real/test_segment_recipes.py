"""The shipped recipes on real scans, against reference masks; the figures of docs/segmentation.md."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from surgplan.case.sources import load_source
from surgplan.errors import BadInput
from surgplan.ingest.stage import IngestParams
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.segment.stage import Given, SegmentParams, segment
from tests.real.test_segment_real import PELVIS_BONES, bones, pelvis, volume_of  # noqa: F401

PIPELINES = Path(__file__).parents[2] / "pipelines"
PELVIS = {"left hip": "hip_left", "right hip": "hip_right", "sacrum": "sacrum", "right femur": "femur_right"}


def by_recipe(volume, recipe, **points):
    tables = tomllib.loads((PIPELINES / f"{recipe}.toml").read_text(encoding="utf-8"))["structure"]
    given = Given(PointSet(Landmark(name, place) for name, place in points.items()))
    return segment(volume, SegmentParams.model_validate({"structures": tables}), given)


def mask(result, name):
    return result.labels.mask(result.labels.label(name))


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def parted(pelvis):  # noqa: F811
    return by_recipe(pelvis, "ct-pelvis")


def test_the_bones_of_a_pelvis_are_parted_without_any_point(parted, bones):  # noqa: F811
    least = {"left hip": 0.89, "right hip": 0.89, "sacrum": 0.81, "right femur": 0.86}
    for name, reference in PELVIS.items():
        assert dice(mask(parted, name) & ~bones["metal"], bones[reference]) > least[name], name
    assert (mask(parted, "left femur") & bones["hip_right"]).sum() == 0
    every = (parted.labels.array > 0) & ~bones["metal"]
    assert dice(every, np.logical_or.reduce([bones[name] for name in PELVIS_BONES])) > 0.9


def test_a_femur_with_a_nail_is_one_bone_as_large_as_the_other(parted):
    """Its reference, round the nail, leaves out trochanter and shaft: see docs/benchmarks-segmentation.md."""
    left, right = mask(parted, "left femur"), mask(parted, "right femur")
    pieces = np.bincount(ndimage.label(left)[0][left])
    assert pieces.max() > 0.98 * left.sum()
    assert 0.8 < left.sum() / right.sum() < 1.1


@pytest.mark.slow
def test_no_side_of_the_pelvis_is_swapped_even_in_a_mirrored_scan(pelvis, bones):  # noqa: F811
    """A patient who is the mirror image: what was the right hip is the left one."""
    grid = pelvis.grid
    mirrored = Volume(grid, np.ascontiguousarray(pelvis.array[:, :, ::-1]), Modality.CT)
    result = by_recipe(mirrored, "ct-pelvis")
    for name, reference in (("left hip", "hip_right"), ("right hip", "hip_left")):
        found = mask(result, name)[:, :, ::-1]
        assert dice(found, bones[reference]) > 0.8, name


@pytest.mark.slow
def test_a_pelvis_lying_otherwise_is_parted_as_well(pelvis, bones):  # noqa: F811
    """The array's axes in another order and direction, and the patient tilted by 8°."""
    turn = np.deg2rad(8)
    tilt = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    grid = Grid(pelvis.grid.size, pelvis.grid.spacing, (5.0, 6.0, 7.0), tilt @ pelvis.grid.direction)
    result = by_recipe(Volume(grid, pelvis.array, Modality.CT), "ct-pelvis")
    for name in ("left hip", "right hip"):
        assert dice(mask(result, name), bones[PELVIS[name]]) > 0.8, name


def test_a_scan_without_hip_joints_is_refused(pelvis):  # noqa: F811
    upper = Volume(pelvis.grid.cropped((0, 0, 55), (122, 101, 57)), pelvis.array[55:].copy(), Modality.CT)
    with pytest.raises(BadInput, match="shows no two hip joints"):
        by_recipe(upper, "ct-pelvis")


def test_the_aorta_from_one_point(test_data):
    folder = test_data / "cta_aorta" / "models"
    volume = volume_of(sitk.ReadImage(str(folder / "ct_cropped.nii.gz")))
    aorta = volume_of(sitk.ReadImage(str(folder / "aorta.nii.gz"))).array > 0
    seed = volume.grid.lps_from_ijk.apply(np.array([62.0, 94.0, 105.0]))
    found = mask(by_recipe(volume, "cta-vessels", aorta=seed), "aorta")
    assert dice(found, aorta) > 0.9
    assert (found & aorta).sum() > 0.86 * found.sum()


@pytest.fixture(scope="module")
def chest(test_data):
    return load_source(test_data / "ct_ge_chest_contrast", IngestParams()).volume


def blood(volume):
    """Heart, aorta, lung arteries: the largest part of smoothed 150 to 700 HU, eroded by 4 pixels and grown back.

    Spine and ribs do not hang on it: checked by eye, and by its mean of 369 HU.
    """
    smooth = ndimage.uniform_filter(volume.array.clip(-200, 1000).astype(np.float32), (1, 5, 5))
    bright = (smooth > 150) & (smooth < 700)
    square = np.ones((1, 3, 3))
    parts, _ = ndimage.label(ndimage.binary_erosion(bright, square, iterations=4))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_dilation(parts == sizes.argmax(), square, iterations=4) & bright


def rib_pieces(volume, bone):
    """Ribs on the left and on the right that are one piece from beside the spine on, 60 mm and more, and all such
    pieces that begin there.

    The spine is cut out 42 mm to each side, the sternum 35 mm; what joins both sides by the shoulders counts as none.
    """
    kji = np.argwhere(bone)
    x, y, _ = volume.grid.lps_from_ijk.apply(kji[:, ::-1].astype(float)).T
    sides = np.zeros_like(bone)
    sides[tuple(kji[~((abs(x) < 42) & (y > 20)) & ~((abs(x) < 35) & (y < -40))].T)] = True
    parts, count = ndimage.label(sides, np.ones((3, 3, 3)))
    whole, begun = {1: 0, -1: 0}, 0
    for number in range(1, count + 1):
        points = volume.grid.lps_from_ijk.apply(np.argwhere(parts == number)[:, ::-1].astype(float))
        low, high = points.min(axis=0), points.max(axis=0)
        begins = abs(points[:, 0]).min() < 45 and high[1] > 40 and low[0] * high[0] > 0
        begun += begins
        if begins and np.linalg.norm(high - low) > 60:
            whole[int(np.sign(low[0]))] += 1
    return whole[1], whole[-1], begun


def cava(volume, bone):
    """Voxels of a bone in the box that holds the upper vena cava with undiluted contrast, and no bone: found by eye."""
    low, high = volume.grid.ijk_from_lps.apply(np.array([[-45.0, -45.0, -165.0], [-15.0, -5.0, -65.0]])).astype(int)
    return int(bone[low[2] : high[2], low[1] : high[1], low[0] : high[0]].sum())


@pytest.mark.slow
def test_bone_of_a_contrast_scan_holds_no_blood_and_whole_ribs(chest):
    pool = blood(chest)
    bone = mask(by_recipe(chest, "ct-contrast-bone"), "bone")
    plain = mask(by_recipe(chest, "ct-bone"), "bone")
    assert (plain & pool).sum() > 0.3 * plain.sum()  # what the plain recipe gives
    assert (bone & pool).sum() < 0.002 * bone.sum()
    assert cava(chest, bone) < 0.002 * bone.sum()
    left, right, _ = rib_pieces(chest, bone)
    assert (left, right) >= (8, 7)
    x, _, z = chest.grid.lps_from_ijk.apply(np.argwhere(plain)[:, ::-1].astype(float)).T
    wall = np.zeros_like(plain)
    wall[plain] = (np.abs(x) > 60) & (z < -60)  # ribs and shoulder blades below the veins of the arms
    air = by_recipe(chest, "ct-airway")
    lungs = mask(air, "left lung") | mask(air, "right lung")
    inner = ndimage.binary_closing(ndimage.binary_erosion(lungs, iterations=2), iterations=6)
    ribs = wall & ~inner & ~ndimage.binary_dilation(pool, iterations=6) & (chest.array > 350)
    assert (bone & ribs).sum() > 0.93 * ribs.sum()


@pytest.mark.slow
def test_airway_and_lungs_of_a_chest(chest):
    result = by_recipe(chest, "ct-airway")
    litre = chest.grid.voxel_volume_mm3 / 1e6
    litre = chest.grid.voxel_volume_mm3 / 1e6
    litres = {label.name: mask(result, label.name).sum() * litre for label in result.labels.labels}
    assert 0.015 < litres["airway"] < 0.06
    assert 1.5 < litres["left lung"] < litres["right lung"] < 3.5
    assert np.median(chest.array[mask(result, "airway")]) < -950


def test_skin_of_an_mr_head_in_one_closed_piece(test_data):
    volume = load_source(test_data / "mr_head_t1", IngestParams()).volume
    skin = mask(by_recipe(volume, "mr-head-skin"), "skin")
    _, count = ndimage.label(skin)
    assert count == 1
    padded = np.pad(skin, 1)
    assert (ndimage.binary_fill_holes(padded) == padded).all()
    assert 4.5 < skin.sum() * volume.grid.voxel_volume_mm3 / 1e6 < 6.5  # head and neck of an adult, litres


@pytest.mark.slow
def test_brain_of_an_mr_head_has_the_size_of_a_brain(test_data):
    volume = load_source(test_data / "mr_head_t1", IngestParams()).volume
    brain = mask(by_recipe(volume, "mr-brain"), "brain")
    assert 1.1 < brain.sum() * volume.grid.voxel_volume_mm3 / 1e6 < 1.6
