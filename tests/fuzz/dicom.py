"""Originals and mutations of DICOM series: one slice, or several, of a series are broken."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from pydicom.dataelem import RawDataElement

from tests.fuzz.blind import blindly, cut, number, text
from tests.fuzz.images import noise
from tests.fuzz.mutants import Mutant, Original

REAL_SERIES = (
    ("ge-chest", "ct_ge_chest_contrast", 4),
    ("philips-tilt", "ct_philips_head_phantom/tilt_m18p5/S2010", 4),
    ("siemens-j2k", "ct_abdomen_j2k/example_ct_dicom", 4),
    ("mr-coronal", "mr_head_t1", 4),
    ("rle", "dicom_geometry/generic/compressed_rle/001", 4),
    ("jpegls", "dicom_geometry/generic/compressed_jpegls/001", 4),
)
COMPRESSED = ("siemens-j2k", "rle", "jpegls")
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames")
OTHERS = (
    *("SliceThickness", "SeriesInstanceUID", "SOPInstanceUID", "ImageType", "Modality", "FrameOfReferenceUID"),
    *("InstanceNumber", "AcquisitionNumber", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("SamplesPerPixel", "PhotometricInterpretation", "RescaleSlope", "RescaleIntercept", "PixelPaddingValue"),
    *("SOPClassUID", "GantryDetectorTilt", "ConvolutionKernel", "SpecificCharacterSet", "PatientPosition"),
)


SYNTAXES = (
    *(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.1.99", b"9.9.9"),
    *(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.80"),
)
LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")


def originals(data: Path | None) -> Iterator[Original]:
    """Series, segmentations, and a DICOMDIR."""
    yield from _series(data)
    yield from _segmentations(data)
    yield from _directory()


def _series(data: Path | None) -> Iterator[Original]:
    """Short generated series in every plain encoding, and short pieces of real ones."""
    for name, syntax in (
        ("explicit", "1.2.840.10008.1.2.1"),
        ("implicit", "1.2.840.10008.1.2"),
        ("big", "1.2.840.10008.1.2.2"),
        ("deflated", "1.2.840.10008.1.2.1.99"),
    ):
        yield _folder(name, _generated(syntax))
    yield _folder("frames", {"frames.dcm": _multi_frame()}, slices=12)
    for name, place, count in REAL_SERIES:
        if data and (data / place).is_dir():
            paths = _consecutive(data / place, count)
            if paths:
                yield _folder(name, {path.name: path for path in paths}, weight=0.3 if name in COMPRESSED else 1.0)


def _segmentations(data: Path | None) -> Iterator[Original]:
    """DICOM segmentations: a generated one, and the small real ones."""
    yield Original("mask", "made.dcm", {"made.dcm": _segmentation()}, "made.dcm", ("made.dcm",))
    folder = data / "dicom_seg_rt" if data else None
    for place in ("highdicom", "dcmqi") if folder and folder.is_dir() else ():
        for path in sorted((folder / place).glob("*seg*.dcm")) + sorted((folder / place).glob("*labelmap*.dcm")):
            if path.stat().st_size < 60_000 and "_sm_" not in path.name and "_cr_" not in path.name:
                yield Original("mask", path.name, {path.name: path}, path.name, (path.name,))


def _directory() -> Iterator[Original]:
    """A series with the DICOMDIR that names its files."""
    import tempfile

    from pydicom import dcmread
    from pydicom.fileset import FileSet

    whole = FileSet()
    for content in _generated("1.2.840.10008.1.2.1").values():
        stored = dcmread(io.BytesIO(content))
        stored.StudyDate, stored.StudyTime, stored.StudyID, stored.AccessionNumber = "20200101", "120000", "1", ""
        whole.add(stored)
    with tempfile.TemporaryDirectory() as folder:
        whole.write(folder)
        paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    yield Original("dicomdir", "made", files, "DICOMDIR", ("DICOMDIR",), 5)


def _folder(name: str, files: dict[str, Any], slices: int = 0, weight: float = 1.0) -> Original:
    return Original("dicom", name, files, ".", tuple(files), slices or len(files), weight)


def _consecutive(folder: Path, count: int) -> list[Path]:
    """Some neighbouring slices of a real series."""
    import pydicom

    placed = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            found = pydicom.dcmread(path, stop_before_pixels=True)
            placed.append((found.SeriesInstanceUID, [float(part) for part in found.ImagePositionPatient], path))
        except (pydicom.errors.InvalidDicomError, AttributeError, TypeError):
            continue
    if not placed:
        return []
    first = placed[0][0]
    spread = [[place[axis] for uid, place, _ in placed if uid == first] for axis in range(3)]
    axis = max(range(3), key=lambda each: max(spread[each]) - min(spread[each]))
    ordered = sorted((place[axis], path) for uid, place, path in placed if uid == first)
    middle = max(len(ordered) // 2 - count, 0)
    return [path for _, path in ordered[middle : middle + count]]


def _generated(syntax: str) -> dict[str, bytes]:
    files = {}
    for number_, plane in enumerate(noise((5, 24, 20))):
        files[f"IM{number_:04d}"] = _slice(plane, number_, syntax)
    return files


def _slice(plane: Any, number_: int, syntax: str) -> bytes:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import UID

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number_ + 1}")
    data.ImageType, data.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
    data.PatientName, data.PatientID = "Planted^Name", "PLANTED"
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = "1.2", "1.2.3"
    data.ReferencedImageSequence = Sequence([inner])
    data.SeriesInstanceUID, data.StudyInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2", "1.2.9"
    data.SeriesNumber, data.InstanceNumber, data.SliceThickness = 4, number_ + 1, 2.0
    data.ImagePositionPatient, data.ImageOrientationPatient = [-20, -30, 100 + 2 * number_], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.Rows, data.Columns = [0.8, 0.7], *plane.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 15, 1, 1, 0
    data.PixelData = plane.astype(">i2" if syntax.endswith(".2.2") else "<i2").tobytes()
    data["PixelData"].VR = "OW"
    return _saved(data)


def _saved(data: Any) -> bytes:
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _multi_frame() -> bytes:
    """An enhanced CT of 12 frames with functional groups."""
    from pydicom import Dataset, dcmread
    from pydicom.sequence import Sequence

    block = noise((12, 24, 20))
    data = dcmread(io.BytesIO(_slice(block[0], 0, "1.2.840.10008.1.2.1")))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    del data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing, data.SliceThickness
    data.NumberOfFrames, data.PixelData = 12, block.tobytes()
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.7], 2.0
    turned.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([turned])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for number_ in range(12):
        frame, plane = Dataset(), Dataset()
        plane.ImagePositionPatient = [-20, -30, 100 + 2 * number_]
        frame.PlanePositionSequence = Sequence([plane])
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return _saved(data)


def _segmentation() -> bytes:
    """A binary segmentation of two structures on 12 planes each."""
    from pydicom import Dataset, dcmread
    from pydicom.sequence import Sequence

    data = dcmread(io.BytesIO(_multi_frame()))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    data.Modality, data.SegmentationType, data.ImageType = "SEG", "BINARY", ["DERIVED", "PRIMARY"]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 1, 1, 0, 0
    data.NumberOfFrames, data.PixelData = 24, bytes(range(60)) * 24
    del data.RescaleSlope, data.RescaleIntercept
    segments, frames = [], []
    for number_ in (1, 2):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel, segment.SegmentAlgorithmType = number_, f"part {number_}", "MANUAL"
        segments.append(segment)
        for plane in range(12):
            frame, place, which = Dataset(), Dataset(), Dataset()
            place.ImagePositionPatient, which.ReferencedSegmentNumber = [-20, -30, 100 + 2 * plane], number_
            frame.PlanePositionSequence, frame.SegmentIdentificationSequence = Sequence([place]), Sequence([which])
            frames.append(frame)
    data.SegmentSequence, data.PerFrameFunctionalGroupsSequence = Sequence(segments), Sequence(frames)
    data["PixelData"].VR = "OB"
    return _saved(data)


def mutate(random: Random, original: Original) -> Mutant:
    """One slice broken; sometimes the same change in all of them, or a strange file beside them."""
    victim = random.choice(original.victims)
    data = original.bytes_of(victim)
    how = random.random()
    files = dict(original.files)
    must_fail = False
    if how < 0.10:
        files[victim], told = cut(random, data)
        must_fail = True
    elif how < 0.28:
        files[victim], told = blindly(random, data, 2500)
    elif how < 0.62:
        files[victim], told = _raw(random, data)
    elif how < 0.86:
        files[victim], told = _values(random, data)
    elif how < 0.93:
        change = _one_change(random)
        told = "all slices: "
        for name in original.victims:
            files[name], what = _changed(original.bytes_of(name), (change,))
        told += what
    else:
        files[f"extra{random.choice(('', '.dcm', '.txt'))}"], told = _extra(random, data)
    # a file may lose the byte that makes its length even
    return Mutant(original, files, f"{victim}: {told}", must_fail and len(files[victim]) < len(data) - 1)


def _extra(random: Random, data: bytes) -> tuple[bytes, str]:
    """A file that does not belong there."""
    how = random.randrange(5)
    if how == 0:
        return random.randbytes(random.choice((0, 3, 4000))), "noise beside it"
    if how == 1:
        return bytes(128) + b"DICM" + random.randbytes(500), "a preamble and noise beside it"
    if how == 2:
        return data, "a copy beside it"
    return _values(random, data)


Change = tuple[str, Any]


def _one_change(random: Random) -> Change:
    keyword = random.choice(GEOMETRY) if random.random() < 0.6 else random.choice(OTHERS)
    if keyword in (
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
    ):
        return keyword, random.choice(
            (0, 1, 2, 3, 7, 8, 12, 15, 16, 17, 20, 23, 24, 25, 32, 64, 512, 32768, 65535, None)
        )
    if keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        count = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}[keyword]
        count = random.choice((count, count, count, count - 1, count + 1, 0))
        own = ("-20", "-30", "104", "1", "0", "0.8", "1.5", "-1", number(random)[:16])
        return keyword, random.choice(("\\".join(random.choice(own) for _ in range(count)), None))
    return keyword, random.choice((number(random), text(random), "1", "2", "1.2.3.77", "LOCALIZER", "SEG", "MR", None))


def _values(random: Random, data: bytes) -> tuple[bytes, str]:
    """Elements with lawful encoding and unlawful, odd or absent values."""
    return _changed(data, tuple(_one_change(random) for _ in range(random.choice((1, 1, 2)))))


def _changed(data: bytes, changes: tuple[Change, ...]) -> tuple[bytes, str]:
    """The slice with these values, each exchanged in place and encoded as the file's syntax asks."""
    told = []
    for keyword, value in changes:
        found = _element(data, keyword)
        told.append(f"{keyword} = {str(value)[:60]!r}")
        if found is None:
            continue
        start, head, end, order, explicit = found
        if value is None:
            data = data[:start] + data[end:]
            continue
        if isinstance(value, int):
            new = value.to_bytes(2, "little" if order == "<" else "big")
        else:
            new = value.encode("utf-8", "replace")
            new += b" " * (len(new) % 2)
        short = explicit and head - start == 8
        new = new[:65534] if short else new
        length = struct.pack(f"{order}{'H' if short else 'I'}", len(new))
        data = data[: head - len(length)] + length + new + data[end:]
    return data, ", ".join(told)


