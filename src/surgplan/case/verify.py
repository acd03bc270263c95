"""Does every file of a case still have the bytes that it was made with?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from surgplan.case.manifest import MANIFEST, FileRecord, read_manifest
from surgplan.errors import Missing
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import sha256_of


def verify_case(folder: Path) -> tuple[int, tuple[Finding, ...]]:
    """How many files the manifest names, and a refusing finding for each that is missing or changed.

    Raises
    ------
    Missing
        The folder has no manifest.
    BadInput
        The manifest cannot be read.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise Missing(folder / MANIFEST, "there is no manifest", advice="Name the folder of a case")
    findings = [
        Finding("verify", Level.REFUSE, what, manifest.outputs[name].sha256, "Run the case again", MANIFEST, name)
        for name, what in changed_files(folder, manifest.outputs)
    ]
    return len(manifest.outputs), tuple(findings)


def changed_files(folder: Path, stored: Mapping[str, FileRecord]) -> Iterator[tuple[str, str]]:
    """The files that are not those of the record, each with what is wrong with it; on all cores, in their order."""
    with ThreadPoolExecutor(max_workers=min(4, len(os.sched_getaffinity(0)))) as pool:
        told = pool.map(lambda name: _difference(folder / name, stored[name].sha256), stored)
        yield from ((name, what) for name, what in zip(stored, told, strict=True) if what)


def _difference(path: Path, expected: str) -> str:
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {(error.strerror or 'unknown error').lower()}"
    return "" if found == expected else f"was changed: its hash is {found}"
