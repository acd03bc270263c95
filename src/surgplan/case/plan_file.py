"""The case folder's own `case.toml`, and whose case it is: told by a digest, and by nothing that a person typed."""

from __future__ import annotations

from pathlib import Path

from surgplan.case.casefile import CasePlan
from surgplan.case.manifest import Manifest
from surgplan.case.matching import case_key, digest_for, headers_of, is_settled
from surgplan.case.toml_files import write_toml
from surgplan.formats.atomic import write_text
from surgplan.privacy.leaks import refuse_names

CASE_FILE = "case.toml"


def write_case_file(plan: CasePlan, folder: Path) -> None:
    """The case folder's own `case.toml`."""
    if not _has_case_file(plan, folder):
        write_text(folder / CASE_FILE, _case_text(plan))


def _case_text(plan: CasePlan) -> str:
    head = "# Everything that this case was made with. Change it, then run it again: surgplan run case.toml -o .\n"
    return head + write_toml(plan.case_toml())


def _has_case_file(plan: CasePlan, folder: Path) -> bool:
    path = folder / CASE_FILE
    return path.is_file() and path.read_text("utf-8", "replace") == _case_text(plan)


def with_patient(manifest: Manifest, plan: CasePlan, folder: Path, source: str) -> Manifest:
    """The manifest with the digest of its patient, once nothing in the case's plan tells who that is.

    Raises
    ------
    Refused
        The case's name, or another text of its plan, tells it.
    """
    key = case_key()
    known = _has_case_file(plan, folder)
    if known and is_settled(manifest, source, key):
        return manifest
    with headers_of(plan.source) as files:
        if not known:
            refuse_names(CASE_FILE, _case_text(plan), files)
        return manifest.model_copy(update={"patient": digest_for(key, source, files)})
