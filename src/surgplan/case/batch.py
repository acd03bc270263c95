"""Many cases, each in a process of its own: one bad case neither stops nor slows the others.

A batch folder holds one folder for each case, `logs/`, and the summary. Batches resume as cases do: what is done is
found up to date.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from surgplan.case.batch_list import BatchCase, case_of, scans_in, stamp
from surgplan.case.failed import without_scan
from surgplan.case.lock import PRIVATE, locked
from surgplan.case.needs import run_bytes
from surgplan.case.pool import Job, JobEnd, Limits, Pool
from surgplan.findings import READY, REJECTED, WITH_WARNINGS
from surgplan.formats.atomic import write_text

FAILED = "failed"
STATES = (FAILED, REJECTED, WITH_WARNINGS, READY)
"""What can become of a case, the worst first."""
LOGS = "logs"
TURN_S = 0.05
SUMMARY_S = 5.0
"""How often the summary is written while the batch runs."""
AGAIN = frozenset([1, 7, 9])
"""Exit codes that may go away: a bug that hits seldom, memory that was short, a lock that was held."""


class Watcher(Protocol):
    """Who is told how a batch goes."""

    def tick(self, pool: Pool, ends: Sequence[CaseEnd]) -> None:
        """Some time has passed."""

    def ended(self, end: CaseEnd) -> None:
        """A case has ended."""


@dataclass(frozen=True)
class CaseEnd:
    """What became of one case. Nothing in it tells where its scan lies: such paths often carry patients' names."""

    name: str
    folder: str
    state: str
    exit_code: int
    message: str
    ran: tuple[str, ...]
    seconds: float
    peak_mb: int
    tries: int
    warnings: tuple[str, ...]
    volumes_ml: dict[str, float]

    @property
    def rank(self) -> tuple[int, int, str]:
        """The worst come first."""
        return STATES.index(self.state), -len(self.warnings), self.name


@dataclass(frozen=True)
class BatchRules:
    """What holds for all cases: recipe, settings, limits, whether what exists is replaced."""

    limits: Limits
    recipe: str | None = None
    settings: tuple[str, ...] = ()
    overwrite: bool = False


@dataclass
class Inbox:
    """A folder in which scans arrive; one is complete when nothing in it has changed for `settle_s` seconds.

    With `idle_s` the watch ends when nothing new came for as long.
    """

    folder: Path
    settle_s: float
    idle_s: float | None = None
    named_by_folder: bool = False
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _taken: dict[Path, str] = field(default_factory=dict)
    _looked: float = 0.0
    _newest: float = field(default_factory=time.monotonic)

    @property
    def open(self) -> bool:
        """Whether to go on watching."""
        return self.idle_s is None or time.monotonic() - self._newest < self.idle_s

    def arrived(self) -> list[tuple[BatchCase, bool]]:
        """Scans that have become complete, and whether each was taken before and has changed since."""
        now = time.monotonic()
        if now - self._looked < min(1.0, self.settle_s):
            return []
        self._looked = now
        return [found for path in scans_in(self.folder) if (found := self._complete(path, now)) is not None]

    def _complete(self, path: Path, now: float) -> tuple[BatchCase, bool] | None:
        told = stamp(path)
        old, since = self._seen.get(path, ("", now))
        if told != old:
            self._seen[path], self._newest = (told, now), now
            return None
        if not told or now - since < self.settle_s or self._taken.get(path) == told:
            return None
        again = path in self._taken
        self._taken[path], self._newest = told, now
        return case_of(path, self.named_by_folder), again


def run_batch(
    cases: Sequence[BatchCase], folder: Path, rules: BatchRules, watcher: Watcher, inbox: Inbox | None = None
) -> tuple[CaseEnd, ...]:
    """Run all cases, and those that arrive in the inbox; how each ended, the worst first.

    Raises
    ------
    CaseLocked
        Another batch works in the folder.
    """
    with locked(folder):
        batch = _Batch(folder, rules, watcher)
        for case in cases:
            batch.submit(case, rules.overwrite)
        try:
            batch.work(inbox)
        finally:
            batch.pool.stop()
            batch.summarise()
        return batch.ranked()


