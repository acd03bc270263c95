"""Voxels as they lie in an image file: how they are read whole or not at all."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding
from surgplan.formats.limits import (
    AGAIN,
    DEFLATE_RATIO,
    check_declared,
    check_image_size,
    check_memory,
    told_bytes,
)
from surgplan.model.frames import Array

CHUNK = 1 << 20
ZLIB_OR_GZIP = 47
"""zlib's `wbits` for a stream of either kind."""
REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.ASCII | re.IGNORECASE)
WHOLE = re.compile(r"[+-]?\d{1,20}", re.ASCII)


@dataclass(frozen=True)
class StoredImage:
    """What an image file holds, before it becomes a noun.

    Parameters
    ----------
    array:
        Voxels with i fastest: (k, j, i), or (k, j, i, layer) where the file holds several values for each voxel.
    lps_from_ijk:
        (4, 4) from voxel indices to LPS millimetres; may still mirror or shear.
    keys:
        The file's own key/value pairs.
    findings:
        What was doubtful about the header.
    """

    array: NDArray[Any]
    lps_from_ijk: Array
    keys: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Block:
    """Where the voxels of a file lie.

    `offset` is the place in the file, -1 for the very end; a compressed stream begins there, and its first `skip` bytes
    are no voxels.
    """

    path: Path
    offset: int
    compressed: bool
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    skip: int = 0

    @property
    def declared(self) -> int:
        """Bytes that the header asks for."""
        count = self.dtype.itemsize
        for length in self.shape:
            count *= int(length)
        return count


def real(text: str) -> float:
    """A number of a text header, as C and every other reader takes it: Python alone also knows `1_0` and `１２`."""
    if not REAL.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is no number")
    return float(text)


def whole(text: str) -> int:
    """A whole number of a text header."""
    if not WHOLE.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(text)


@contextmanager
def header_of(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a header is parsed is about the file; a `ValueError` may end with `; advice`."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadInput(path, f"cannot be read: {reason}", advice="Check the file and its permissions") from error
    except (ValueError, KeyError, IndexError, OverflowError, TypeError, UnicodeError) as error:
        found, _, advice = str(error).partition("; ")
        raise BadInput(path, f"its header cannot be used: {found}", advice=advice or AGAIN) from error


def read_block(block: Block) -> NDArray[Any]:
    """The voxels, in the machine's byte order, of shape `block.shape`; exactly as many as the header declares.

    Raises
    ------
    BadInput
        The file holds fewer or more bytes than declared, or its compressed stream is damaged.
    OutOfResources
        It does not fit into memory.
    """
    with header_of(block.path), block.path.open("rb") as file:
        size = block.path.stat().st_size
        declared = block.declared
        start = block.offset if block.offset >= 0 else size - declared
        if start < 0 or start > size or declared <= 0:
            raise _wrong_length(block, max(size - max(block.offset, 0), 0))
        stored = size - start
        check_declared(block.path, declared, stored, DEFLATE_RATIO if block.compressed else 1)
        check_image_size(block.path, block.shape)
        check_memory(block.path, declared)
        if not block.compressed and stored != declared:
            raise _wrong_length(block, stored)
        array = np.empty(block.shape, block.dtype)
        view = bytes_of(array)
        file.seek(start)
        if block.compressed:
            _inflate(block, file, view)
        elif file.readinto(view) != declared:
            raise _wrong_length(block, stored)
    return native(array)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The same values in the machine's byte order; swapped in place."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))


def bytes_of(array: NDArray[Any]) -> memoryview:
    """The memory of a contiguous array, as bytes."""
    return array.reshape(-1).view(np.uint8).data


def _inflate(block: Block, file: BinaryIO, view: memoryview) -> None:
    """Fill `view` from a gzip or zlib stream, or several in a row; the checksum at the end is checked."""
    filled, data = -block.skip, b""
    stream = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        while data or (data := file.read(CHUNK)):
            if stream.eof:
                stream = zlib.decompressobj(ZLIB_OR_GZIP)
            part = stream.decompress(data, 4 * CHUNK)
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
            end = filled + len(part)
            if end > len(view):
                raise _wrong_length(block, end, "at least ")
            if end > 0:
                view[max(filled, 0) : end] = part[max(-filled, 0) :]
            filled = end
    except zlib.error as error:
        found = f"its compressed data are damaged after {told_bytes(max(filled, 0))} of voxels"
        raise BadInput(block.path, found, advice=AGAIN) from error
    if filled != len(view) or not stream.eof:
        raise _wrong_length(block, max(filled, 0))


def _wrong_length(block: Block, found: int, more: str = "") -> BadInput:
    sizes = " × ".join(str(length) for length in reversed(block.shape))
    expected = f"{block.declared} bytes for {sizes} voxels of {block.dtype.itemsize}"
    return BadInput(block.path, f"holds {more}{found} bytes of voxels", expected, AGAIN)
