"""Whether a DICOM file's declared lengths hold, down to the innermost sequence: asked before a library reads it.

A general library takes the memory that a length asks for before it looks for the bytes, and follows sequences to any
depth.
"""

from __future__ import annotations

from pathlib import Path

from surgplan.formats.dicom_elements import DicomFile, Value, items, read_elements

MOST_BYTES = 1 << 29
"""Of header bytes looked at, those of nested sequences once for each level."""
ITEM_HEADS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


class _Every(frozenset[int]):
    """All tags."""

    def __contains__(self, tag: object) -> bool:
        return True


EVERY = _Every()


def check_structure(path: Path) -> None:
    """Raise `ValueError` when the file is no DICOM, or when one of its elements or items cannot be as it says.

    Raises
    ------
    ValueError
        Not DICOM, cut short, damaged, or nested too deep.
    OSError
        It cannot be read.
    """
    found = read_elements(path, EVERY)
    if found is None:
        raise ValueError("it is not DICOM")
    _check(found, found.values, 0, 0)


def _check(found: DicomFile, values: dict[int, Value], depth: int, seen: int) -> int:
    """Check what the sequences among the values hold; how many bytes were looked at in all."""
    for value in values.values():
        if value.vr == b"SQ" or (value.vr in (b"", b"UN") and value.data[:4] in ITEM_HEADS):
            seen += len(value.data)
            if seen > MOST_BYTES:
                raise ValueError(f"its sequences hold more than {MOST_BYTES} bytes")
            for _, inner in items(found, value, EVERY, depth):
                seen = _check(found, inner, depth + 1, seen)
    return seen