class _Batch:
    """One pass over many cases."""

    def __init__(self, folder: Path, rules: BatchRules, watcher: Watcher) -> None:
        self.folder, self.rules, self.watcher = folder, rules, watcher
        self.pool = Pool(rules.limits)
        self.cases: dict[str, BatchCase] = {}
        self.ends: dict[str, CaseEnd] = {}
        self._summarised = time.monotonic()

    def submit(self, case: BatchCase, overwrite: bool) -> None:
        self.cases[case.name] = case
        words = run_words(case, self.folder / case.folder_name, self.rules, overwrite)
        log = self.folder / LOGS / f"{case.folder_name}.log"
        self.pool.submit(Job(case.name, words, log, run_bytes(case.source)))

    def work(self, inbox: Inbox | None) -> None:
        while self.pool.busy or (inbox is not None and inbox.open):
            for case, again in inbox.arrived() if inbox else ():
                self.submit(case, self.rules.overwrite or again)
            for end in self.pool.step():
                told = case_end(end, self.cases[end.job.name])
                self.ends[told.name] = told
                self.watcher.ended(told)
                if time.monotonic() - self._summarised > SUMMARY_S:
                    self.summarise()
            self.watcher.tick(self.pool, tuple(self.ends.values()))
            time.sleep(TURN_S)

    def ranked(self) -> tuple[CaseEnd, ...]:
        return tuple(sorted(self.ends.values(), key=lambda end: end.rank))

    def summarise(self) -> None:
        from surgplan.case.batch_summary import write_summary

        write_summary(self.folder, self.ranked())
        sources = {name: str(case.source.resolve()) for name, case in sorted(self.cases.items())}
        write_text(self.folder / PRIVATE / "sources.json", json.dumps(sources, indent=1, ensure_ascii=False) + "\n")
        self._summarised = time.monotonic()


def run_words(case: BatchCase, folder: Path, rules: BatchRules, overwrite: bool) -> tuple[str, ...]:
    """The command line that makes one case."""
    words = [sys.executable, "-m", "surgplan", "run", str(case.source), "-o", str(folder), "--json", "-v"]
    words += ["--name", case.name]
    recipe = case.recipe or rules.recipe
    words += ["-r", recipe] if recipe else []
    for setting in (*rules.settings, *case.settings):
        words += ["--set", setting]
    return tuple(words + (["--overwrite"] if overwrite else []))


def case_end(end: JobEnd, case: BatchCase) -> CaseEnd:
    """What a case's process told about itself, or what is known when it could not tell."""
    told = _document(end.out)
    error = told.get("error", {})
    verdict = told.get("verdict")
    state = verdict if verdict in STATES and not end.why else FAILED
    message = end.why or _message(error) or ("" if state != FAILED else _killed(end.code))
    findings = [each for each in told.get("findings", []) if each.get("level") != "note"]
    return CaseEnd(
        name=case.name,
        folder=case.folder_name,
        state=state,
        exit_code=end.code,
        message=without_scan(message, case.source),
        ran=tuple(told.get("ran", ())),
        seconds=round(end.seconds, 2),
        peak_mb=round(end.peak_bytes / 1e6),
        tries=end.tries,
        warnings=tuple(without_scan(f"{each['check']}: {each['measured']}", case.source) for each in findings),
        volumes_ml={each["name"]: round(each["volume_mm3"] / 1000, 3) for each in told.get("structures", [])},
    )


def _document(out: str) -> dict[str, Any]:
    try:
        found = json.loads(out)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(error: dict[str, Any]) -> str:
    if not error:
        return ""
    expected = f", expected {error['expected']}" if error.get("expected") else ""
    return f"{error['subject']}: {error['found']}{expected}. {error.get('advice', '')}".strip()


def _killed(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code} and told nothing; see its log"
