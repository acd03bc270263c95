"""The pixels of DICOM slices as modality values: Hounsfield units for CT."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.limits import CODEC_RATIO, check_declared

EXPORT_AGAIN = "Copy or export the series again"

AIR_HU = -1024
"""What padding of a CT becomes: the lowest value of the usual 12-bit scale, air."""

LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"SQ", b"UC", b"UR")


def read_slices(slices: Sequence[SliceHeader]) -> NDArray[Any]:
    """(k, j, i) modality values of single-frame slices of one size, in the given order.

    int16 when every value is whole and fits, else float32. Padding of a CT becomes air.

    Raises
    ------
    BadInput
        A file is cut short, or its pixels cannot be decoded.
    Missing
        No decoder for its transfer syntax is installed.
    """
    first = slices[0]
    for each in slices:
        _check_length(each)
    whole = all(each.slope == int(each.slope) and each.intercept == int(each.intercept) for each in slices)
    volume = np.empty((len(slices), first.rows, first.columns), np.int16 if whole else np.float32)
    fits = np.ones(len(slices), dtype=bool)

    def fill(number: int) -> None:
        fits[number] = _into(volume[number], slices[number])

    threads = 1 if not first.is_compressed else min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(len(slices))))
    if fits.all():
        return volume
    wide = np.empty(volume.shape, np.float32)
    for number, each in enumerate(slices):
        _into(wide[number], each)
    return wide


def _check_length(each: SliceHeader) -> None:
    """A file must be long enough for the pixels that it declares, before memory is taken for them."""
    present = each.path.stat().st_size - each.pixels_at
    check_declared(each.path, each.bytes_declared, max(present, 0), CODEC_RATIO if each.is_compressed else 1)


def _into(target: NDArray[Any], each: SliceHeader) -> bool:
    """Write the slice's modality values into `target`; False when they do not fit its type."""
    raw = _stored(each)
    if target.dtype == np.int16:
        low = int(raw.min()) * each.slope + each.intercept
        high = int(raw.max()) * each.slope + each.intercept
        if each.padding is not None and each.modality == "CT":
            low = max(low, AIR_HU) if int(raw.min()) == each.padding else low
            high = min(high, AIR_HU) if int(raw.max()) == each.padding and int(raw.min()) == each.padding else high
        if low < -32768 or high > 32767:
            return False
        # integer arithmetic in the target's own 16 bits: exact, as the ends fit
        np.multiply(raw, np.int16(int(each.slope)), out=target, casting="unsafe")
        target += np.int16(int(each.intercept))
    else:
        np.multiply(raw, np.float32(each.slope), out=target, casting="unsafe")
        target += np.float32(each.intercept)
    if each.padding is not None and each.modality == "CT":
        target[raw == each.padding] = AIR_HU
    return True


def _stored(each: SliceHeader) -> NDArray[Any]:
    """(rows, columns) stored values, sign and stored bits applied."""
    raw = _decoded(each) if each.is_compressed else _native(each)
    if raw.shape != (each.rows, each.columns):
        raise BadInput(each.path, f"decodes to {raw.shape} pixels", f"{(each.rows, each.columns)}", EXPORT_AGAIN)
    spare = each.bits_allocated - each.bits_stored
    if spare <= 0 or each.is_compressed:
        return raw
    if each.signed:
        return (raw << spare) >> spare
    top = (1 << each.bits_stored) - 1
    return raw & raw.dtype.type(top) if raw.max() > top else raw


def _native(each: SliceHeader) -> NDArray[Any]:
    """Pixels that lie in the file as they are, little endian."""
    kinds = {8: "i1" if each.signed else "u1", 16: "<i2" if each.signed else "<u2", 32: "<i4" if each.signed else "<u4"}
    if each.bits_allocated not in kinds:
        raise BadInput(each.path, f"has {each.bits_allocated} bits allocated", "8, 16 or 32", EXPORT_AGAIN)
    count = each.rows * each.columns
    with each.path.open("rb") as file:
        file.seek(each.pixels_at)
        head = file.read(12)
        start, length = _value_of(each.path, head)
        if length < each.bytes_declared:
            raise BadInput(
                each.path, f"declares {length} bytes of pixels", f"{each.bytes_declared} bytes", EXPORT_AGAIN
            )
        file.seek(each.pixels_at + start)
        data = file.read(each.bytes_declared)
    if len(data) < each.bytes_declared:
        found = f"holds {len(data)} bytes of pixels, cut short"
        raise BadInput(each.path, found, f"{each.bytes_declared} bytes", EXPORT_AGAIN)
    return np.frombuffer(data, kinds[each.bits_allocated], count).reshape(each.rows, each.columns)


def _value_of(path: Path, head: bytes) -> tuple[int, int]:
    """Where the pixel data element's value starts, and how long it is: PS3.5, 7.1."""
    if head[:4] != b"\xe0\x7f\x10\x00":
        raise BadInput(path, "has no pixel data where its header ends", advice=EXPORT_AGAIN)
    if head[4:6] in LONG_VRS:
        return 12, int.from_bytes(head[8:12], "little")
    return 8, int.from_bytes(head[4:8], "little")


def _decoded(each: SliceHeader) -> NDArray[Any]:
    """Compressed, deflated or big endian pixels through pydicom."""
    from pydicom.pixels.utils import pixel_array

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pixel_array(str(each.path), raw=True))
    except RuntimeError as error:
        if "plugin" in str(error) or "missing" in str(error).lower():
            found = f"is compressed as {_name(each)}, which no installed decoder reads"
            raise Missing(each.path, found, advice=f"Install one: pip install {_package(each)}") from None
        raise BadInput(each.path, "has pixels that cannot be decoded", advice=EXPORT_AGAIN) from None
    except MemoryError:
        raise
    except Exception:  # decoders raise many kinds on broken streams
        raise BadInput(each.path, "has pixels that cannot be decoded", advice=EXPORT_AGAIN) from None


def _name(each: SliceHeader) -> str:
    from pydicom.uid import UID

    return UID(each.transfer_syntax).name


def _package(each: SliceHeader) -> str:
    """Which package decodes the slice's transfer syntax."""
    if each.transfer_syntax.startswith(("1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.6", "1.2.840.10008.1.2.4.7")):
        return "pylibjpeg-libjpeg"
    if each.transfer_syntax in ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"):
        return "pyjpegls"
    return "pylibjpeg-openjpeg"
