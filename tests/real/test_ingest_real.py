"""Real scans are read right, or refused for the right reason. Truth: SimpleITK with GDCM, masks, the headers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import cKDTree

from surgplan.case.sources import Ingested, load_source
from surgplan.errors import BadInput, SurgplanError
from surgplan.formats.dicom import read_headers
from surgplan.formats.dicom_pixels import read_slices
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Modality

SERIES = (
    ("ct_ge_chest_contrast", (512, 512, 100), "LPS", Modality.CT),
    ("ct_philips_head_phantom/notilt_5mm/S2010", (512, 512, 28), "LPS", Modality.CT),
    ("ct_abdomen_j2k/example_ct_dicom", (512, 512, 20), "LPS", Modality.CT),
    ("mr_head_t1", (256, 256, 100), "LIP", Modality.MR),
    ("dicom_geometry/generic/compressed", (256, 256, 4), "PIR", Modality.MR),
    ("dicom_geometry/generic/compressed_rle", (256, 256, 4), "PIR", Modality.MR),
    ("dicom_geometry/generic/compressed_jpegls", (256, 256, 4), "PIR", Modality.MR),
)


def load(path: Path, **params: object) -> Ingested:
    return load_source(path, IngestParams(**params))


@pytest.mark.parametrize(("name", "size", "axes", "modality"), SERIES)
def test_a_sane_series_is_what_gdcm_reads(
    test_data: Path, name: str, size: tuple[int, int, int], axes: str, modality: Modality
) -> None:
    found = load(test_data / name)
    volume = found.volume
    assert (volume.grid.size, volume.grid.orientation_code(), volume.modality) == (size, axes, modality)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in found.files])
    truth = reader.Execute()
    np.testing.assert_allclose(volume.grid.spacing, truth.GetSpacing(), atol=1e-6)
    np.testing.assert_allclose(volume.grid.origin, truth.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(volume.grid.direction.ravel(), truth.GetDirection(), atol=1e-6)
    array = sitk.GetArrayViewFromImage(truth)
    differs = volume.array != array
    if name == "ct_ge_chest_contrast":  # padding: -2000 stored, which GDCM rescales like tissue
        np.testing.assert_array_equal(np.unique(array[differs]), [-3024])
        np.testing.assert_array_equal(np.unique(volume.array[differs]), [-1024])
    else:
        assert not differs.any()


@pytest.mark.parametrize(("name", "size", "axes", "modality"), SERIES)
def test_every_slice_lies_where_its_own_header_says(
    test_data: Path, name: str, size: tuple[int, int, int], axes: str, modality: Modality
) -> None:
    found = load(test_data / name)
    grid = found.volume.grid
    for k, path in enumerate(found.files):
        data = pydicom.dcmread(path, stop_before_pixels=True)
        row, column = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
        for j, i in ((0, 0), (0, size[0] - 1), (size[1] - 1, 0), (size[1] - 1, size[0] - 1)):
            # PS3.3 C.7.6.2.1.1: PixelSpacing is that between rows, then that between columns
            place = np.array(data.ImagePositionPatient, float)
            place = place + row * float(data.PixelSpacing[1]) * i + column * float(data.PixelSpacing[0]) * j
            assert np.linalg.norm(grid.lps_from_ijk.apply([i, j, k]) - place) < 0.01


def test_the_chest_lies_as_anatomy_demands(test_data: Path) -> None:
    """Scanned feet first. The right lung is larger than the left one, and lungs are wider below than at their tops."""
    volume = load(test_data / "ct_ge_chest_contrast").volume
    thin = volume.array[::2, ::2, ::2]
    parts, _ = ndimage.label(thin < -500)
    sizes = np.bincount(parts.ravel())
    sizes[np.unique(np.r_[0, parts[:, [0, -1]].ravel(), parts[:, :, [0, -1]].ravel()])] = 0
    lungs = np.argwhere(np.isin(parts, np.argsort(sizes)[-2:]))[:, ::-1] * 2
    x = volume.grid.lps_from_ijk.apply(lungs)[:, 0]
    bones = volume.grid.lps_from_ijk.apply(np.argwhere(thin > 250)[:, ::-1] * 2)[:, 0]
    assert (x < bones.mean()).sum() > 1.1 * (x > bones.mean()).sum()  # towards -x: the patient's right
    assert volume.grid.orientation_code() == "LPS"
    assert (lungs[:, 2] < 20).sum() > (lungs[:, 2] >= 80).sum()


def test_the_abdomen_agrees_with_its_reference_mask(test_data: Path) -> None:
    """The mask was drawn on the same slices by another program: bones and vessels lie inside where it says so."""
    folder = test_data / "ct_abdomen_j2k"
    volume = load(folder / "example_ct_dicom").volume
    mask = sitk.ReadImage(str(folder / "example_seg_dicom.nii.gz"))
    mask = sitk.Resample(mask, _image(volume), sitk.Transform(), sitk.sitkNearestNeighbor)
    inside = sitk.GetArrayViewFromImage(mask) > 0
    assert inside.sum() > 10_000
    assert volume.array[inside].mean() > volume.array[~inside].mean() + 300
    assert (volume.array[inside] > -200).mean() > 0.9


def _image(volume):
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing.tolist())
    image.SetOrigin(volume.grid.origin.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    return image


@pytest.mark.parametrize(
    "name", ["ct_pelvis_3mm/example_ct.nii.gz", "ct_head_thick/ct_example.nii.gz", "cta_aorta/models/ct_cropped.nii.gz"]
)
def test_a_nifti_ct_is_what_simpleitk_reads_and_taken_for_a_ct(test_data: Path, name: str) -> None:
    found = load(test_data / name)
    truth = sitk.ReadImage(str(test_data / name))
    np.testing.assert_array_equal(found.volume.array, sitk.GetArrayViewFromImage(truth))
    np.testing.assert_allclose(found.volume.grid.origin, truth.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(found.volume.grid.direction.ravel(), truth.GetDirection(), atol=1e-6)
    assert found.volume.modality is Modality.CT
    assert found.volume.array.dtype == np.int16


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sliceincrement", "gap of 10.00 mm after slice 3, expected 5.00 mm"),
        ("sliceorientation", "mixes 4 slices of 2 different orientations"),
        ("notavolume", "all 4 slices of its series lie at the same place"),
    ],
)
def test_failing_geometry_is_refused_for_the_right_reason(test_data: Path, name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load(test_data / "dicom_geometry" / "failing" / name)


def test_tilted_gantries_are_corrected_and_told_or_refused(test_data: Path) -> None:
    for name, angle in (
        ("dicom_geometry/failing/gantrytilting", "14.0°"),
        ("ct_philips_head_phantom/tilt_m18p5", "18.5°"),
    ):
        found = load(test_data / name)
        assert angle in next(finding.measured for finding in found.findings if finding.check == "gantry-tilt")
        assert found.corrections[0]["corrected"] == "gantry tilt"
        with pytest.raises(BadInput, match=f"gantry tilt of {angle}"):
            load(test_data / name, orthogonal=False)


def test_a_straightened_tilted_phantom_is_the_untilted_one(test_data: Path) -> None:
    """One plastic head, scanned straight and at -18.5°: its surfaces agree after rigid alignment (80 % trimmed)."""
    rng = np.random.default_rng(0)
    fixed = _surface(load(test_data / "ct_philips_head_phantom/notilt_5mm").volume, 600_000, rng)
    moving = _surface(load(test_data / "ct_philips_head_phantom/tilt_m18p5").volume, 8_000, rng)
    tree = cKDTree(fixed)
    moving = moving + fixed.mean(axis=0) - moving.mean(axis=0)
    for _ in range(80):
        apart, nearest = tree.query(moving)
        near = apart <= np.quantile(apart, 0.8)
        source, target = moving[near], fixed[nearest[near]]
        u, _, vt = np.linalg.svd((source - source.mean(axis=0)).T @ (target - target.mean(axis=0)))
        turn = vt.T @ np.diag([1, 1, np.linalg.det(vt.T @ u.T)]) @ u.T
        moving = (moving - source.mean(axis=0)) @ turn.T + target.mean(axis=0)
    apart = np.sort(tree.query(moving)[0])[: int(0.8 * len(moving))]
    assert np.sqrt((apart**2).mean()) < 0.6


def _surface(volume, count, rng):
    """Points spread evenly over the 200 HU surface, LPS mm."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    image = vtkImageData()
    image.SetDimensions(*volume.grid.size)
    image.GetPointData().SetScalars(numpy_to_vtk(volume.array.ravel().astype(np.float32)))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 200)
    contour.Update()
    points = vtk_to_numpy(contour.GetOutput().GetPoints().GetData()).astype(float)
    corners = volume.grid.lps_from_ijk.apply(points)[
        vtk_to_numpy(contour.GetOutput().GetPolys().GetConnectivityArray()).reshape(-1, 3)
    ]
    a, b, c = corners.transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = rng.choice(len(areas), count, p=areas / areas.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]