def _element(data: bytes, keyword: str) -> tuple[int, int, int, str, bool] | None:
    """Where a top-level element, its value and its end lie in the file; None in deflated or broken files."""
    for start, tag, head, end, order, explicit in elements(data):
        if tag == _tag(keyword):
            return start, head, end, order, explicit
    return None


def _tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword

    return tag_for_keyword(keyword) or 0


def elements(data: bytes) -> list[tuple[int, int, int, int, str, bool]]:
    """(start, tag, value, end, byte order, explicit) of the top-level elements that pydicom finds in a file."""
    from pydicom import dcmread

    try:
        found = dcmread(io.BytesIO(data), force=True)
        syntax = found.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")
        raw = [found.get_item(tag) for tag in list(found.keys())]
    except Exception:  # whatever pydicom says: the file is broken already
        return []
    if syntax == "1.2.840.10008.1.2.1.99":
        return []
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    explicit = syntax != "1.2.840.10008.1.2"
    places = []
    for each in raw:
        if not isinstance(each, RawDataElement) or each.length == 0xFFFFFFFF:
            continue
        head = 12 if explicit and each.VR in LONG else 8
        end = each.value_tell + each.length
        places.append((each.value_tell - head, int(each.tag), each.value_tell, end, order, explicit))
    return places


