"""The pixels of DICOM slices as modality values: Hounsfield units for CT. Source: DICOM PS3.3 C.7.6.3 and C.11.1."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.dicom_codecs import check_fragments
from surgplan.formats.dicom_decode import decode
from surgplan.formats.dicom_elements import read_elements
from surgplan.formats.limits import AGAIN, CODEC_RATIO, check_declared, check_image_size, check_memory
from surgplan.formats.voxels import bytes_of, header_of, native

AIR_HU = -1024
"""What padding of a CT becomes: the lowest value of the usual 12-bit scale, air."""
RLE = "1.2.840.10008.1.2.5"
DARKEST_TISSUE_HU = -1000
DENSEST_METAL_HU = 20_000
"""Padding lies outside what tissue, air and metal can have; a padding value between the two is a wrong header."""


class _TooWide(Exception):
    """A value does not fit into int16."""


def read_slices(slices: Sequence[SliceHeader]) -> NDArray[Any]:
    """(k, j, i) modality values of slices of one size, in the given order.

    int16 when every value is whole and fits, else float32. Padding of a CT becomes air, `AIR_HU`.

    Raises
    ------
    BadInput
        A file is cut short, declares more than it holds, or its pixels cannot be decoded.
    Missing
        No decoder for its transfer syntax is installed.
    OutOfResources
        The volume does not fit into memory.
    """
    first = slices[0]
    shape = (len(slices), first.rows, first.columns)
    check_image_size(first.path, shape)
    check_memory(first.path, 2 * len(slices) * first.rows * first.columns)
    _check_lengths(slices)
    whole = not any(each.real for each in slices) and all(
        each.slope.is_integer() and each.intercept.is_integer() and abs(each.slope) < 100 for each in slices
    )
    if whole:
        try:
            return _filled(slices, np.empty(shape, np.int16))
        except _TooWide:
            pass
    check_memory(first.path, 4 * len(slices) * first.rows * first.columns)
    return _filled(slices, np.empty(shape, np.float32))


def _filled(slices: Sequence[SliceHeader], volume: NDArray[Any]) -> NDArray[Any]:
    """The volume with every slice in its place; reading releases the interpreter, so threads help."""

    def fill(number: int) -> None:
        each = slices[number]
        if each.is_plain and each.bits_allocated == 16 and volume.dtype == np.int16:
            _read_in_place(each, volume[number])
        elif each.pixels_length is not None:
            _into(volume[number], _stored(each), each)

    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
        for _ in pool.map(fill, range(len(slices))):
            pass
    packed = [number for number, each in enumerate(slices) if each.pixels_length is None]
    if packed:

        def unpacked(at: int, raw: NDArray[Any]) -> None:
            _into(volume[packed[at]], raw, slices[packed[at]])

        decode([slices[number] for number in packed], unpacked)
    return volume


def _check_lengths(slices: Sequence[SliceHeader]) -> None:
    """Each file must hold the pixels that it declares, before memory is taken for them."""
    sizes: dict[Path, int] = {}
    for each in slices:
        _check_kind(each)
        size = sizes.setdefault(each.path, each.path.stat().st_size)
        if not each.is_plain:
            check_declared(each.path, each.bytes_declared, size, CODEC_RATIO)
            if each.pixels_length is None and each.frame == 0:
                check_fragments(each)
            continue
        end = each.bytes_declared * (each.frame + 1)
        present = max(min(size - each.pixels_at, each.pixels_length or 0), 0)
        if present < end:
            raise BadInput(each.path, f"holds {present} bytes of pixels, cut short", f"{end} bytes", AGAIN)
        spare = (each.pixels_length or 0) - each.bytes_declared * each.frames
        if spare >= max(each.bytes_declared // each.rows, 2):
            found = f"holds {spare} bytes of pixels more than {each.columns} × {each.rows} take: its size is wrong"
            raise BadInput(each.path, found, f"{each.bytes_declared * each.frames} bytes", AGAIN)


def _check_kind(each: SliceHeader) -> None:
    """Pixels must be of a kind that is read exactly."""
    widths = (32, 64) if each.real else (8, 16, 32)
    if each.samples != 1 or each.bits_allocated not in widths:
        found = f"has {each.samples} values of {each.bits_allocated} bits for each pixel"
        advice = "Export the series as monochrome images of 16 bits"
        raise BadInput(each.path, found, f"1 of {', '.join(map(str, widths))}", advice)
    if not 1 <= each.bits_stored <= each.high_bit + 1 <= each.bits_allocated:
        found = f"stores {each.bits_stored} of {each.bits_allocated} bits, the highest at {each.high_bit}"
        raise BadInput(each.path, found, f"1 to {each.bits_allocated} bits, the highest below that", AGAIN)
    if each.table:
        advice = "Export the series with RescaleSlope and RescaleIntercept"
        raise BadInput(each.path, "gives its values by a table (Modality LUT)", "a linear rescale", advice)


def _kind(each: SliceHeader) -> np.dtype[Any]:
    letter = "f" if each.real else "i" if each.signed else "u"
    return np.dtype(f"{'<' if each.little else '>'}{letter}{each.bits_allocated // 8}")


def _read_in_place(each: SliceHeader, target: NDArray[Any]) -> None:
    """The commonest case without a copy: 16-bit pixels are read into the volume and rescaled there."""
    _read_plain(each, bytes_of(target))
    raw = native(target.view(_kind(each)))
    outside = _outside(raw, each)
    _keep_stored_bits(raw, each)
    low, high = _ends(raw, outside)
    ends = sorted((low * each.slope + each.intercept, high * each.slope + each.intercept))
    if ends[0] < -32768 or ends[1] > 32767:
        raise _TooWide
    # arithmetic modulo 2^16 is exact here, as both ends fit
    result = raw.view(np.int16)
    if each.slope != 1:
        result *= np.int16(each.slope)
    if each.intercept != 0:
        result += np.array(int(each.intercept) & 0xFFFF, np.uint16).view(np.int16)
    if outside is not None:
        result[outside] = AIR_HU


def _into(target: NDArray[Any], raw: NDArray[Any], each: SliceHeader) -> None:
    """Write the modality values of stored pixels into `target`."""
    outside = _outside(raw, each)
    raw = _keep_stored_bits(raw, each)
    if target.dtype == np.int16:
        low, high = _ends(raw, outside)
        ends = sorted((low * each.slope + each.intercept, high * each.slope + each.intercept))
        if ends[0] < -32768 or ends[1] > 32767:
            raise _TooWide
        target[...] = raw.astype(np.int64) * int(each.slope) + int(each.intercept)
    else:
        target[...] = raw * np.float64(each.slope) + each.intercept
    if outside is not None:
        target[outside] = AIR_HU
    if each.lossy and each.padding is not None and each.modality == "CT":
        # loss spreads the padding over its surroundings
        np.maximum(target, AIR_HU, out=target)


def _outside(raw: NDArray[Any], each: SliceHeader) -> NDArray[np.bool_] | None:
    """Which pixels of a CT are padding, or None when there are none."""
    if each.padding is None or each.modality != "CT":
        return None
    low, high = each.padding
    values = sorted((low * each.slope + each.intercept, high * each.slope + each.intercept))
    if values[1] > DARKEST_TISSUE_HU and values[0] < DENSEST_METAL_HU:
        return None
    outside: NDArray[np.bool_] = raw == low if low == high else (raw >= low) & (raw <= high)
    return outside if outside.any() else None


def _ends(raw: NDArray[Any], outside: NDArray[np.bool_] | None) -> tuple[int, int]:
    """Lowest and highest stored value, padding aside."""
    low, high = int(raw.min()), int(raw.max())
    if outside is not None:
        inside = raw[~outside]
        if inside.size == 0:
            return 0, 0
        low, high = int(inside.min()), int(inside.max())
    return low, high


def _keep_stored_bits(raw: NDArray[Any], each: SliceHeader) -> NDArray[Any]:
    """The stored bits alone, moved down to the lowest; in place.

    Bits beside them may hold anything (old overlays). Image codecs keep them apart by themselves, RLE does not.
    """
    spare = each.bits_allocated - each.bits_stored
    if spare <= 0 or each.real or (each.pixels_length is None and each.transfer_syntax != RLE):
        return raw
    if not raw.flags.writeable:
        raw = raw.copy()
    # shifting down again repeats the sign of signed numbers
    raw <<= each.bits_allocated - 1 - each.high_bit
    raw >>= spare
    return raw


def _stored(each: SliceHeader) -> NDArray[Any]:
    """(rows, columns) stored values of one slice or frame that is not compressed."""
    raw = np.empty((each.rows, each.columns), _kind(each))
    if each.is_plain:
        _read_plain(each, bytes_of(raw))
    else:
        bytes_of(raw)[:] = _inflated(each)
    return native(raw)


def _inflated(each: SliceHeader) -> bytes:
    """The bytes of a frame in a deflated file."""
    with header_of(each.path):
        found = read_elements(each.path, frozenset())
    data = b""
    if found is not None and found.inflated is not None and found.pixels is not None:
        start = found.pixels.start + each.bytes_declared * each.frame
        data = found.inflated[start : min(start + each.bytes_declared, found.pixels.start + found.pixels.length)]
    if len(data) != each.bytes_declared:
        raise BadInput(
            each.path, f"holds {len(data)} bytes of pixels, cut short", f"{each.bytes_declared} bytes", AGAIN
        )
    return data


def _read_plain(each: SliceHeader, view: memoryview) -> None:
    with each.path.open("rb", buffering=0) as file:
        file.seek(each.pixels_at + each.bytes_declared * each.frame)
        count = file.readinto(view)
    if count != len(view):
        raise BadInput(each.path, f"holds {count} bytes of pixels, cut short", f"{len(view)} bytes", AGAIN)
