"""LZ4 blocks against VTK's own compressor; damage is an error and never a hang."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.formats.lz4 import lz4_block


def packed(data: bytes) -> bytes:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOCore import vtkLZ4DataCompressor

    given = np.frombuffer(data, np.uint8).copy()
    return bytes(vtk_to_numpy(vtkLZ4DataCompressor().Compress(given, len(given))).tobytes())


def unpacked(data: bytes, size: int) -> int:
    """Bytes that came out; fewer than were meant where a block ends between two sequences: its reader compares them."""
    try:
        return len(lz4_block(data, size))
    except ValueError:
        return 0


pieces = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 30)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(pieces)
def test_what_vtk_packed_is_unpacked(parts: list[tuple[bytes, int]]) -> None:
    data = b"".join(piece * times for piece, times in parts)
    assert lz4_block(packed(data), len(data)) == data


def test_long_runs_and_long_literals() -> None:
    data = b"a" * 5000 + bytes(np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8)) + b"xyz" * 2000
    assert lz4_block(packed(data), len(data)) == data


def test_damage_is_refused() -> None:
    data = bytes(range(200)) * 20
    whole = packed(data)
    assert max(unpacked(whole[:end], len(data)) for end in range(len(whole))) < len(data)
    with pytest.raises(ValueError, match="more than it declares"):
        lz4_block(whole, len(data) - 1)
    with pytest.raises(ValueError, match="before its start"):
        lz4_block(b"\x10a\x09\x00", 100)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_end_soon_and_within_the_size(data: bytes) -> None:
    assert unpacked(data, 1000) <= 1000
