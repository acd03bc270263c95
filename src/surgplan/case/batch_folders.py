"""A folder that a batch is given: one scan, a case, or a folder of many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from surgplan.formats.archives import is_archive
from surgplan.formats.dicom_directory import NAME as DICOMDIR
from surgplan.formats.dicom_elements import read_elements
from surgplan.formats.images import is_image_file

CASE_FILE = "case.toml"
PATIENT_ID, STUDY_UID = 0x00100020, 0x0020000D
FILES_LOOKED_AT = 20
"""Of each subfolder: a few that are no DICOM may lie before the first that is."""


def cases_in(path: Path) -> tuple[Path, ...]:
    """The scans or case files that a path of a batch means; the path itself where it is one scan.

    A folder of subfolders is one scan where they all belong to one patient (its series), and many scans where they
    belong to several, or are no DICOM.
    """
    if not path.is_dir():
        return (path,)
    if (path / CASE_FILE).is_file():
        return (path / CASE_FILE,)
    children = sorted(child for child in path.iterdir() if not child.name.startswith("."))
    cases = [child / CASE_FILE for child in children if (child / CASE_FILE).is_file()]
    scans = [child for child in children if _may_be_scan(child) and child / CASE_FILE not in cases]
    if cases:
        return tuple(sorted((*cases, *(scan for scan in scans if _owner(scan)))))
    loose = [child for child in children if child.is_file() and not _may_be_scan(child)]
    if (path / DICOMDIR).exists() or len(scans) < 2 or _owner_of_files(loose):
        return (path,)
    owners = {_owner(scan) for scan in scans} - {""}
    return tuple(scans) if len(owners) > 1 else (path,)


def _may_be_scan(path: Path) -> bool:
    return path.is_dir() or is_image_file(path) or is_archive(path)


def _owner(scan: Path) -> str:
    """Whose scan it is: something that differs between patients, and "" where there is no scan."""
    if scan.is_dir():
        files = list(islice(_files_below(scan), FILES_LOOKED_AT))
        return _owner_of_files(files) or next((str(path) for path in files if _may_be_scan(path)), "")
    return str(scan)


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _owner_of_files(files: list[Path]) -> str:
    """The patient's ID of the first DICOM file, or its study where it tells no patient; "" where none is DICOM."""
    for path in files[:FILES_LOOKED_AT]:
        with suppress(OSError, ValueError):
            found = read_elements(path, frozenset([PATIENT_ID, STUDY_UID]))
            if found is not None:
                told = [found.values[tag].data.strip(b" \0") for tag in (PATIENT_ID, STUDY_UID) if tag in found.values]
                return next((each.decode("latin-1") for each in told if each), "unknown")
    return ""
