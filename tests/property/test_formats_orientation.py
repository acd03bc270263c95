"""No axis order, flip or rotation moves a voxel: through every format, in and out. Truth: SimpleITK and the headers."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.case.sources import load_source
from surgplan.formats.images import read_image, write_volume
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Volume, right_handed
from tests.formats.slices import slice_of, write

NAMES = ("scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha")
SIZE = (4, 5, 6)
SPACING = (0.7, 1.1, 2.3)
ORIGIN = (-101.25, 57.5, 33.0625)
ARRAY = np.arange(np.prod(SIZE), dtype=np.int16).reshape(SIZE[::-1])  # each voxel's value is its own name
WITHIN_MM = 0.01

SIGNED = [
    np.diag(signs)[:, list(order)].astype(float)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def places(size: tuple[int, ...], spacing: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(k, j, i, 3) LPS place of each voxel."""
    ijk = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    return (ijk * spacing) @ np.reshape(direction, (3, 3)).T + origin


def truth(direction: np.ndarray) -> np.ndarray:
    """(n, 3) where the voxel of value n must lie."""
    return places(SIZE, np.array(SPACING), np.array(ORIGIN), direction).reshape(-1, 3)


def lies_right(volume: Volume, expected: np.ndarray) -> None:
    grid = volume.grid
    assert np.linalg.det(grid.direction) > 0
    found = places(grid.size, grid.spacing, grid.origin, grid.direction)
    assert np.abs(found - expected[volume.array]).max() < WITHIN_MM


def through_every_format(direction: np.ndarray, folder: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction.ravel().tolist())
    expected = truth(direction)
    for name in NAMES:
        sitk.WriteImage(image, str(folder / name))
        volume, findings = read_image(folder / name)
        assert not findings
        lies_right(volume, expected)
        write_volume(folder / "volume.nrrd", volume)
        back = sitk.ReadImage(str(folder / "volume.nrrd"))
        found = places(back.GetSize(), np.array(back.GetSpacing()), np.array(back.GetOrigin()), back.GetDirection())
        assert np.abs(found - expected[sitk.GetArrayViewFromImage(back)]).max() < WITHIN_MM


@pytest.mark.parametrize("number", range(48))
def test_all_axis_orders_and_flips(tmp_path: Path, number: int) -> None:
    through_every_format(SIGNED[number], tmp_path)


@st.composite
def directions(draw: st.DrawFn) -> np.ndarray:
    """Any orthonormal axes, of either handedness."""
    seed = draw(st.integers(0, 2**32 - 1))
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return axes


@settings(max_examples=40, deadline=None)
@given(directions())
def test_random_oblique_directions(direction: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        through_every_format(direction, Path(folder))


def through_dicom(direction: np.ndarray, folder: Path) -> None:
    """A series whose slices go along the third axis, whichever way that points: only positions tell it."""
    expected = truth(direction)
    for k, plane in enumerate(ARRAY):
        position = np.array(ORIGIN) + k * SPACING[2] * direction[:, 2]
        orientation = [float(f"{value:.10f}") for value in direction[:, :2].T.ravel()]
        data = slice_of(
            plane,
            position,
            ImageOrientationPatient=orientation,
            PixelSpacing=[SPACING[1], SPACING[0]],
            InstanceNumber=k + 1,
            SOPInstanceUID=f"1.2.3.{k + 1}",
        )
        write(folder / f"{(k * 5) % 7}.dcm", data)
    loaded = load_source(folder, IngestParams())
    assert not loaded.corrections
    lies_right(loaded.volume, expected)


@pytest.mark.parametrize("number", range(48))
def test_dicom_series_of_all_axis_orders_and_flips(tmp_path: Path, number: int) -> None:
    through_dicom(SIGNED[number], tmp_path)


@settings(max_examples=25, deadline=None)
@given(directions())
def test_dicom_series_of_random_oblique_directions(direction: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        through_dicom(direction, Path(folder))


@settings(max_examples=60, deadline=None)
@given(directions())
def test_turning_a_grid_right_handed_moves_nothing(direction: np.ndarray) -> None:
    grid, array = right_handed(SIZE, SPACING, ORIGIN, direction, ARRAY)
    lies_right(Volume(grid, array), truth(direction))
