"""Numbers as few bytes, which a browser unpacks without a library: differences, in planes of bytes, deflated."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL, MEMORY = 6, 9
"""Run lengths and Huffman codes are all that noise leaves to find: a tenth of the time of a full search, a few per
cent larger."""


def packed(values: NDArray[Any]) -> bytes:
    """The whole numbers of a (n, m) array, of two or four unsigned bytes each, as a zlib stream.

    Each number is replaced by its difference to the one above it, folded so that small negative ones are small, too;
    then all lowest bytes follow each other, column after column, then the next ones. `unpacked` in
    `viewer/packing.ts` is the inverse.
    """
    kind = values.dtype
    if kind not in (np.dtype(np.uint16), np.dtype(np.uint32)):
        raise ValueError(f"only unsigned numbers of 2 or 4 bytes can be packed, not {kind}")
    columns = np.ascontiguousarray(values.T)
    steps = np.diff(columns, axis=1, prepend=kind.type(0))  # wraps round, and so does the sum
    signed = steps.view(kind.str.replace("u", "i"))
    folded = ((steps << kind.type(1)) ^ (signed >> (8 * kind.itemsize - 1)).view(kind)).reshape(-1)
    planes = folded.astype(kind.newbyteorder("<"), copy=False).view(np.uint8).reshape(-1, kind.itemsize)
    press = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, MEMORY, zlib.Z_RLE)
    parts = [press.compress(planes[:, each].tobytes()) for each in range(kind.itemsize)]
    return b"".join([*parts, press.flush()])
