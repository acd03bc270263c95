"""Whatever the directions, the order and the spacing: in `volume.nrrd` each voxel lies where its slice's header says.

Truth: positions computed from the headers by PS3.3 C.7.6.2.1.1; read back by SimpleITK and by 3D Slicer's rules.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.case.sources import load_source
from surgplan.formats.images import write_volume
from surgplan.ingest.stage import IngestParams
from tests.formats.slices import slice_of, write
from tests.property import slicer_nrrd

WITHIN_MM = 0.01
ROWS, COLUMNS = 4, 5


@st.composite
def series(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Directions (right-handed or not, with a shuffled order of slices), steps, pixels and where it all begins."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if draw(st.booleans()):  # as a scanner makes them: nearly along the body's axes
        axes = np.eye(3)[:, rng.permutation(3)] * rng.choice([-1, 1], 3)
    count = draw(st.integers(3, 9))
    return {
        "axes": axes,
        "spacing": rng.uniform([0.2, 0.2, 0.3], [1.5, 1.5, 6.0]),
        "start": rng.uniform(-500, 500, 3),
        "order": rng.permutation(count),
        "digits": np.array(draw(st.integers(8, 12))),
    }


def place_of(given: dict[str, np.ndarray], k: int) -> np.ndarray:
    return given["start"] + k * given["spacing"][2] * given["axes"][:, 2]


def written(folder: Path, given: dict[str, np.ndarray]) -> np.ndarray:
    """One file for each slice, named without regard to its place; (n, 3) where the voxel of value n must lie."""
    digits = f".{int(given['digits'])}f"
    places = np.empty((len(given["order"]), ROWS, COLUMNS, 3))
    j, i = np.mgrid[:ROWS, :COLUMNS]
    for name, k in enumerate(given["order"]):
        pixels = (np.arange(ROWS * COLUMNS) + k * ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(np.int16)
        data = slice_of(
            pixels,
            place_of(given, k),
            ImageOrientationPatient=[format(value, digits) for value in given["axes"][:, :2].T.ravel()],
            PixelSpacing=[f"{given['spacing'][1]:.10f}", f"{given['spacing'][0]:.10f}"],
            SOPInstanceUID=f"1.2.{k + 1}",
            InstanceNumber=int(given["order"][k]),  # of no use
        )
        write(folder / "dicom" / f"IM{name:03d}", data)
        row, column = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
        steps = np.array(data.PixelSpacing, float)
        plane = i[..., None] * row * steps[1] + j[..., None] * column * steps[0]
        places[k] = np.array(data.ImagePositionPatient, float) + plane
    return places.reshape(-1, 3)


@settings(max_examples=40, deadline=None)
@given(series())
def test_each_voxel_lies_where_its_header_says(given: dict[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = written(folder, given)
        write_volume(folder / "volume.nrrd", load_source(folder / "dicom", IngestParams()).volume)
        image = sitk.ReadImage(str(folder / "volume.nrrd"))
        voxels, ras = slicer_nrrd.read(folder / "volume.nrrd")
    assert np.abs(ras * [-1, -1, 1] - truth[voxels]).max() < WITHIN_MM
    direction = np.reshape(image.GetDirection(), (3, 3))
    assert np.linalg.det(direction) > 0
    k, j, i = np.indices(sitk.GetArrayViewFromImage(image).shape)
    lps = (np.stack([i, j, k], axis=-1) * image.GetSpacing()) @ direction.T + image.GetOrigin()
    assert np.abs(lps - truth[sitk.GetArrayViewFromImage(image)]).max() < WITHIN_MM


@settings(max_examples=15, deadline=None)
@given(series(), st.floats(-30, 30))
def test_a_straightened_voxel_lies_where_the_headers_say_that_intensity_lies(
    given: dict[str, np.ndarray], tilt_deg: float
) -> None:
    """Intensity is a linear function of space, which cubic interpolation reproduces: it tells each voxel's place."""
    angle = np.radians(tilt_deg)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)], [0, -np.sin(angle), np.cos(angle)]]).T
    slices = given["axes"] @ turn
    slope = np.array([10.0, 14.0, 20.0])
    start = np.array([3.0, -5.0, 8.0])
    rows, columns = 24, 20
    j, i = np.mgrid[:rows, :columns]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in given["order"]:
            position = start + k * given["spacing"][2] * given["axes"][:, 2]
            places = position + i[..., None] * slices[:, 0] * 0.8 + j[..., None] * slices[:, 1] * 0.8
            data = slice_of(
                np.rint(places @ slope * 20).astype(np.int16),
                position,
                ImageOrientationPatient=[f"{value:.12f}" for value in slices[:, :2].T.ravel()],
                PixelSpacing=[0.8, 0.8],
                RescaleSlope=0.05,
                SOPInstanceUID=f"1.2.{k + 1}",
                Modality="MR",
            )
            write(folder / "dicom" / f"IM{k:03d}", data)
        write_volume(folder / "volume.nrrd", load_source(folder / "dicom", IngestParams()).volume)
        voxels, ras = slicer_nrrd.read(folder / "volume.nrrd")
    lps = ras * [-1, -1, 1]
    step = given["spacing"][2] * given["axes"][:, 2]
    normal = np.cross(slices[:, 0], slices[:, 1])
    number = np.rint((lps - start) @ normal / (step @ normal))
    pixel = (lps - start - number[..., None] * step) @ slices[:, :2] / 0.8
    # two pixels from the border of its slice the kernel reaches nothing outside
    inner = ((pixel > 2) & (pixel < [columns - 3, rows - 3])).all(axis=-1)
    assert inner.mean() > 0.2
    off_mm = np.abs(voxels - lps @ slope)[inner] / np.linalg.norm(slope)
    assert off_mm.max() < WITHIN_MM
