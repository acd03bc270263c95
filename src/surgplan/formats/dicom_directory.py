"""DICOMDIR: the table of contents of a disc, and which of the files that it names are there.

Source: DICOM PS3.3, annex F (records and their links); PS3.10, 8 (file IDs are folders and names below the DICOMDIR's).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surgplan.errors import BadInput
from surgplan.formats.dicom_elements import DicomFile, read_elements
from surgplan.formats.dicom_fields import KEYWORDS, WANTED, Fields
from surgplan.formats.voxels import header_of

NAME = "DICOMDIR"
RECORDS = KEYWORDS["DirectoryRecordSequence"][0]
MOST_PARTS = 8
"""Folders and name of a file ID: PS3.10, 8.2."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that a DICOMDIR names: where it lies, or should, which series it belongs to, and what kind it is."""

    path: Path
    series_uid: str
    kind: str
    present: bool


def is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR, whatever its name."""
    try:
        found = read_elements(path, frozenset([RECORDS])) if path.is_file() else None
    except (OSError, ValueError):
        return path.name.upper() == NAME
    return found is not None and RECORDS in found.values


def read_directory(path: Path) -> tuple[Listed, ...]:
    """The files that a DICOMDIR names, in its order.

    Raises
    ------
    BadInput
        It is damaged, has an image that names no file, or names a file outside of its own folder.
    """
    with header_of(path):
        found = read_elements(path, WANTED)
        if found is None or RECORDS not in found.values:
            raise ValueError("it has no directory records")
        records = list(_records(found))
    folder = _Folder(path.parent)
    listed = []
    for record, series in records:
        parts = record.texts("ReferencedFileID")
        in_use = record.integer("RecordInUseFlag", 0xFFFF) != 0
        if in_use and not any(parts) and record.text("DirectoryRecordType") == "IMAGE":
            told = "has a record of an image that names no file"
            raise BadInput(path, told, "one (DICOM PS3.3 F.3.2.2)", "Name the folder of the scan itself")
        if in_use and any(parts):
            place, present = folder.resolved(path, parts)
            listed.append(Listed(place, series, record.text("DirectoryRecordType"), present))
    return tuple(listed)


def _records(found: DicomFile) -> Iterator[tuple[Fields, str]]:
    """Each record with the UID of the series that it belongs to: by their links, or in their order where those lack."""
    top = Fields(found)
    start = found.values[RECORDS].start
    by_place = {start + each.at: each for each in top.items("DirectoryRecordSequence")}
    first = top.integer("OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity")
    linked = list(_linked(by_place, first))
    if len(linked) == len(by_place):
        yield from linked
        return
    series = ""
    for record in by_place.values():
        if record.text("DirectoryRecordType") in ("PATIENT", "STUDY", "SERIES"):
            series = record.text("SeriesInstanceUID")
        yield record, series


def _linked(by_place: dict[int, Fields], first: int) -> Iterator[tuple[Fields, str]]:
    waiting, seen = [(first, "")], set[int]()
    while waiting:
        place, series = waiting.pop()
        record = by_place.get(place)
        if record is None or place in seen:
            continue
        seen.add(place)
        own = record.text("SeriesInstanceUID") or series
        waiting.append((record.integer("OffsetOfTheNextDirectoryRecord"), series))
        waiting.append((record.integer("OffsetOfReferencedLowerLevelDirectoryEntity"), own))
        yield record, own


class _Folder:
    """The DICOMDIR's folder: finds a file whose name was written in other case, as discs are often copied."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.real = folder, folder.resolve()
        self.names: dict[Path, dict[str, str]] = {}

    def resolved(self, directory: Path, parts: tuple[str, ...]) -> tuple[Path, bool]:
        """Where the file with this ID lies, or should, and whether it does."""
        if len(parts) > MOST_PARTS or any(part in ("", ".", "..") or set(part) & set("/\0") for part in parts):
            found = f"names a file outside of its folder: {chr(92).join(parts)[:80]!a}"
            raise BadInput(directory, found, advice="Check where it comes from; it may be an attack")
        place = self.folder
        for part in parts:
            place = place / self._spelt(place, part)
        if not place.resolve().is_relative_to(self.real):
            advice = "Check where it comes from; it may be an attack"
            raise BadInput(directory, f"names {place.name}, which links outside of its folder", advice=advice)
        return place, place.is_file()

    def _spelt(self, folder: Path, part: str) -> str:
        if (folder / part).exists():
            return part
        if folder not in self.names:
            try:
                self.names[folder] = {_plain(each.name): each.name for each in folder.iterdir()}
            except OSError:
                self.names[folder] = {}
        return self.names[folder].get(_plain(part), part)


def _plain(name: str) -> str:
    """A name without what ISO 9660 adds to it, in one case."""
    return name.partition(";")[0].rstrip(".").lower()


def check_complete(path: Path, listed: tuple[Listed, ...]) -> None:
    """Refuse a DICOMDIR of which no file is there: it was copied alone."""
    if not listed:
        raise BadInput(path, "names no files", "those of a scan", "Name the folder of the scan itself")
    if not any(each.present for each in listed):
        found = f"names {len(listed)} files, none of which is there"
        raise BadInput(path, found, advice="Copy the whole disc, not the DICOMDIR alone")
