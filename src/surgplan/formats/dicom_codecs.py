"""Compressed, deflated and other encapsulated pixels of DICOM files: which decoder reads which transfer syntax.

pydicom with its plugins decodes what it can; GDCM, which comes with SimpleITK, decodes JPEG, JPEG lossless and JPEG-LS.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.limits import AGAIN

GDCM_FAMILIES = ("1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.6", "1.2.840.10008.1.2.4.7", "1.2.840.10008.1.2.4.8")
"""JPEG, JPEG lossless and JPEG-LS (DICOM PS3.5, annex A.4.1 to A.4.3)."""
ENCAPSULATED, DEFLATED_FRAMES = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
PACKED = (ENCAPSULATED, DEFLATED_FRAMES)
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def decoded_frame(each: SliceHeader) -> NDArray[Any]:
    """(rows, columns) stored values of one frame, without rescaling.

    Raises
    ------
    BadInput
        The stream is damaged.
    Missing
        No decoder is installed.
    """
    require_decoder(each)
    decode = _unpacked if each.transfer_syntax in PACKED else _by_pydicom
    decode = _by_gdcm if each.transfer_syntax.startswith(GDCM_FAMILIES) else decode
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return decode(each)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception:  # decoders raise many kinds on broken streams
        raise BadInput(each.path, "has pixels that cannot be decoded", advice=AGAIN) from None


def check_fragments(each: SliceHeader) -> None:
    """Every fragment of encapsulated pixels must lie within the file: PS3.5, annex A.4.

    Raises
    ------
    BadInput
        The file is cut short.
    """
    at, size = each.pixels_at, each.path.stat().st_size
    with each.path.open("rb", buffering=0) as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(8)
            if head[:4] == SEQUENCE_END:
                return
            length = int.from_bytes(head[4:8], "little")
            if head[:4] != ITEM:
                raise BadInput(each.path, "has compressed pixels without order", "a sequence of fragments", AGAIN)
            at += 8 + length
            if at > size:
                found = f"holds {length - (at - size)} of {length} bytes of compressed pixels, cut short"
                raise BadInput(each.path, found, advice=AGAIN)
    if at != size:
        raise BadInput(each.path, "has compressed pixels that are cut short", advice=AGAIN)


def require_decoder(each: SliceHeader) -> None:
    """Refuse pixels that nothing here decodes.

    Raises
    ------
    BadInput
        Their encoding is none of single images.
    Missing
        Their decoder is a package that is not installed.
    """
    if each.transfer_syntax in PACKED or each.transfer_syntax.startswith(GDCM_FAMILIES):
        return
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    # what goes wrong is told once, by us
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    name = UID(each.transfer_syntax).name or "nothing"
    try:
        available = get_decoder(UID(each.transfer_syntax)).is_available
    except NotImplementedError:
        advice = "Export it again, uncompressed or in JPEG 2000"
        raise BadInput(each.path, f"is encoded as {name}, which surgplan cannot decode", advice=advice) from None
    if not available:
        found = f"is compressed as {name}, and its decoder is not installed"
        raise Missing(each.path, found, advice="Install it: pip install pylibjpeg pylibjpeg-openjpeg")


def _by_pydicom(each: SliceHeader) -> NDArray[Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    decoder = get_decoder(UID(each.transfer_syntax))
    kind: Any = {
        "rows": each.rows,
        "columns": each.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_representation": int(each.signed),
        "bits_allocated": each.bits_allocated,
        "bits_stored": each.bits_stored,
        "pixel_keyword": "PixelData",
    }
    plugin = "pylibjpeg" if "pylibjpeg" in decoder.available_plugins else ""
    pixels, _ = decoder.as_array(encapsulate([_frame(each)]), raw=True, index=0, decoding_plugin=plugin, **kind)
    return np.asarray(pixels)


def _unpacked(each: SliceHeader) -> NDArray[Any]:
    """A frame that is encapsulated as it is, or deflated: PS3.5, annexes A.4.11 and A.4.13."""
    data = _frame(each)
    if each.transfer_syntax == DEFLATED_FRAMES:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, each.bytes_declared + 1)
    kind = np.dtype(f"<{'i' if each.signed else 'u'}{each.bits_allocated // 8}")
    return np.frombuffer(data[: each.bytes_declared], kind).reshape(each.rows, each.columns)


def _by_gdcm(each: SliceHeader) -> NDArray[Any]:
    """One frame, put into a bare file of its own, so that GDCM is a codec and nothing else: it rescales no values."""
    import SimpleITK as sitk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        _write_bare(path, each)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        pixels: NDArray[Any] = sitk.GetArrayFromImage(reader.Execute())
    return pixels[0] if pixels.ndim == 3 else pixels


@lru_cache(maxsize=1)
def _stream(path: Path, start: int) -> bytes:
    """All compressed frames of a file; kept, because the next frame comes from the same file."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def _frame(each: SliceHeader) -> bytes:
    """The compressed bytes of one frame."""
    from pydicom.encaps import get_frame

    frame: bytes = get_frame(_stream(each.path, each.pixels_at), each.frame, number_of_frames=each.frames)
    return frame


def _write_bare(path: Path, each: SliceHeader) -> None:
    """A file that holds the compressed frame and what is needed to decode it."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(each.transfer_syntax)
    meta.MediaStorageSOPClassUID = UID(SECONDARY_CAPTURE)
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    bare = Dataset()
    bare.file_meta = meta
    bare.SOPClassUID, bare.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    bare.Rows, bare.Columns, bare.SamplesPerPixel = each.rows, each.columns, 1
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = each.bits_allocated, each.bits_stored, each.bits_stored - 1
    bare.PixelRepresentation = int(each.signed)
    bare.PixelData = encapsulate([_frame(each)])
    bare["PixelData"].VR = "OB"
    bare.save_as(path, enforce_file_format=True)
