"""DICOM slices: what the headers of image files say, one `SliceHeader` for each image or frame.

Values are taken as DICOM PS3.3 defines them: Image Plane (C.7.6.2), Image Pixel (C.7.6.3), CT Image (C.8.2.1), and for
enhanced multi-frame images the functional groups (C.7.6.16). Nothing that identifies a patient is kept: the patient's
ID and the moment are read to tell patients and phases apart, and become numbers that mean nothing outside of this
process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from surgplan.formats.archives import is_archive, is_other_archive
from surgplan.formats.dicom_directory import Listed
from surgplan.formats.dicom_elements import DEFLATED, EXPLICIT_BIG, UNDEFINED, WINDOW, DicomFile, read_elements
from surgplan.formats.dicom_fields import WANTED, Fields
from surgplan.formats.dicom_frames import GROUPS, framed, padding, with_groups

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
"""Transfer syntaxes that cannot be lossless: JPEG baseline and extended, JPEG-LS near-lossless."""
EITHER = ("1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")
"""JPEG 2000 and HTJ2K with loss or without: their wavelet tells it."""
SCAN_CLASSES = ("1.2.840.10008.5.1.4.1.1.2.", "1.2.840.10008.5.1.4.1.1.4.")
"""CT and MR images, also enhanced ones (PS3.4 B.5), with a dot behind."""
MOST_FRAMES = 20_000
SALT = os.urandom(16)
DICOM_NAMES = (".dcm", ".dicom", ".ima")
EMPTY, NOT_DICOM = "is empty", "is not DICOM"

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceHeader:
    """What one image, or one frame of a multi-frame image, says of itself. Lengths in mm, LPS.

    `table` says that the values are rescaled by a Modality LUT, `real` that the pixels are floating-point numbers.
    `pixels_at` and `pixels_length` tell where the value of the pixel data element lies in the file; the length is None
    when the pixels are encapsulated, and the place is -1 in deflated files.
    """

    path: Path
    frame: int = 0
    frames: int
    patient: int
    moment: int
    study_uid: str
    series_uid: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    little: bool
    modality: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    real: bool = False
    table: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    padding: tuple[int, int] | None = None
    position: Vector | None = None
    orientation: tuple[float, ...] | None = None
    pixel_spacing: tuple[float, float] | None = None
    thickness: float | None = None
    frame_of_reference: str
    series_number: int | None
    instance: int | None
    acquisition: int | None
    temporal: int | None
    stack: str = ""
    echo_time: float | None = None
    diffusion: float | None = None
    trigger_time: float | None
    kernel: str = ""
    tilt_deg: float | None
    patient_position: str
    lossy: bool
    maker: str
    model: str
    kilovolts: float | None
    description: str
    pixels_at: int
    pixels_length: int | None

    @property
    def is_plain(self) -> bool:
        """Whether its pixels lie in the file as they are."""
        return self.pixels_length is not None and self.pixels_at >= 0

    @property
    def bytes_declared(self) -> int:
        """Bytes of one uncompressed frame."""
        return (self.rows * self.columns * self.samples * self.bits_allocated + 7) // 8


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is no usable image, and why. `broken` when it claims to be one and cannot be read."""

    path: Path
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class DicomTree:
    """All images and frames found, in the order of their files, and all other files.

    `absent` is what a DICOMDIR names in vain; `copies` are slices that are there once more.
    """

    slices: tuple[SliceHeader, ...]
    skipped: tuple[Skipped, ...]
    absent: tuple[Listed, ...] = ()
    copies: tuple[SliceHeader, ...] = ()


def find_slices(files: Iterable[Path], absent: tuple[Listed, ...] = ()) -> DicomTree:
    """Read the headers of the files; pixels are left alone."""
    slices: list[SliceHeader] = []
    skipped: list[Skipped] = []
    for path in files:
        found = read_headers(path)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            slices += found
    return DicomTree(tuple(slices), tuple(skipped), absent)


def read_headers(path: Path) -> tuple[SliceHeader, ...] | Skipped:
    """The headers of all frames of one file, or why it has none."""
    try:
        found = read_elements(path, WANTED)
        if found is None:
            return _foreign(path)
        return _headers(path, found)
    except OSError as error:
        return Skipped(path, f"cannot be read: {(error.strerror or str(error)).lower()}", broken=True)
    except (ValueError, OverflowError) as error:
        return Skipped(path, f"is damaged DICOM: {error}", broken=True)


def _foreign(path: Path) -> Skipped:
    """A file that is not DICOM; one that is named like DICOM, or begins like nothing at all, should have been."""
    if is_archive(path):
        return Skipped(path, "is a zip archive: not opened")
    if is_other_archive(path):
        return Skipped(path, "is an archive that is not zip: not opened")
    empty = path.stat().st_size == 0
    named = path.suffix.lower() in DICOM_NAMES
    reason = EMPTY if empty else NOT_DICOM
    return Skipped(path, f"is named like DICOM but {reason}" if named else reason, broken=named)


