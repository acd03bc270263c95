"""Cases and their patients, by the digest that each manifest keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from surgplan.case.manifest import MANIFEST, Manifest, read_manifest
from surgplan.case.opened import opened
from surgplan.errors import Missing, SurgplanError
from surgplan.findings import Finding, Level
from surgplan.privacy.patient import PatientDigest, belongs, key_mark, lab_key, patient_digest, patient_of


def case_key() -> bytes | None:
    """The lab's key, made when there is none yet; None where none can be made: cases are as good without.

    Raises
    ------
    Refused, WrongUsage
        Others can read the key; it is too short.
    """
    try:
        return lab_key(create=True)
    except Missing:
        return None


def is_settled(manifest: Manifest, scan: str, key: bytes | None) -> bool:
    """Whether the manifest has the digest that it would be given again; `scan` is the hash of its scan."""
    if key is None or manifest.patient is None or "ingest" not in manifest.stages:
        return False
    return manifest.patient.key == key_mark(key) and manifest.stages["ingest"].inputs.get("scan") == scan


def digest_for(key: bytes | None, scan: str, files: Sequence[Path]) -> PatientDigest | None:
    """The digest of the patient to whom these files belong; None without a key, or without one patient's ID."""
    patient = patient_of(files)
    return None if patient is None or key is None else patient_digest(key, scan, patient)


@contextmanager
def headers_of(source: Path) -> Iterator[tuple[Path, ...]]:
    """The files of a scan, also of an archive; none when it cannot be opened: ingest tells why."""
    with ExitStack() as stack:
        try:
            files = stack.enter_context(opened(source)).files
        except SurgplanError:
            files = ()
        yield files


def matching(cases: Sequence[Path], patient: str) -> tuple[list[Path], tuple[Finding, ...]]:
    """Those of the case folders that belong to the patient, and which could not be asked.

    Raises
    ------
    Missing
        There is no key, or a folder is no case.
    """
    key = lab_key()
    found, findings = [], []
    for case in cases:
        manifest = read_manifest(case)
        if manifest is None:
            raise Missing(case / MANIFEST, "there is no manifest", advice="Name the folder of a case")
        reason = _unasked(manifest, key)
        if reason:
            findings.append(Finding("match", Level.WARN, reason, subject=str(case)))
        elif manifest.patient and belongs(manifest.patient, key, manifest.stages["ingest"].inputs["scan"], patient):
            found.append(case)
    return found, tuple(findings)


def _unasked(manifest: Manifest, key: bytes) -> str:
    if manifest.patient is None or "ingest" not in manifest.stages:
        return "keeps no digest of its patient"
    return "" if manifest.patient.key == key_mark(key) else f"was made with another key ({manifest.patient.key})"
