"""DICOM series: the headers of all image slices below a folder, and the pixels of chosen ones.

Values are taken as DICOM PS3.3 defines them: Image Plane (C.7.6.2), Image Pixel (C.7.6.3), CT Image (C.8.2.1).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgplan.errors import SurgplanError

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")

Vector = tuple[float, float, float]

TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "ImageType", "Modality", "SeriesInstanceUID", "SeriesNumber", "InstanceNumber"),
    *("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "RescaleSlope", "RescaleIntercept", "RescaleType", "PixelPaddingValue", "NumberOfFrames"),
    *("Manufacturer", "ManufacturerModelName", "ConvolutionKernel", "KVP", "PatientPosition", "GantryDetectorTilt"),
    *("LossyImageCompression", "EchoTime", "BurnedInAnnotation"),
]


@dataclass(frozen=True)
class SliceHeader:
    """What one image file says of itself. Lengths in mm, LPS; `pixels_at` is the place of its pixel data element."""

    path: Path
    series_uid: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    modality: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    slope: float
    intercept: float
    padding: int | None
    position: Vector | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None
    frame_of_reference: str
    series_number: int | None
    kernel: str
    echo_time: float | None
    tilt_deg: float | None
    patient_position: str
    lossy: bool
    maker: str
    model: str
    kilovolts: float | None
    pixels_at: int

    @property
    def is_compressed(self) -> bool:
        """Whether its pixels must be decoded."""
        return self.transfer_syntax not in UNCOMPRESSED

    @property
    def bytes_declared(self) -> int:
        """Bytes of the uncompressed pixels."""
        return self.rows * self.columns * self.samples * self.frames * (self.bits_allocated // 8)


@dataclass(frozen=True)
class Skipped:
    """A file that is no usable slice, and why. `broken` when it claims to be DICOM and cannot be read."""

    path: Path
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class DicomTree:
    """All image slices found, in the order of their paths, and all other files."""

    slices: tuple[SliceHeader, ...]
    skipped: tuple[Skipped, ...]


def find_slices(files: Iterable[Path]) -> DicomTree:
    """Read the headers of the files; pixels are left alone."""
    slices: list[SliceHeader] = []
    skipped: list[Skipped] = []
    for path in files:
        found = read_header(path)
        (slices if isinstance(found, SliceHeader) else skipped).append(found)  # type: ignore[arg-type]
    return DicomTree(tuple(slices), tuple(skipped))


def read_header(path: Path) -> SliceHeader | Skipped:
    """The header of one file, or why it is none."""
    import pydicom

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = file.read(132)
            if not start:
                return Skipped(path, "is empty")
            marked = start[128:] == b"DICM"
            if not marked and start[:2] not in (b"\x08\x00", b"\x02\x00", b"\x00\x08"):
                return Skipped(path, "is not DICOM")
            file.seek(0)
            data = pydicom.dcmread(file, stop_before_pixels=True, force=not marked, specific_tags=[*TAGS])
            return _header(path, data, file.tell())
    except SurgplanError as error:
        return Skipped(path, error.found, broken=True)
    except OSError as error:
        return Skipped(path, f"cannot be read: {error.strerror or error}", broken=True)
    except Exception as error:  # pydicom raises many kinds on broken files
        return Skipped(path, f"is broken DICOM: {type(error).__name__}", broken=True)


def _header(path: Path, data: Any, at: int) -> SliceHeader | Skipped:
    sop_class = str(data.get("SOPClassUID", "") or "")
    if sop_class == DIRECTORY_CLASS or "DirectoryRecordSequence" in data:
        return Skipped(path, "is a DICOMDIR")
    if not data.get("Rows") or not data.get("Columns"):
        return Skipped(path, "holds no image")
    meta = getattr(data, "file_meta", None)
    syntax = str(meta.get("TransferSyntaxUID", "") if meta is not None else "") or UNCOMPRESSED[0]
    image_type = tuple(str(part).upper() for part in _many(data.get("ImageType")))
    return SliceHeader(
        path=path,
        series_uid=str(data.get("SeriesInstanceUID", "") or ""),
        sop_class=sop_class,
        sop_instance=str(data.get("SOPInstanceUID", "") or ""),
        transfer_syntax=syntax,
        modality=str(data.get("Modality", "") or "").upper(),
        image_type=image_type,
        rows=int(data.Rows),
        columns=int(data.Columns),
        samples=int(data.get("SamplesPerPixel") or 1),
        frames=int(data.get("NumberOfFrames") or 1),
        bits_allocated=int(data.get("BitsAllocated") or 16),
        bits_stored=int(data.get("BitsStored") or data.get("BitsAllocated") or 16),
        signed=int(data.get("PixelRepresentation") or 0) == 1,
        slope=_number(data.get("RescaleSlope"), 1.0),
        intercept=_number(data.get("RescaleIntercept"), 0.0),
        padding=_padding(data),
        position=_vector(data.get("ImagePositionPatient"), 3),  # type: ignore[arg-type]
        orientation=_vector(data.get("ImageOrientationPatient"), 6),
        pixel_spacing=_vector(data.get("PixelSpacing"), 2),  # type: ignore[arg-type]
        thickness=_optional(data.get("SliceThickness")),
        frame_of_reference=str(data.get("FrameOfReferenceUID", "") or ""),
        series_number=int(_number(data.get("SeriesNumber"), -1)) if data.get("SeriesNumber") is not None else None,
        kernel="/".join(str(part) for part in _many(data.get("ConvolutionKernel"))),
        echo_time=_optional(data.get("EchoTime")),
        tilt_deg=_optional(data.get("GantryDetectorTilt")),
        patient_position=str(data.get("PatientPosition", "") or ""),
        lossy=str(data.get("LossyImageCompression", "") or "") == "01" or syntax in LOSSY,
        maker=str(data.get("Manufacturer", "") or ""),
        model=str(data.get("ManufacturerModelName", "") or ""),
        kilovolts=_optional(data.get("KVP")),
        pixels_at=at,
    )


def _many(value: Any) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    return value if not isinstance(value, str) and hasattr(value, "__iter__") else (value,)


def _number(value: Any, default: float) -> float:
    found = _optional(value)
    return default if found is None else found


def _optional(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _vector(value: Any, length: int) -> tuple[float, ...] | None:
    numbers = [_optional(part) for part in _many(value)]
    if len(numbers) != length or None in numbers:
        return None
    return tuple(number for number in numbers if number is not None)


def _padding(data: Any) -> int | None:
    """The padding value as the stored pixels hold it, also where an unsigned number stands for a negative one."""
    value = data.get("PixelPaddingValue")
    if isinstance(value, bytes):
        value = int.from_bytes(value[:2], "little")
    if not isinstance(value, int):
        return None
    bits = int(data.get("BitsAllocated") or 16)
    if int(data.get("PixelRepresentation") or 0) == 1 and value >= 1 << (bits - 1):
        value -= 1 << bits
    return value