def _raw(random: Random, data: bytes) -> tuple[bytes, str]:
    """The encoding of one element broken: its tag, VR, length or place; endless and nested sequences."""
    known = elements(data)
    if not known:
        return blindly(random, data, 1500)
    start, tag, head, end, order, explicit = random.choice(known)
    return random.choice(RAW)(random, data, start, tag, head, end, order, explicit)


def _swap_vr(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    vr = random.choice(
        (b"US", b"SS", b"UL", b"FL", b"FD", b"DS", b"IS", b"SQ", b"UN", b"OB", b"LO", b"UI", b"\0\0", b"zz")
    )
    return data[: start + 4] + vr + data[start + 6 :], f"VR of {tag:08X} is {vr!r}"


def _lie_length(
    random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool
) -> Any:
    size = 2 if explicit and head - start == 8 else 4
    value = random.choice((0, 1, 3, 5, 0xFFFF, 0xFFFE, 0xFFFFFFFF, 0x7FFFFFFF, 0x10000000, end - head + 2, len(data)))
    length = (value % (1 << 8 * size)).to_bytes(size, "little" if order == "<" else "big")
    return data[: head - size] + length + data[head:], f"length of {tag:08X} is {value}"


def _other_tag(
    random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool
) -> Any:
    other = random.choice(
        (
            0x00200032,
            0x00200037,
            0x00280010,
            0x00280030,
            0x7FE00010,
            0xFFFEE000,
            0xFFFEE00D,
            0xFFFEE0DD,
            tag ^ 1,
            0x00280008,
        )
    )
    new = struct.pack(f"{order}HH", other >> 16, other & 0xFFFF)
    return data[:start] + new + data[start + 4 :], f"{tag:08X} became {other:08X}"


def _double(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    if end - start > 100_000:
        return blindly(random, data, 1500)
    piece = bytearray(data[start:end])
    if end > head and random.random() < 0.7:
        piece[random.randrange(head - start, end - start)] ^= 1 << random.randrange(4)
    times = random.choice((1, 1, 1, 3000))
    return data[:end] + bytes(piece) * times + data[end:], f"{tag:08X} {times} × more, changed"


def _lose(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    return data[:start] + data[end:], f"{tag:08X} lost"


def _nest(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    """Sequences in sequences, of undefined or lying length, or one that never ends."""
    item = struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack(f"{order}HH", 0x0008, 0x1140)
    sequence += (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff"
    depth = random.choice((1, 31, 33, 100, 3000, 30_000))
    piece = (sequence + item) * depth
    how = random.randrange(3)
    if how == 0:
        close = struct.pack(f"{order}HHI", 0xFFFE, 0xE00D, 0) + struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0)
        piece += close * depth
    elif how == 1:
        piece = sequence + struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0) * depth * 10
    return data[:start] + piece + data[start:], f"{depth} nested sequences, kind {how}"


def _reorder(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    piece = data[start:end]
    rest = data[:start] + data[end:]
    known = elements(rest)
    at = random.choice(known)[0] if known else start
    return rest[:at] + piece + rest[at:], f"{tag:08X} moved to {at}"


def _syntax(random: Random, data: bytes, start: int, tag: int, head: int, end: int, order: str, explicit: bool) -> Any:
    """Another transfer syntax in the meta header."""
    at = data.find(b"1.2.840.10008.1.2", 132)
    new = random.choice(SYNTAXES)
    if at < 0:
        return blindly(random, data, 1500)
    return data[:at] + new + data[at + len(new) :], f"transfer syntax {new!r}"


RAW: tuple[Callable[..., tuple[bytes, str]], ...] = (
    *(_swap_vr, _swap_vr, _lie_length, _lie_length, _other_tag, _double, _lose, _nest, _reorder, _syntax),
)
