"""Does every file of a case still have the bytes that it was made with?"""

from __future__ import annotations

from pathlib import Path

from surgplan.case.manifest import MANIFEST, read_manifest
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
    findings = []
    for name, record in manifest.outputs.items():
        measured = _difference(folder / name, record.sha256)
        if measured:
            findings.append(
                Finding("verify", Level.REFUSE, measured, record.sha256, "Run the case again", "manifest.json", name)
            )
    return len(manifest.outputs), tuple(findings)


def _difference(path: Path, expected: str) -> str:
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == expected else f"has the hash {found}"
