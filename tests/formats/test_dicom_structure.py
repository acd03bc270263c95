"""Lengths that lie are found before a library believes them, at any depth."""

from __future__ import annotations

import resource
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless

from surgplan.errors import BadInput
from surgplan.formats.dicom_seg import read_dicom_masks
from surgplan.formats.dicom_structure import check_structure
from tests.formats.slices import slice_of, write

ITEM, END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"
SEQUENCE = b"\x08\x00\x40\x11SQ\0\0"


def nested(tmp_path: Path) -> Path:
    inner, middle, outer = Dataset(), Dataset(), slice_of(np.zeros((3, 4), np.int16))
    inner.StudyDescription = "deep"
    middle.ReferencedSOPSequence = Sequence([inner])
    outer.ReferencedImageSequence = Sequence([middle])
    return write(tmp_path / "a.dcm", outer)


def test_a_sound_file_passes(tmp_path: Path) -> None:
    check_structure(nested(tmp_path))


def test_a_lying_length_deep_inside_is_found(tmp_path: Path) -> None:
    path = nested(tmp_path)
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x30\x10LO") + 6
    path.write_bytes(data[:at] + struct.pack("<H", 60_000) + data[at + 2 :])
    with pytest.raises(ValueError, match="60000"):
        check_structure(path)


@pytest.mark.parametrize("depth", [40, 30_000])
@pytest.mark.parametrize("close", [b"", END + SEQUENCE_END])
def test_sequences_without_end_are_refused(tmp_path: Path, depth: int, close: bytes) -> None:
    path = nested(tmp_path)
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x60\x00CS")
    head = SEQUENCE + b"\xff\xff\xff\xff" + ITEM + b"\xff\xff\xff\xff"
    path.write_bytes(data[:at] + head * depth + close * depth + data[at:])
    with pytest.raises(ValueError, match="nested deeper"):
        check_structure(path)


@pytest.fixture
def segmentation(test_data: Path) -> Path:
    return test_data / "dicom_seg_rt" / "highdicom" / "seg_image_ct_true_fractional.dcm"


def test_a_segmentation_that_asks_for_4_gib_takes_no_memory(tmp_path: Path, segmentation: Path) -> None:
    """pydicom takes what a length asks for, and only then looks for the bytes."""
    data = segmentation.read_bytes()
    at = data.index(b"\x20\x00\x22\x92") + 4
    (tmp_path / "seg.dcm").write_bytes(data[:at] + b"\xfe\xff\xff\xff" + data[at + 4 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadInput, match=r"seg\.dcm"):
        read_dicom_masks(tmp_path / "seg.dcm")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("far", ["1e9", "1e300", "nan"])
def test_frames_that_are_far_apart_take_no_memory(tmp_path: Path, segmentation: Path, far: str) -> None:
    stored = dcmread(segmentation)
    stored.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]["ImagePositionPatient"]._value = ["0", "0", far]
    stored.save_as(tmp_path / "seg.dcm")
    with pytest.raises(BadInput, match=r"seg\.dcm"):
        read_dicom_masks(tmp_path / "seg.dcm")


def test_a_compressed_segmentation_is_decoded_in_a_process_of_its_own(tmp_path: Path, segmentation: Path) -> None:
    stored = dcmread(segmentation)
    large = np.repeat(np.repeat(stored.pixel_array, 8, axis=1), 8, axis=2)
    stored.Rows, stored.Columns, stored.PixelData = *large.shape[1:], large.tobytes()
    stored.save_as(tmp_path / "plain.dcm")
    stored.compress(JPEG2000Lossless)
    stored.save_as(tmp_path / "packed.dcm")
    for one, other in zip(*(read_dicom_masks(tmp_path / name)[0] for name in ("plain.dcm", "packed.dcm")), strict=True):
        np.testing.assert_array_equal(one.array, other.array)
