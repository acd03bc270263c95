"""Digests of scans: which bytes a case was made from, without naming its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from surgplan.errors import BadInput, Missing
from surgplan.formats.atomic import sha256_of
from surgplan.formats.dicom_directory import is_directory_file, read_directory
from surgplan.formats.limits import check_regular


def source_files(source: Path) -> tuple[Path, ...]:
    """The files of a scan: the file itself, or all below the folder, sorted; hidden ones do not count.

    With a DICOMDIR, those that it names and that are there come after it. An archive is one file.

    Raises
    ------
    Missing
        There is no such file or folder.
    BadInput
        The DICOMDIR is damaged, or names files outside of its folder; or it is a pipe or a device.
    """
    if source.is_file():
        named = read_directory(source) if is_directory_file(source) else ()
        return (source, *sorted({each.path for each in named if each.present} - {source}))
    if source.exists():
        check_regular(source)
    if not source.is_dir():
        raise Missing(source, "there is no such file or folder", advice="Check the path of the scan")
    found = []
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return tuple(sorted(path for path in found if path.is_file()))


def source_digest(source: Path, files: Sequence[Path]) -> str:
    """SHA-256 over the contents of all files and where they lie in the scan's folder.

    Raises
    ------
    BadInput
        A file cannot be read.
    """
    with ThreadPoolExecutor(max_workers=min(4, len(os.sched_getaffinity(0)))) as pool:
        hashes = list(pool.map(_readable_sha256, files))
    whole = hashlib.sha256()
    root = source if source.is_dir() else source.parent
    for path, found in zip(files, hashes, strict=True):
        place = Path("scan") if path == source else path.relative_to(root)
        whole.update(f"{place.as_posix()}\0{found}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _readable_sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise BadInput(path, f"cannot be read: {reason}", advice="Check the file and its permissions") from error
