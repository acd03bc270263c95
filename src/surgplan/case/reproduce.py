"""Can a case be made again? It is run anew from its scan, elsewhere, and compared byte by byte."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from surgplan.case.casefile import plan_case
from surgplan.case.digest import source_digest, source_files
from surgplan.case.manifest import MANIFEST, Manifest, environment, read_manifest
from surgplan.case.runner import Progress, run_case
from surgplan.case.source_note import remembered
from surgplan.case.statement import unapproved
from surgplan.errors import BadInput, Missing
from surgplan.findings import Finding, Level


@dataclass(frozen=True)
class Reproduced:
    """How many files were compared, and a finding for each that differs, is missing, or is new."""

    files: int
    findings: tuple[Finding, ...]


def reproduce_case(case: Path, source: Path | None, elsewhere: Path | None, progress: Progress) -> Reproduced:
    """Make the case again in the folder `elsewhere`, or in a temporary one, and compare it with its manifest.

    Raises
    ------
    Missing
        The folder is no case, or the scan is not where it was.
    BadInput
        The scan has other bytes than the one that the case was made from.
    WouldOverwrite
        `elsewhere` holds something.
    """
    manifest = read_manifest(case)
    if manifest is None or "ingest" not in manifest.stages:
        raise Missing(case / MANIFEST, "there is no manifest of a run", advice="Name the folder of a case")
    scan = source or _source_of(case)
    refuse_other_scan(scan, manifest)
    plan = plan_case(case / "case.toml", source=scan)
    with _folder(elsewhere) as folder:
        again = run_case(plan, folder, progress).manifest
    return Reproduced(
        len(manifest.outputs), (*_environment(manifest), *_differences(unapproved(case, manifest), again))
    )


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    made = Path(tempfile.mkdtemp(prefix="surgplan-reproduce-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _source_of(case: Path) -> Path:
    place = remembered(case, "source")
    scan = Path(place) if place else None
    if scan is None or not scan.exists():
        raise Missing(case, "its scan is not where it was", advice="Pass its place: surgplan reproduce CASE SCAN")
    return scan


def refuse_other_scan(scan: Path, manifest: Manifest) -> None:
    """Refuse a scan that is not the one from which the case was made.

    Raises
    ------
    BadInput
        It has other bytes, or other files.
    """
    found, made_from = source_digest(scan, source_files(scan)), manifest.stages["ingest"].inputs["scan"]
    if found != made_from:
        expected = f"the scan that the case was made from, {made_from[:16]}…"
        raise BadInput(scan, f"has the digest {found[:16]}…", expected, "Name the folder or file that was named then")


def _environment(manifest: Manifest) -> Iterator[Finding]:
    now = environment()
    for name in sorted({*manifest.environment, *now}):
        then, here = manifest.environment.get(name, "none"), now.get(name, "none")
        if then != here:
            advice = "Install that version to compare like with like"
            yield Finding("environment", Level.NOTE, f"{name} {here}", then, advice, "manifest.json", name)


def _differences(one: Manifest, other: Manifest) -> Iterator[Finding]:
    advice = "Compare the versions, and report it if they are the same"
    for name in sorted({*one.outputs, *other.outputs}):
        then, now = one.outputs.get(name), other.outputs.get(name)
        if then is None or now is None:
            told = "was not made again" if now is None else "was not made then"
            yield Finding("reproduce", Level.REFUSE, told, "", advice, "manifest.json", name)
        elif then != now:
            measured = f"has the hash {now.sha256}"
            yield Finding("reproduce", Level.REFUSE, measured, then.sha256, advice, "manifest.json", name)
