"""Digests of scans: which bytes a case was made from, without naming its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from surgplan.errors import BadInput, Missing
from surgplan.formats.atomic import sha256_of


def source_files(source: Path) -> tuple[Path, ...]:
    """The files of a scan: the file itself, or all below the folder, sorted; hidden ones do not count.

    Raises
    ------
    Missing
        There is no such file or folder.
    """
    if source.is_file():
        return (source,)
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
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        hashes = list(pool.map(_readable_sha256, files))
    whole = hashlib.sha256()
    for path, found in zip(files, hashes, strict=True):
        place = path.relative_to(source) if source.is_dir() else Path("scan")
        whole.update(f"{place.as_posix()}\0{found}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _readable_sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise BadInput(path, f"cannot be read: {reason}", advice="Check the file and its permissions") from error
