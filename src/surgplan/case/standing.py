"""Whether an approval still holds.

It does while its statement is the one that the log names, its signature is right, no line of the log was changed,
nobody took it back, and every file and every stage of the case is as the statement says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surgplan.case.log import read_log
from surgplan.case.manifest import Manifest, read_manifest
from surgplan.case.signing import fingerprint, is_signed
from surgplan.case.statement import FOLDER, Statement, changes, read_statement
from surgplan.errors import BadInput
from surgplan.findings import Finding, Level

APPROVE, WITHDRAW = "approve", "withdraw"
"""What the log calls both acts."""


@dataclass(frozen=True)
class Standing:
    """An approval and whether it holds: `void` says why not, or is "". `withdrawn` tells whether somebody took it back.

    `unchecked` is set where it is signed, but the package that checks signatures is not installed.
    """

    number: int
    by: str
    role: str
    time: str
    verdict: str
    override: str
    sha256: str
    key: str
    void: str = ""
    withdrawn: bool = False
    unchecked: bool = False

    @property
    def signed(self) -> str:
        """By which key, in words."""
        if not self.key:
            return "none"
        return f"Ed25519, key {fingerprint(self.key)}" + (" (not checked)" if self.unchecked else "")

    def as_dict(self) -> dict[str, Any]:
        """The same for `--json`."""
        return {**self.__dict__, "holds": not self.void}


def standings(folder: Path) -> tuple[Standing, ...]:
    """Every approval in the order in which they were given, and whether each holds.

    Raises
    ------
    BadInput
        Log or manifest cannot be read.
    """
    entries, wrong = read_log(folder)
    given = [entry for entry in entries if entry.action == APPROVE]
    if not given:
        return ()
    manifest = read_manifest(folder)
    taken = {entry.details.get("approval"): entry.details for entry in entries if entry.action == WITHDRAW}
    return tuple(_standing(folder, entry.details, manifest, wrong, taken) for entry in given)


def _standing(
    folder: Path,
    told: Mapping[str, Any],
    manifest: Manifest | None,
    wrong: tuple[str, ...],
    taken: Mapping[Any, Mapping[str, Any]],
) -> Standing:
    number = int(told.get("approval", 0))
    path = folder / FOLDER / f"{number:04d}.json"
    words = {"by": "approved_by", "role": "role", "verdict": "verdict", "override": "override"}
    known: dict[str, Any] = {name: str(told.get(key, "")) for name, key in words.items()}
    sha256 = str(told.get("statement_sha256", ""))
    try:
        statement, data = read_statement(path)
    except BadInput as error:
        return Standing(number, **known, time="", sha256=sha256, key="", void=f"its statement {error.found}")
    unchecked, void = False, ""
    if hashlib.sha256(data).hexdigest() != sha256:
        void = "its statement is not the one that was logged"
    elif statement.key:
        unchecked, void = _signature(path.with_suffix(".sig"), statement, data)
    back = taken.get(number)
    if not void and wrong:
        void = f"the log was changed: {wrong[0]}"
    if not void and back is None:
        void = _changed(statement, folder, manifest)
    if back is not None:
        void = f"withdrawn by {back.get('withdrawn_by')}: {back.get('reason')}"
    return Standing(
        number,
        **known,
        time=statement.time,
        sha256=sha256,
        key=statement.key,
        void=void,
        withdrawn=back is not None,
        unchecked=unchecked,
    )


def _changed(statement: Statement, folder: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return "the manifest is gone"
    found = list(changes(statement, folder, manifest))
    return "" if not found else found[0] + (f", and {len(found) - 1} more" if len(found) > 1 else "")


def _signature(path: Path, statement: Statement, data: bytes) -> tuple[bool, str]:
    """Whether the signature could not be checked, and why it is wrong or ""."""
    try:
        signature = path.read_bytes()
    except OSError:
        return False, "its signature is missing"
    try:
        return False, "" if is_signed(statement.key, signature, data) else "its signature is not that of its key"
    except ImportError:
        return True, ""


def approval_findings(folder: Path, demanded: bool, key: str) -> tuple[tuple[Standing, ...], tuple[Finding, ...]]:
    """The approvals of a case, with a refusing finding for each that is void and was not taken back.

    With `demanded` one must hold; with `key`, a public one, one that was signed by it.
    """
    told = standings(folder)
    found = [_told(each) for each in told if each.void or each.unchecked]
    holding = [each for each in told if not each.void and (not key or (each.key == key and not each.unchecked))]
    if (demanded or key) and not holding:
        limit = f"one signed by the key {fingerprint(key)}" if key else "one that holds"
        measured = f"none of {len(told)} approvals counts"
        found.append(Finding("approval", Level.REFUSE, measured, limit, "Have the case approved: surgplan approve"))
    return told, tuple(found)


def void_approvals(folder: Path) -> list[Finding]:
    """A warning for each approval that a run has voided, for whoever ran it."""
    advice = "Have the case approved again before it is used: surgplan approve"
    return [
        Finding("approval", Level.WARN, f"that of {each.by} no longer holds: {each.void}", "no change", advice)
        for each in standings(folder)
        if each.void and not each.withdrawn
    ]


def _told(each: Standing) -> Finding:
    subject = f"{FOLDER}/{each.number:04d}.json"
    if each.withdrawn:
        return Finding("approval", Level.NOTE, f"of {each.by}: {each.void}", subject=subject)
    if not each.void:
        advice = 'Install what checks it: pip install "surgplan[sign]"'
        return Finding("approval", Level.WARN, f"of {each.by}: its signature was not checked", "", advice, "", subject)
    advice = "Have the case approved again, and take this approval back: surgplan approve --withdraw"
    return Finding("approval", Level.REFUSE, f"of {each.by} is void: {each.void}", "no change", advice, "", subject)
