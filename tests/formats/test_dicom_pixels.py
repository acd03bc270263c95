"""Pixels of DICOM slices: modality values, exactly. Truth: numpy arithmetic, pydicom, and lossless twins of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from surgplan.errors import BadInput
from surgplan.formats.dicom import Skipped, SliceHeader, read_headers
from surgplan.formats.dicom_pixels import AIR_HU, read_slices
from tests.formats.slices import slice_of, write
from tests.formats.test_dicom_headers import enhanced

RNG = np.random.default_rng(5)


def headers(*paths: Path) -> list[SliceHeader]:
    found = [read_headers(path) for path in paths]
    assert not any(isinstance(each, Skipped) for each in found), found
    return [header for each in found for header in each]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("kind", "slope", "intercept", "expected"),
    [
        ("int16", 1, -1024, "int16"),
        ("uint16", 1, -1024, "int16"),
        ("int16", 2, 7, "int16"),
        ("int16", -1, 0, "int16"),
        ("int16", 0.5, 0, "float32"),
        ("int16", 1, 0.25, "float32"),
        ("uint8", 1, -100, "int16"),
        ("int8", 3, 0, "int16"),
        ("uint32", 1, -1000, "int16"),
        ("int32", 1, 0, "int16"),
    ],
)
def test_values_are_rescaled_exactly(tmp_path: Path, kind: str, slope: float, intercept: float, expected: str) -> None:
    limits = np.iinfo(kind)
    pixels = RNG.integers(max(limits.min, -3000), min(limits.max, 4000), (2, 3, 4)).astype(kind)
    tags: dict[str, Any] = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    paths = [write(tmp_path / f"{n}", slice_of(plane, **tags)) for n, plane in enumerate(pixels)]
    found = read_slices(headers(*paths))
    assert found.dtype == expected
    np.testing.assert_array_equal(found, pixels.astype(np.float64) * slope + intercept)


def test_values_that_need_more_than_16_bits_become_float(tmp_path: Path) -> None:
    pixels = np.array([[0, 65535, 3]], np.uint16)
    tags = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    usual = np.array([[0, 1000, 3]], np.uint16)
    paths = [write(tmp_path / "a", slice_of(usual, **tags)), write(tmp_path / "b", slice_of(pixels, **tags))]
    found = read_slices(headers(*paths))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[1], [[-1024, 64511, -1021]])
    np.testing.assert_array_equal(found[0], [[-1024, -24, -1021]])


def test_each_slice_is_rescaled_by_its_own_header(tmp_path: Path) -> None:
    plane = np.array([[1, 2, 3]], np.int16)
    paths = [write(tmp_path / f"{n}", slice_of(plane, RescaleSlope=n + 1, RescaleIntercept=n)) for n in range(3)]
    np.testing.assert_array_equal(read_slices(headers(*paths))[:, 0], [[1, 2, 3], [3, 5, 7], [5, 8, 11]])


@pytest.mark.parametrize("kind", ["int16", "uint16"])
def test_bits_above_the_stored_ones_are_dropped(tmp_path: Path, kind: str) -> None:
    pixels = np.array([[0x0FFF, 0x1001, 0xF000, 0x07FF, 0x0800]], np.uint16)
    data = slice_of(pixels.view(kind), BitsStored=12, HighBit=11)
    found = read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist()
    assert found == ([-1, 1, 0, 2047, -2048] if kind == "int16" else [4095, 1, 0, 2047, 2048])


def test_stored_bits_that_do_not_lie_at_the_bottom_are_moved_down(tmp_path: Path) -> None:
    """ACR-NEMA allowed a high bit above the stored bits: PS3.5, 8.1.1, as it was."""
    values = np.array([[-5, 0, 2000, -2048]], np.int16)
    data = slice_of((values << 4) | 0b1010, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(read_slices(headers(write(tmp_path / "a", data)))[0], values)


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_pixels_that_are_real_numbers_are_read_as_such(tmp_path: Path, keyword: str, kind: str) -> None:
    pixels = np.array([[-1000.5, 0.25, 3071.0]], kind)
    data = slice_of(pixels, BitsAllocated=8 * pixels.dtype.itemsize, RescaleSlope=2, RescaleIntercept=1)
    setattr(data, keyword, data.PixelData)
    del data.PixelData, data.PixelRepresentation, data.BitsStored, data.HighBit
    found = read_slices(headers(write(tmp_path / "a", data)))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], pixels * 2 + 1)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "1 values of 1 bits for each pixel"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, "1 values of 12 bits for each pixel"),
        ({"BitsStored": 12, "HighBit": 3}, "stores 12 of 16 bits, the highest at 3"),
        ({"BitsStored": 17, "HighBit": 16}, "stores 17 of 16 bits"),
        ({"ModalityLUTSequence": [Dataset()]}, "by a table"),
    ],
)
def test_pixels_that_cannot_be_read_exactly_are_refused(tmp_path: Path, tags: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "a.dcm", slice_of(np.zeros((8, 8), np.int16), **tags))
    with pytest.raises(BadInput, match=rf"a\.dcm: .*{words}"):
        read_slices(headers(path))


def test_a_negative_padding_value_of_unsigned_pixels_is_turned(tmp_path: Path) -> None:
    data = slice_of(np.array([[63536, 0, 1024]], np.uint16), RescaleIntercept=-1024)
    data.add_new("PixelPaddingValue", "SS", -2000)
    assert read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist() == [AIR_HU, -1024, 0]


@pytest.mark.parametrize("written", [-2000, 63536])
def test_padding_becomes_air_however_it_is_written(tmp_path: Path, written: int) -> None:
    pixels = np.array([[-2000, 0, 1024, -2000]], np.int16)
    data = slice_of(pixels, RescaleIntercept=-1024)
    data.add_new("PixelPaddingValue", "US" if written > 0 else "SS", written)
    assert read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist() == [AIR_HU, -1024, 0, AIR_HU]


def test_a_range_of_padding_values(tmp_path: Path) -> None:
    data = slice_of(np.array([[-3000, -2500, -2000, 5]], np.int16))
    data.add_new("PixelPaddingValue", "SS", -3000)
    data.add_new("PixelPaddingRangeLimit", "SS", -2000)
    assert read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist() == [AIR_HU] * 3 + [5]


def test_a_padding_value_that_tissue_has_is_taken_for_a_wrong_header(tmp_path: Path) -> None:
    data = slice_of(np.array([[0, 40, -1000]], np.int16))
    data.add_new("PixelPaddingValue", "SS", 0)
    assert read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist() == [0, 40, -1000]


def test_padding_of_an_mr_is_left_alone(tmp_path: Path) -> None:
    data = slice_of(np.array([[-2000, 40, 7]], np.int16), Modality="MR")
    data.add_new("PixelPaddingValue", "SS", -2000)
    assert read_slices(headers(write(tmp_path / "a", data)))[0, 0].tolist() == [-2000, 40, 7]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_hold_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    pixels = RNG.integers(-1000, 3000, (5, 7)).astype(np.int16)
    data = slice_of(pixels, syntax=syntax)
    if syntax == ExplicitVRBigEndian:
        data.PixelData = pixels.byteswap().tobytes()
    np.testing.assert_array_equal(read_slices(headers(write(tmp_path / "a", data)))[0], pixels)


def test_frames_of_an_enhanced_image_are_rescaled_each_by_its_own(tmp_path: Path) -> None:
    data = enhanced()
    expected = data.pixel_array - np.array([0, 100, 200])[:, None, None]
    path = write(tmp_path / "a", data)
    np.testing.assert_array_equal(read_slices(headers(path)), expected)
    data.compress(RLELossless)
    np.testing.assert_array_equal(read_slices(headers(write(tmp_path / "b", data))), expected)


@pytest.mark.parametrize("missing", [1, 10, 10_000])
def test_a_slice_cut_short_is_refused(tmp_path: Path, missing: int) -> None:
    path = write(tmp_path / "cut.dcm", slice_of(np.zeros((100, 60), np.int16)))
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(
        BadInput, match=rf"cut\.dcm: holds {12000 - missing} bytes of pixels, cut short, expected 12000"
    ):
        read_slices(headers(path))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_small_file_that_declares_a_huge_image_takes_no_memory(tmp_path: Path, compressed: bool) -> None:
    data = slice_of(np.zeros((130, 150), np.int16))
    if compressed:
        data.compress(RLELossless)
    data.Rows, data.Columns = 65535, 65535
    with pytest.raises(BadInput, match=r"huge\.dcm"):
        read_slices(headers(write(tmp_path / "huge.dcm", data)))


def test_a_damaged_stream_is_refused(tmp_path: Path, test_data: Path) -> None:
    for name in ("CT1_J2KR", "CT1_JLSL", "CT1_JPLL", "CT1_RLE"):
        data = bytearray((test_data / "dicom_syntaxes" / name).read_bytes())
        path = tmp_path / name
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(BadInput, match=name):
            read_slices(headers(path))


def test_a_decoder_that_crashes_or_hangs_takes_nothing_with_it(
    tmp_path: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (header,) = headers(test_data / "dicom_syntaxes" / "CT1_J2KR")
    program = tmp_path / "python"
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setattr("surgplan.formats.dicom_decode.PATIENCE_S", 0.2)
    for script, words in (("kill -SEGV $$", "makes its decoder fail"), ("exec sleep 60", "longer than 0.2 s")):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        with pytest.raises(BadInput, match=f"CT1_J2KR: .*{words}"):
            read_slices([header])


@pytest.mark.parametrize("scan", ["CT1", "MR1", "MR3"])
def test_every_transfer_syntax_decodes(test_data: Path, scan: str) -> None:
    folder = test_data / "dicom_syntaxes"
    plain = read_slices(headers(folder / f"{scan}_UNC"))
    assert plain.std() > 10
    for path in sorted(folder.glob(f"{scan}_*")):
        found = read_slices(headers(path))
        if path.name.endswith(("RLE", "J2KR", "JLSL", "JPLL")):
            np.testing.assert_array_equal(found, plain, err_msg=path.name)
        else:
            assert scan != "CT1" or found.min() >= AIR_HU
            usual = plain > AIR_HU  # around the padding of CT1, loss is large
            assert np.median(np.abs(found.astype(float) - plain)[usual]) < 0.02 * np.ptp(plain), path.name


def test_a_file_that_holds_rows_more_than_it_declares_has_another_size(tmp_path: Path) -> None:
    data = slice_of(np.zeros((4, 5), np.int16))
    data.Rows -= 1
    with pytest.raises(BadInput, match=r"a\.dcm: holds \d+ bytes of pixels more than"):
        read_slices(headers(write(tmp_path / "a.dcm", data)))


def test_a_decoder_that_is_killed_leaves_no_pixels_behind(
    tmp_path: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a decoder puts into a temporary file is a part of the patient's scan."""
    (header,) = headers(test_data / "dicom_syntaxes" / "CT1_JPLL")
    program, places = tmp_path / "python", tmp_path / "places"
    places.mkdir()
    program.write_text('#!/bin/sh\necho pixels > "$TMPDIR/frame.dcm"\nkill -KILL $$\n')
    program.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(places))
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(BadInput, match="makes its decoder fail"):
        read_slices([header])
    assert not list(places.iterdir())
