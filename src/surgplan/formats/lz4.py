"""LZ4 blocks unpacked: short enough to need no package.

Source: Collet, "LZ4 block format description", github.com/lz4/lz4 (doc/lz4_Block_format.md).
"""

from __future__ import annotations

LONG = 15
"""A length of so much goes on in the bytes that follow, until one is below 255."""

LEAST_MATCH = 4


def lz4_block(data: bytes, size: int) -> bytes:
    """The bytes that a block holds.

    Raises
    ------
    ValueError
        The block is cut short or damaged, or holds more than `size` bytes.
    """
    out, at = bytearray(), 0
    try:
        while True:
            token = data[at]
            count, at = _length(data, at + 1, token >> 4)
            out += data[at : at + count]
            at += count
            if at >= len(data):
                break  # the last sequence has no match
            offset = data[at] | data[at + 1] << 8
            count, at = _length(data, at + 2, token & LONG)
            _repeat(out, offset, count + LEAST_MATCH)
            if len(out) > size:
                break
    except IndexError:
        raise ValueError("is cut short") from None
    if at != len(data) or len(out) > size:
        raise ValueError("is cut short, or holds more than it declares")
    return bytes(out)


def _length(data: bytes, at: int, count: int) -> tuple[int, int]:
    """A length that begins with `count`, and where the next bytes are."""
    if count == LONG:
        while True:
            count += data[at]
            at += 1
            if data[at - 1] < 255:
                break
    return count, at


def _repeat(out: bytearray, offset: int, count: int) -> None:
    """Append `count` bytes from `offset` back; they may reach into what is being appended."""
    start = len(out) - offset
    if offset == 0 or start < 0:
        raise ValueError("refers to bytes before its start")
    if offset >= count:
        out += out[start : start + count]
    else:
        out += (bytes(out[start:]) * (count // offset + 1))[:count]
