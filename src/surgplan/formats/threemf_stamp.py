"""A copy of a 3MF of ours with more metadata: not a byte of its meshes changes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written, write_file
from surgplan.formats.mesh_parts import EXPORT_AGAIN
from surgplan.formats.threemf import MODEL, OURS, lawful

RESOURCES = b"<resources>"
"""What follows the metadata; text cannot hold it, for its `<` is escaped."""
CHUNK = 1 << 20


def stamp_threemf(source: Path, target: Path, told: Mapping[str, str]) -> Written:
    """Copy a 3MF that `write_threemf` made, with these metadata (name without prefix → text); same input, same bytes.

    Raises
    ------
    BadInput
        Another program wrote the file.
    """
    lines = "".join(
        f"<metadata name={quoteattr(f'surgplan:{name}')}>{escape(lawful(text))}</metadata>\n"
        for name, text in told.items()
    )

    def fill(temporary: Path) -> None:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(temporary, "w") as new:
            for entry in old.infolist():
                copy = zipfile.ZipInfo(entry.filename, entry.date_time)
                copy.compress_type, copy.external_attr = zipfile.ZIP_DEFLATED, entry.external_attr
                copy._compresslevel = 1  # type: ignore[attr-defined]  # `open` offers no other way
                with old.open(entry) as read, new.open(copy, "w", force_zip64=entry.file_size > 1 << 31) as write:
                    if entry.filename == MODEL:
                        write.write(_stamped(source, read.read(CHUNK), lines))
                    while chunk := read.read(CHUNK):
                        write.write(chunk)

    try:
        return write_file(target, fill)
    except zipfile.BadZipFile as error:
        raise BadInput(source, f"is no 3MF: {error}", advice=EXPORT_AGAIN) from None


def _stamped(source: Path, head: bytes, lines: str) -> bytes:
    before, found, after = head.partition(RESOURCES)
    if not found or OURS.encode() not in before:
        raise BadInput(source, "was not written by surgplan", "a 3MF of surgplan print", "Print the case again")
    return before + lines.encode() + found + after
