"""Masks with eight voxels in a byte: growing and shrinking them moves an eighth of the memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surgplan.segment.region import Mask

Words = NDArray[np.uint64]
WORD = 64
ONE = np.uint64(1)
TOP = np.uint64(WORD - 1)

Row = tuple[int, int, int]
"""Of a structuring element: its step along k, along j, and how far it reaches to both sides along i."""


def packed(mask: Mask, margin: tuple[int, int, int]) -> Words:
    """A mask (k, j, i) as 64 voxels a word along i, with at least `margin` empty voxels on every side."""
    mk, mj, mi = margin
    nk, nj, ni = mask.shape
    lead = -(-mi // WORD)
    words = np.zeros((nk + 2 * mk, nj + 2 * mj, -(-ni // WORD) + 2 * lead), dtype="<u8")
    bits = np.packbits(mask, axis=-1, bitorder="little")
    octets = words.view(np.uint8)
    octets[mk : mk + nk, mj : mj + nj, 8 * lead : 8 * lead + bits.shape[-1]] = bits
    return words


def unpacked(words: Words, margin: tuple[int, int, int], shape: tuple[int, int, int]) -> Mask:
    """The inverse of `packed`: the mask of that shape, without the margin."""
    mk, mj, mi = margin
    nk, nj, ni = shape
    lead = -(-mi // WORD)
    octets = words.view(np.uint8)[mk : mk + nk, mj : mj + nj, 8 * lead : 8 * lead + -(-ni // 8)]
    return np.unpackbits(octets, axis=-1, count=ni, bitorder="little").view(np.bool_)


def dilated(words: Words, rows: Sequence[Row]) -> Words:
    """Every voxel that the structuring element, moved to a voxel of the mask, covers; cut off at the array's ends."""
    out = np.zeros_like(words)
    grown = words
    reach = 0
    for dk, dj, width in sorted(rows, key=lambda row: row[2]):
        while reach < width:
            grown = _widened(grown)
            reach += 1
        here, there = _moved(words.shape[0], dk), _moved(words.shape[0], -dk)
        left, right = _moved(words.shape[1], dj), _moved(words.shape[1], -dj)
        out[here, left] |= grown[there, right]
    return out


def eroded(words: Words, rows: Sequence[Row]) -> Words:
    """Every voxel around which the structuring element lies inside the mask; beyond the array's ends all is mask."""
    outside = dilated(~words, rows)
    np.invert(outside, out=outside)
    return outside


def _widened(words: Words) -> Words:
    """One voxel more at both ends of every run along i."""
    out = words << ONE
    out |= words >> ONE
    out |= words
    out[..., 1:] |= words[..., :-1] >> TOP
    out[..., :-1] |= words[..., 1:] << TOP
    return out


def _moved(count: int, step: int) -> slice:
    return slice(max(0, step), count + min(0, step))