def test_the_phantoms_tree_is_explained(test_data: Path) -> None:
    found = load(test_data / "ct_philips_head_phantom")
    why = next(finding.measured for finding in found.findings if finding.check == "series")
    for words in ("54 slices", "the largest sound one of 2", "2 × a Secondary Capture", "1 × a localizer"):
        assert words in why


def test_an_oblique_series_keeps_its_directions(test_data: Path) -> None:
    volume = load(test_data / "dicom_seg_rt/rtutils/oriented_data").volume
    expected = [[0.9541666, -0.2080757, 0.2151061], [0.2785886, 0.880128, -0.3843997]]
    np.testing.assert_allclose(volume.grid.direction[:, :2].T, expected, atol=1e-6)
    assert volume.array.dtype == np.float32  # slope 0.001


def test_frames_of_an_enhanced_ct_lie_as_in_the_single_slices(test_data: Path) -> None:
    folder = test_data / "dicom_seg_rt/dcmqi/23x38x3"
    frames, slices = load(folder / "multiframe").volume, load(folder / "image").volume
    assert frames.grid.size == slices.grid.size == (23, 38, 3)
    np.testing.assert_allclose(frames.grid.spacing, slices.grid.spacing)


def test_masks_are_refused_with_the_command_that_takes_them(test_data: Path) -> None:
    for path in sorted((test_data / "ct_pelvis_3mm/masks").glob("*.nii.gz")):
        with pytest.raises(BadInput, match=r"surgplan surface|every voxel"):
            load(path)