def _headers(path: Path, found: DicomFile) -> tuple[SliceHeader, ...] | Skipped:
    fields = Fields(found)
    if fields.text("SOPClassUID") == DIRECTORY_CLASS or "DirectoryRecordSequence" in fields:
        return Skipped(path, "is a DICOMDIR")
    rows, columns = fields.integer("Rows"), fields.integer("Columns")
    if found.pixels is None or rows <= 0 or columns <= 0:
        return _imageless(path, fields)
    frames = max(fields.integer("NumberOfFrames", 1), 1)
    if frames > MOST_FRAMES:
        return Skipped(path, f"declares {frames} frames", broken=True)
    first = _common(path, found, fields, frames)
    if frames == 1 and "PerFrameFunctionalGroupsSequence" not in fields:
        return (first,)
    return tuple(framed(first, fields))


def _imageless(path: Path, fields: Fields) -> Skipped:
    """A DICOM file without an image: a report or a plan, or what is left of a slice."""
    should = f"{fields.text('SOPClassUID')}.".startswith(SCAN_CLASSES) or fields.text("Modality") in ("CT", "MR")
    if should or "SOPClassUID" not in fields:
        return Skipped(path, "is an image without pixels: cut short, or only its header was kept", broken=True)
    return Skipped(path, f"holds no image ({fields.text('Modality') or 'no modality'})")


def _pseudonym(text: str) -> int:
    """A number for what identifies a patient, another one in each process; 0 for nothing."""
    return int.from_bytes(hashlib.sha256(SALT + text.encode("utf-8", "replace")).digest()[:8]) if text else 0


def _moment(fields: Fields) -> str:
    """When a slice was acquired, or ""."""
    date, time = fields.text("AcquisitionDate"), fields.text("AcquisitionTime")
    return fields.text("AcquisitionDateTime") or (date + time if date and time else "")


def _irreversible(path: Path, found: DicomFile) -> bool:
    """Whether a JPEG 2000 stream says that its wavelet loses something (ISO 15444-1, A.6.1, marker COD)."""
    if found.syntax not in EITHER or found.pixels is None:
        return False
    with path.open("rb", buffering=0) as file:
        file.seek(found.pixels.start)
        start = file.read(WINDOW)
    place = start.find(b"\xff\x52", max(start.find(b"\xff\x4f\xff\x51"), 0))
    return place >= 0 and start[place + 13 : place + 14] == b"\0"


def _signed(fields: Fields) -> bool:
    """Whether pixels are two's complement: PixelRepresentation is 1, or 0, and nothing else (PS3.3 C.7.6.3.1)."""
    told = fields.integer("PixelRepresentation")
    if told not in (0, 1):
        raise ValueError(f"its PixelRepresentation is {told}, neither 0 nor 1")
    return told == 1


def _common(path: Path, found: DicomFile, fields: Fields, frames: int) -> SliceHeader:
    pixels = found.pixels
    assert pixels is not None
    allocated = fields.integer("BitsAllocated", 16)
    stored = fields.integer("BitsStored", allocated) or allocated
    plain = pixels.length != UNDEFINED
    header = SliceHeader(
        path=path,
        frames=frames,
        patient=_pseudonym(fields.text("PatientID") or fields.text("PatientName")),
        moment=_pseudonym(_moment(fields)),
        study_uid=fields.text("StudyInstanceUID"),
        series_uid=fields.text("SeriesInstanceUID"),
        sop_class=fields.text("SOPClassUID"),
        sop_instance=fields.text("SOPInstanceUID"),
        transfer_syntax=found.syntax,
        little=found.syntax != EXPLICIT_BIG,
        modality=fields.text("Modality").upper(),
        image_type=tuple(part.upper() for part in fields.texts("ImageType")),
        rows=fields.integer("Rows"),
        columns=fields.integer("Columns"),
        samples=fields.integer("SamplesPerPixel", 1),
        photometric=fields.text("PhotometricInterpretation").upper(),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=fields.integer("HighBit", stored - 1),
        signed=_signed(fields),
        real=found.real,
        table="ModalityLUTSequence" in fields,
        frame_of_reference=fields.text("FrameOfReferenceUID"),
        series_number=fields.whole("SeriesNumber"),
        instance=fields.whole("InstanceNumber"),
        acquisition=fields.whole("AcquisitionNumber"),
        temporal=fields.whole("TemporalPositionIdentifier"),
        diffusion=fields.number("DiffusionBValue"),
        trigger_time=fields.number("TriggerTime"),
        tilt_deg=fields.number("GantryDetectorTilt"),
        patient_position=fields.text("PatientPosition"),
        lossy=fields.text("LossyImageCompression") == "01" or found.syntax in LOSSY or _irreversible(path, found),
        maker=fields.text("Manufacturer"),
        model=fields.text("ManufacturerModelName"),
        kilovolts=fields.number("KVP"),
        description=fields.text("SeriesDescription"),
        pixels_at=-1 if found.syntax == DEFLATED else pixels.start,
        pixels_length=pixels.length if plain else None,
    )
    header = replace(header, padding=padding(fields, header.signed, allocated))
    return with_groups(header, dict.fromkeys(GROUPS, fields))
