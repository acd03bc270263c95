"""Approving a case, and taking that back: acts of a person, each of which the log tells."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgplan.case.approved_copies import show_approvals
from surgplan.case.casefile import plan_case
from surgplan.case.lock import locked
from surgplan.case.log import LOG, START, Entry, append, operator, read_log
from surgplan.case.manifest import MANIFEST, Manifest, read_manifest
from surgplan.case.pdf import drop_stale_pdf
from surgplan.case.plan_file import CASE_FILE
from surgplan.case.signing import public_of, public_pem
from surgplan.case.standing import APPROVE, WITHDRAW, standings
from surgplan.case.statement import FOLDER, LONGEST_WORDS, Statement, files_now, stages_now
from surgplan.case.verify import verify_case
from surgplan.case.workshop import stages_of
from surgplan.errors import FailedCheck, Missing, Refused, WrongUsage
from surgplan.findings import REJECTED
from surgplan.formats.atomic import Written, write_bytes, write_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

RUN_AGAIN = "Run the case again: surgplan run"


def approve(
    folder: Path, by: str, role: str, override: str = "", key: Ed25519PrivateKey | None = None
) -> tuple[Statement, tuple[Written, ...]]:
    """State that the case is approved as it is; the log tells of it, and page and model for printing show it.

    Raises
    ------
    Missing
        The case was not run to its end.
    FailedCheck
        A file is not the one that the manifest names, or the log was changed.
    Refused
        The case is rejected, and `override` does not say why it is approved all the same.
    WrongUsage
        Names that cannot be told, or an override of what is not rejected.
    """
    for what, words in (("--by", by), ("--role", role), ("--override", override)):
        _refuse_words(what, words)
    with locked(folder):
        manifest = _finished(folder)
        _refuse_changed(folder, manifest)
        _refuse_rejected(folder, manifest, override)
        entries = _entries(folder)
        statement = Statement(
            number=_next_number(folder, entries),
            case=manifest.case,
            recipe=manifest.recipe,
            scan_sha256=manifest.stages["ingest"].inputs["scan"],
            by=by,
            role=role,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            verdict=manifest.verdict,
            override=override,
            files=files_now(folder, manifest),
            stages=stages_now(manifest),
            log=entries[-1].hash if entries else START,
            key=public_of(key) if key else "",
        )
        written = _write(folder, statement, key)
        told = {"approval": statement.number, "approved_by": by, "role": role, "verdict": statement.verdict}
        told |= {"override": override, "statement_sha256": written[0].sha256}
        append(folder, APPROVE, told, operator())
        shown = show_approvals(folder)
        drop_stale_pdf(folder)
        return statement, (*written, *shown)


def withdraw(folder: Path, number: int, by: str, role: str, reason: str) -> tuple[Written, ...]:
    """Take an approval back; the log tells who did and why.

    Raises
    ------
    WrongUsage
        There is no such approval, or it was taken back before.
    """
    for what, words in (("--by", by), ("--role", role), ("--reason", reason)):
        _refuse_words(what, words)
    with locked(folder):
        known = {each.number: each for each in standings(folder)}
        if number not in known or known[number].withdrawn:
            found = f"there is no approval {number}" if number not in known else f"{number} was withdrawn before"
            told = ", ".join(str(each.number) for each in known.values() if not each.withdrawn) or "none"
            raise WrongUsage(folder, found, advice=f"Approvals that can be withdrawn: {told}")
        details = {"approval": number, "withdrawn_by": by, "role": role, "reason": reason}
        append(folder, WITHDRAW, details, operator())
        shown = show_approvals(folder)
        drop_stale_pdf(folder)
        return shown


def _finished(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    if manifest is None:
        raise Missing(folder / MANIFEST, "there is no manifest", advice="Name the folder of a case")
    plan = plan_case(folder / CASE_FILE)
    for stage in stages_of(plan):
        record = manifest.stages.get(stage.name)
        if record is None:
            raise Missing(folder, f"the stage {stage.name} was never done", advice=RUN_AGAIN)
        if not _asks_for(stage.parameters(plan), record.parameters):
            found = f"asks for other parameters of the stage {stage.name} than it was done with"
            raise FailedCheck(folder / CASE_FILE, found, advice=RUN_AGAIN)
    return manifest


def _asks_for(asked: Any, done: Any) -> bool:
    """Whether what is asked for is what was done; a later version may know more parameters, with their defaults."""
    if isinstance(asked, dict) and isinstance(done, dict):
        return all(name in asked and _asks_for(asked[name], value) for name, value in done.items())
    if isinstance(asked, list | tuple) and isinstance(done, list | tuple):
        return len(asked) == len(done) and all(map(_asks_for, asked, done))
    return bool(asked == done)


def _refuse_changed(folder: Path, manifest: Manifest) -> None:
    _, changed = verify_case(folder)
    if changed:
        first = changed[0]
        raise FailedCheck(folder / first.subject, first.measured, first.limit, RUN_AGAIN)


def _refuse_rejected(folder: Path, manifest: Manifest, override: str) -> None:
    if manifest.verdict != REJECTED:
        if override:
            raise WrongUsage("--override", f"given, but the case is {manifest.verdict}", advice="Leave it out")
        return
    if not override:
        checks = sorted({finding.check for _, finding in manifest.findings if finding.level == "refuse"})
        advice = 'Mend what was found, or pass --override "REASON": it is recorded with the approval'
        raise Refused(folder, f"the case is rejected by {', '.join(checks)}", "a case that is ready", advice)


def _refuse_words(what: str, words: str) -> None:
    if len(words) > LONGEST_WORDS or not words.isprintable() or (words != words.strip()):
        expected = f"at most {LONGEST_WORDS} printable characters"
        raise WrongUsage(what, f"has {len(words)} characters, or some that cannot be shown", expected)
    if not words and what != "--override":
        raise WrongUsage(what, "is empty", advice="Say who approves, and in which role")


def _entries(folder: Path) -> tuple[Entry, ...]:
    entries, wrong = read_log(folder)
    if wrong:
        advice = "Ask who had access to the case, and run it anew in another folder"
        raise FailedCheck(folder / LOG, wrong[0], "an unbroken chain", advice)
    return entries


def _next_number(folder: Path, entries: tuple[Entry, ...]) -> int:
    """After all that were logged, and after a statement that a killed process left."""
    logged = [int(entry.details.get("approval", 0)) for entry in entries if entry.action == APPROVE]
    left = [int(path.stem) for path in (folder / FOLDER).glob("[0-9]*.json") if path.stem.isdigit()]
    return max((*logged, *left), default=0) + 1


def _write(folder: Path, statement: Statement, key: Ed25519PrivateKey | None) -> tuple[Written, ...]:
    path = folder / statement.path
    text = statement.model_dump_json(indent=1) + "\n"
    written = [write_text(path, text)]
    if key is not None:
        written.append(write_bytes(path.with_suffix(".sig"), key.sign(text.encode())))
        written.append(write_text(path.with_suffix(".pub.pem"), public_pem(statement.key)))
    return tuple(written)
