"""Headers of DICOM files: what pydicom reads is what we read, and nothing breaks on broken files."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset, datadict
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import PersonName

from surgplan.formats.dicom import DicomTree, Skipped, SliceHeader, find_slices, read_headers
from surgplan.formats.dicom_elements import read_elements
from surgplan.formats.dicom_fields import BINARY, KEYWORDS, WANTED, Fields
from tests.formats.slices import slice_of, write

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


def header(path: Path) -> SliceHeader:
    found = read_headers(path)
    assert not isinstance(found, Skipped), found
    assert len(found) == 1
    return found[0]


def test_what_the_header_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a", slice_of(PIXELS, (1.5, -2.25, 3), ConvolutionKernel=["Br38f", "3"], KVP=120))
    found = header(path)
    assert (found.rows, found.columns, found.bits_stored, found.signed) == (3, 4, 16, True)
    assert found.position == (1.5, -2.25, 3.0)
    assert found.orientation == (1, 0, 0, 0, 1, 0)
    assert found.pixel_spacing == (0.8, 0.7)
    assert (found.kernel, found.kilovolts, found.series_number, found.modality) == ("Br38f/3", 120, 4, "CT")
    assert found.is_plain
    data = path.read_bytes()
    assert data[found.pixels_at : found.pixels_at + 24] == PIXELS.tobytes()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_say_the_same(tmp_path: Path, syntax: str) -> None:
    plain = header(write(tmp_path / "plain", slice_of(PIXELS, SOPInstanceUID="1.2")))
    data = slice_of(PIXELS, syntax=syntax, SOPInstanceUID="1.2")
    if syntax == ExplicitVRBigEndian:
        data.PixelData = PIXELS.byteswap().tobytes()
    other = header(write(tmp_path / "other", data))
    skip = ("path", "transfer_syntax", "little", "pixels_at")
    for name in SliceHeader.__slots__:
        if name not in skip:
            assert getattr(other, name) == getattr(plain, name), name


def test_nothing_that_identifies_the_patient_is_kept(tmp_path: Path) -> None:
    found = header(
        write(tmp_path / "a", slice_of(PIXELS, PatientBirthDate="19700101", InstitutionName="Planted House"))
    )
    assert "lanted" not in repr(found).replace(str(tmp_path), "")
    assert "PLANTED" not in repr(found)


@pytest.mark.parametrize(
    ("written", "signed", "expected"), [(63536, True, (-2000, -2000)), (63536, False, (63536, 63536))]
)
def test_a_padding_value_written_unsigned_is_turned_into_what_is_meant(
    tmp_path: Path, written: int, signed: bool, expected: tuple[int, int]
) -> None:
    data = slice_of(PIXELS if signed else PIXELS.astype(np.uint16))
    data.add_new("PixelPaddingValue", "US", written)
    assert header(write(tmp_path / "a", data)).padding == expected


def enhanced(frames: int = 3) -> Dataset:
    """A multi-frame CT: PS3.3 A.38, with spacing and orientation shared, position and rescale for each frame."""
    data = slice_of(np.arange(frames * 12, dtype=np.int16).reshape(frames, 3, 4))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(data, keyword)
    del data.RescaleIntercept
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    data.NumberOfFrames = frames
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.7], 1.5
    turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([turned])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number in range(frames):
        group, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 10 - 2 * number]
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -100 * number, "HU"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = Sequence([place]), Sequence([values])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return data


def test_each_frame_of_an_enhanced_image_has_its_own_place(tmp_path: Path) -> None:
    found = read_headers(write(tmp_path / "a", enhanced()))
    assert not isinstance(found, Skipped)
    assert [each.position for each in found] == [(0, 0, 10), (0, 0, 8), (0, 0, 6)]
    assert [each.intercept for each in found] == [0, -100, -200]
    assert {each.pixel_spacing for each in found} == {(0.8, 0.7)}
    assert [each.frame for each in found] == [0, 1, 2]


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "letter.txt").write_text("Dear colleague, " * 40)
    (tmp_path / "letter.dcm").write_text("Dear colleague, " * 40)
    report = slice_of(PIXELS, Modality="SR", Rows=None, Columns=None)
    del report.PixelData
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    write(tmp_path / "report", report)
    whole = write(tmp_path / "whole", slice_of(PIXELS)).read_bytes()
    (tmp_path / "headless").write_bytes(whole[: whole.index(b"\xe0\x7f\x10\x00")])
    (tmp_path / "half").write_bytes(whole[:400])
    tree = find_slices(sorted(tmp_path.iterdir()))
    assert isinstance(tree, DicomTree)
    assert [each.path.name for each in tree.slices] == ["whole"]
    assert {each.path.name: each.broken for each in tree.skipped} == {
        "empty": False,
        "empty.dcm": True,
        "half": True,
        "headless": True,
        "letter.dcm": True,
        "letter.txt": False,
        "report": False,
    }


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a", slice_of(PIXELS))
    data = path.read_bytes()
    start = data.index(b"\x08\x00\x08\x00CS")
    (tmp_path / "bare").write_bytes(data[start:])
    assert header(tmp_path / "bare").rows == 3


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHI", group, number, vr, 0, len(value)) + value


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF),
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFF0),
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF),
        (struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF))
        * 5000,
        b"\0" * 8 * 200_000,
        struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 2),
    ],
    ids=["endless", "too long", "endless item", "deep", "zeros", "cut"],
)
def test_hostile_structure_ends_with_a_reason(tmp_path: Path, tail: bytes) -> None:
    meta = (
        element(0x0002, 0x0001, b"OB", b"\0\1") + struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + b"1.2.840.10008.1.2.1\0"
    )
    path = tmp_path / "hostile.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + meta + struct.pack("<HH2sH", 8, 0x60, b"CS", 2) + b"CT" + tail)
    found = read_headers(path)
    assert isinstance(found, Skipped)
    assert found.broken or "no image" in found.reason


def test_a_deflated_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "a", slice_of(PIXELS, syntax=DeflatedExplicitVRLittleEndian))
    data = path.read_bytes()
    start = data.index(b"1.2.840.10008.1.2.1.99") + 22
    bomb = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(300)) + bomb.flush()
    path.write_bytes(data[:start] + packed)
    found = read_headers(path)
    assert isinstance(found, Skipped)
    assert "too large" in found.reason


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_tags_are_those_of_the_standard(keyword: str) -> None:
    assert (datadict.tag_for_keyword(keyword), datadict.dictionary_VR(keyword)[:2]) == (
        KEYWORDS[keyword][0],
        KEYWORDS[keyword][1],
    )


def test_every_file_says_what_pydicom_says(test_data: Path) -> None:
    """All wanted elements of 569 real and odd files."""
    folders = (
        "ct_abdomen_j2k",
        "ct_philips_head_phantom",
        "mr_head_t1",
        "dicom_edge",
        "dicom_geometry",
        "dicom_seg_rt",
    )
    compared = 0
    for folder in folders:
        for path in sorted((test_data / folder).rglob("*")):
            compared += path.is_file() and _agrees(path)
    assert compared > 400


def _agrees(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = pydicom.dcmread(path, stop_before_pixels=True)
            found = read_elements(path, WANTED)
        except (pydicom.errors.InvalidDicomError, ValueError):
            return False
        assert found is not None, path
        fields = Fields(found)
        for keyword, (_, vr) in KEYWORDS.items():
            if keyword == "PixelPaddingValue":
                continue  # pydicom takes it for signed in implicit files
            try:
                value = theirs.get(keyword)
            except ValueError:
                continue  # nonsense that pydicom refuses to name
            if vr == "SQ" or value is None or value == "":
                continue
            many = [value] if isinstance(value, str | PersonName) or not hasattr(value, "__iter__") else list(value)
            if vr in BINARY or vr in ("DS", "IS"):
                if not any(isinstance(one, str) and not one.isnumeric() for one in many):
                    assert list(fields.numbers(keyword)) == [float(one) for one in many], (path, keyword)
            else:
                assert list(fields.texts(keyword)) == [str(one).strip() for one in many], (path, keyword)
    return True


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("PixelSpacing", b"DS", b"0.8\\0.x"),
        ("PixelSpacing", b"DS", b"0.8\\0.7\\1"),
        ("PixelSpacing", b"UL", b"0.8\\0.70"),
        ("ImagePositionPatient", b"DS", b"1\\2\\nan "),
        ("ImagePositionPatient", b"DS", b"1\\2\\1_0 "),
        ("ImageOrientationPatient", b"DS", b"1\\0\\0\\0\\1 "),
        ("RescaleSlope", b"DS", b"1..0"),
        ("RescaleSlope", b"DS", b"0 "),
        ("RescaleIntercept", b"DS", b"-10O0 "),
        ("NumberOfFrames", b"IS", b"?1"),
        ("Rows", b"FL", b"\x03\0\0\0"),
        ("PixelRepresentation", b"US", b"\x0f\0"),
    ],
)
def test_a_decisive_number_that_cannot_be_read_is_not_taken_for_an_absent_one(
    tmp_path: Path, keyword: str, vr: bytes, value: bytes
) -> None:
    """An unreadable slope was once 1, an unreadable intercept 0: a slice that is 1024 HU too bright."""
    data = slice_of(PIXELS, NumberOfFrames=1)
    path = write(tmp_path / "a", data)
    element = data[keyword]
    raw = path.read_bytes()
    head = struct.pack("<HH", element.tag.group, element.tag.element)
    at = raw.index(head)
    length = int.from_bytes(raw[at + 6 : at + 8], "little")
    path.write_bytes(raw[:at] + head + vr + struct.pack("<H", len(value)) + value + raw[at + 8 + length :])
    found = read_headers(path)
    assert isinstance(found, Skipped)
    assert found.broken
    assert keyword in found.reason or keyword == "Rows"


def test_an_element_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", slice_of(PIXELS))
    raw = path.read_bytes()
    at = raw.index(b"\x28\x00\x30\x00DS")
    element = raw[at : at + 8 + raw[at + 6]]
    path.write_bytes(raw[:at] + element + raw[at:])
    assert header(path).pixel_spacing == (0.8, 0.7)
    path.write_bytes(raw[:at] + element.replace(b"0.8", b"1.8") + raw[at:])
    found = read_headers(path)
    assert isinstance(found, Skipped)
    assert "twice" in found.reason
