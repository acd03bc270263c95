"""Enhanced multi-frame CT and MR: every frame by its own functional groups. Truth: the arrays that pydicom wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from surgplan.case.sources import list_series, load_source
from surgplan.errors import BadInput
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Modality
from tests.formats.slices import slice_of, write

RNG = np.random.default_rng(3)
CT, MR = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4.1"
AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


def planes(count: int) -> np.ndarray:
    return RNG.integers(0, 1500, (count, 6, 8)).astype(np.int16)


def item(**tags: Any) -> Dataset:
    made = Dataset()
    for keyword, value in tags.items():
        setattr(made, keyword, value)
    return made


def frame(position: Any, orientation: Any = AXIAL, slope: float = 1.0, intercept: float = 0.0, **tags: Any) -> Dataset:
    """The functional groups of one frame; `tags` hold more of them, each as a dict of its elements."""
    group = Dataset()
    place = [float(f"{value:.10g}") for value in np.asarray(position, float)]
    group.PlanePositionSequence = Sequence([item(ImagePositionPatient=place)])
    group.PlaneOrientationSequence = Sequence([item(ImageOrientationPatient=[float(value) for value in orientation])])
    values = item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
    group.PixelValueTransformationSequence = Sequence([values])
    for keyword, elements in tags.items():
        setattr(group, keyword, Sequence([item(**elements)]))
    return group


def multi_frame(array: np.ndarray, frames: list[Dataset], kind: str = CT, **tags: Any) -> Dataset:
    data = slice_of(array, SOPClassUID=kind, Modality="MR" if kind == MR else "CT", NumberOfFrames=len(array), **tags)
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("RescaleSlope", "RescaleIntercept"),
    ):
        delattr(data, keyword)
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([item(PixelSpacing=[0.8, 0.7], SliceThickness=2.0)])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return data


def load(source: Path, **params: object) -> Any:
    return load_source(source, IngestParams(**params))


def test_frames_in_any_order_each_with_its_own_rescale(tmp_path: Path) -> None:
    array = planes(12)
    order = RNG.permutation(12)
    frames = [frame((0, 0, 2.0 * k), slope=1 + k, intercept=-10.0 * k) for k in order]
    path = write(tmp_path / "a", multi_frame(array[order], frames))
    volume = load(path).volume
    assert volume.modality is Modality.CT
    np.testing.assert_allclose(volume.grid.spacing, [0.7, 0.8, 2.0])
    numbers = np.arange(12)[:, None, None]
    np.testing.assert_array_equal(volume.array, array.astype(int) * (1 + numbers) - 10 * numbers)


@pytest.mark.parametrize(
    ("group", "keyword", "values"),
    [
        ("FrameContentSequence", "TemporalPositionIndex", (1, 2)),
        ("FrameContentSequence", "StackID", ("1", "2")),
        ("FrameContentSequence", "FrameAcquisitionNumber", (1, 2)),
        ("MREchoSequence", "EffectiveEchoTime", (10.0, 80.0)),
        ("MRDiffusionSequence", "DiffusionBValue", (0.0, 1000.0)),
        ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", (0.0, 400.0)),
        ("MRImageFrameTypeSequence", "FrameType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
    ],
)
def test_several_volumes_in_one_file_are_told_apart(tmp_path: Path, group: str, keyword: str, values: Any) -> None:
    first, second = planes(8), planes(8)
    frames = [frame((0, 0, 2.0 * k), **{group: {keyword: value}}) for k in range(8) for value in values]
    path = write(tmp_path / "a", multi_frame(np.stack([first, second], axis=1).reshape(16, 6, 8), frames, MR))
    with pytest.raises(BadInput, match="2 series that are as good"):
        load(path)
    for number, expected in (("1", first), ("2", second)):
        volume = load(path, series=number).volume
        np.testing.assert_array_equal(volume.array, expected)
        assert volume.modality is Modality.MR


def test_stacks_that_are_turned_differently_are_told_apart(tmp_path: Path) -> None:
    """As in a three-plane MR: each stack has its own orientation."""
    array = planes(16)
    frames = [frame((0, 0, 2.0 * k), FrameContentSequence={"StackID": "1"}) for k in range(8)]
    frames += [frame((3.0 * k, 0, 0), SAGITTAL, FrameContentSequence={"StackID": "2"}) for k in range(8)]
    path = write(tmp_path / "a", multi_frame(array, frames, MR))
    listing = list_series(path, IngestParams())
    assert [row.orientation for row in listing.rows] == ["axial, LPS", "sagittal, PIR"]
    volume = load(path, series="2").volume
    np.testing.assert_allclose(volume.grid.spacing, [0.7, 0.8, 3.0])
    # the normal of these directions points to the right: the first plane is the one furthest left
    np.testing.assert_array_equal(volume.array, array[8:][::-1])
    np.testing.assert_allclose(volume.grid.origin, [21, 0, 0])


def test_a_frame_that_is_missing_leaves_a_gap(tmp_path: Path) -> None:
    frames = [frame((0, 0, 2.0 * k)) for k in (0, 1, 2, 4, 5, 6, 7)]
    path = write(tmp_path / "a.dcm", multi_frame(planes(7), frames))
    with pytest.raises(BadInput, match=r"a\.dcm: gap of 4\.00 mm after slice 3"):
        load(path)


def test_a_file_with_fewer_groups_than_frames_is_not_guessed_at(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", multi_frame(planes(8), [frame((0, 0, 2.0 * k)) for k in range(6)]))
    with pytest.raises(BadInput, match=r"a\.dcm"):
        load(path)


def test_a_tilted_enhanced_ct_is_straightened(tmp_path: Path) -> None:
    angle = np.radians(12)
    turn = [1, 0, 0, 0, np.cos(angle), np.sin(angle)]
    array = np.tile(planes(1), (10, 1, 1)) + np.arange(10, dtype=np.int16)[:, None, None]
    path = write(tmp_path / "a", multi_frame(array, [frame((0, 0, 2.0 * k), turn) for k in range(10)]))
    found = load(path)
    assert found.corrections[0]["tilt_deg"] == pytest.approx(12, abs=0.01)


def test_frames_without_any_place_are_refused(tmp_path: Path) -> None:
    data = slice_of(planes(8), NumberOfFrames=8, ImagePositionPatient=None)
    path = write(tmp_path / "a.dcm", data)
    with pytest.raises(BadInput, match="does not say where it lies"):
        load(path)
    one_place = slice_of(planes(8), NumberOfFrames=8)
    with pytest.raises(BadInput, match="all 8 slices of its series lie at the same place"):
        load(write(tmp_path / "b.dcm", one_place))
