"""Compressed, deflated and other encapsulated pixels of DICOM files: which decoder reads which transfer syntax.

pydicom with its plugins decodes what it can; GDCM, which comes with SimpleITK, decodes JPEG, JPEG lossless and JPEG-LS.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
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
    decode = _by_gdcm if each.transfer_syntax.startswith(GDCM_FAMILIES) else _by_pydicom
    if decode is _by_pydicom:
        _require_decoder(each)
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


def _require_decoder(each: SliceHeader) -> None:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    # what goes wrong is told once, by us
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    try:
        available = get_decoder(UID(each.transfer_syntax)).is_available
    except NotImplementedError:
        name = UID(each.transfer_syntax).name
        advice = "Export it again, uncompressed"
        raise BadInput(each.path, f"is encoded as {name}, which is no image compression", advice=advice) from None
    if not available:
        found = f"is compressed as {UID(each.transfer_syntax).name}, which no installed decoder reads"
        raise Missing(each.path, found, advice="Install one: pip install 'pylibjpeg[all]'")


def _by_pydicom(each: SliceHeader) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    return np.asarray(pixel_array(str(each.path), raw=True, index=each.frame))


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
def _stream(path: Path) -> bytes:
    """All compressed frames of a file; kept, because the next frame comes from the same file."""
    from pydicom import dcmread

    stream: bytes = dcmread(str(path), specific_tags=["PixelData"]).PixelData
    return stream


def _write_bare(path: Path, each: SliceHeader) -> None:
    """A file that holds the compressed frame and what is needed to decode it."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.uid import UID

    frame = get_frame(_stream(each.path), each.frame, number_of_frames=each.frames)
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
    bare.PixelData = encapsulate([frame])
    bare["PixelData"].VR = "OB"
    bare.save_as(path, enforce_file_format=True)