def trouble_of(action: Callable[[], object]) -> SurgplanError | None:
    """The refusal with which it ended, if it did; anything else is a bug."""
    try:
        action()
    except SurgplanError as error:
        return error
    return None


def test_every_odd_file_loads_or_ends_with_one_message_that_names_it(test_data: Path) -> None:
    files = [path for path in sorted((test_data / "dicom_edge").rglob("*")) if path.is_file()]
    ends = {path: trouble_of(lambda path=path: load(path)) for path in files}
    for path, error in ends.items():
        if error is not None:
            assert error.exit_code == 3, error
            assert path.name in error.message
            assert error.advice
    volumes = [path for path, error in ends.items() if error is None and not path.name.startswith("DICOMDIR")]
    assert len(volumes) < 5  # hardly any of them is a volume; what DICOMDIRs name are


def test_the_pixels_of_every_odd_image_are_read_or_refused(test_data: Path) -> None:
    """Also of those that are no volume: each monochrome frame decodes, or ends in `BadInput`."""
    headers = [read_headers(path) for path in sorted((test_data / "dicom_edge").rglob("*")) if path.is_file()]
    images = [each for each in headers if isinstance(each, tuple)]
    ends = [trouble_of(lambda each=each: read_slices(each[:2])) for each in images]
    assert {error.exit_code for error in ends if error} == {3}
    assert ends.count(None) > 40
