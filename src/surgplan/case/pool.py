"""Runs programs side by side, each in a process group of its own, within limits of number, memory and time.

One job that crashes, hangs or takes all memory ends alone: its group is killed, and the others go on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GRACE_S = 2.0
"""How long a process that was told to end may take before it is killed."""
LOOK_S = 0.5
"""How often the memory of running jobs is looked at."""
LAST_LINES = 4096
"""Bytes at the end of a log that are looked at for its last line."""


@dataclass(frozen=True)
class Job:
    """One program to run: what it is called, its words, where its stderr goes, and the memory that it should need."""

    name: str
    words: tuple[str, ...]
    log: Path
    needs_bytes: int = 0


@dataclass(frozen=True)
class Limits:
    """How many jobs at once, how much memory all of them and each of them may take, and for how long each may run.

    A job that was killed from outside, or that ended with a code of `retry`, is tried again `retries` times.
    """

    jobs: int
    memory_bytes: int
    job_bytes: int | None = None
    job_seconds: float | None = None
    retries: int = 0
    retry: frozenset[int] = frozenset()


@dataclass(frozen=True)
class JobEnd:
    """How a job ended. `why` is "" when it ended by itself; a negative `code` is the signal that ended it."""

    job: Job
    code: int
    out: str
    why: str
    seconds: float
    peak_bytes: int
    tries: int


@dataclass
class Running:
    """A job that runs now."""

    job: Job
    process: subprocess.Popen[bytes]
    out: IO[bytes]
    began: float
    tries: int
    why: str = ""
    peak_bytes: int = 0
    told_at: float | None = None

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def last_line(self) -> str:
        """The newest line of its log, for a person who watches."""
        try:
            with self.job.log.open("rb") as file:
                file.seek(max(0, self.job.log.stat().st_size - LAST_LINES))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@dataclass
class Pool:
    """Jobs that wait, and jobs that run; `step` moves all of it on and never waits."""

    limits: Limits
    waiting: deque[tuple[Job, int]] = field(default_factory=deque)
    running: list[Running] = field(default_factory=list)
    _looked: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self.waiting or self.running)

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        self.waiting.append((job, 1))

    def step(self) -> list[JobEnd]:
        """End what has ended or passed a limit, start what fits; what ended for good."""
        self._look()
        ended = [end for each in list(self.running) if (end := self._reaped(each)) is not None]
        self._start()
        return ended

    def stop(self) -> None:
        """End all running jobs within `GRACE_S`, and forget those that wait."""
        self.waiting.clear()
        for each in self.running:
            _signal(each, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while self.running and time.monotonic() < until:
            self.running = [each for each in self.running if each.process.poll() is None]
            time.sleep(0.02)
        for each in self.running:
            _signal(each, signal.SIGKILL)
            each.process.wait()
        self.running = []

    def _start(self) -> None:
        """Start the jobs at the head of the queue; one that needs more than all memory runs when it is alone."""
        while self.waiting and len(self.running) < self.limits.jobs:
            job, tries = self.waiting[0]
            taken = sum(max(each.job.needs_bytes, each.peak_bytes) for each in self.running)
            if self.running and taken + job.needs_bytes > self.limits.memory_bytes:
                return
            self.waiting.popleft()
            self.running.append(_started(job, tries))

    def _look(self) -> None:
        """Measure the memory of all jobs now and then; tell those to end that passed a limit."""
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            resident = _resident_of_groups()
            for each in self.running:
                each.peak_bytes = max(each.peak_bytes, resident.get(each.process.pid, 0))
        for each in self.running:
            if not each.why:
                each.why = self._passed(each)
                if each.why:
                    _signal(each, signal.SIGTERM)
                    each.told_at = now
            elif each.told_at is not None and now - each.told_at > GRACE_S:
                _signal(each, signal.SIGKILL)

    def _passed(self, each: Running) -> str:
        limit = self.limits
        if limit.job_seconds is not None and each.seconds > limit.job_seconds:
            return f"took more than {limit.job_seconds:g} s"
        if limit.job_bytes is not None and each.peak_bytes > limit.job_bytes:
            return f"took more than {limit.job_bytes / 1e9:.1f} GB of memory"
        return ""

    def _reaped(self, each: Running) -> JobEnd | None:
        code = each.process.poll()
        if code is None:
            return None
        self.running.remove(each)
        _signal(each, signal.SIGKILL)  # what it left behind in its group
        each.out.seek(0)
        out = each.out.read().decode("utf-8", "replace")
        each.out.close()
        again = not each.why and (code < 0 or code in self.limits.retry)
        if again and each.tries <= self.limits.retries:
            self.waiting.append((each.job, each.tries + 1))
            return None
        return JobEnd(each.job, code, out, each.why, each.seconds, each.peak_bytes, each.tries)


def _started(job: Job, tries: int) -> Running:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    out = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the job is reaped)
    with job.log.open("ab" if tries > 1 else "wb") as log:
        process = subprocess.Popen(
            job.words, stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True, preexec_fn=_die_with_us
        )
    return Running(job, process, out, time.monotonic(), tries)


def _die_with_us() -> None:
    """In the child: be told to end when the parent dies, however it dies (Linux, prctl(2) PR_SET_PDEATHSIG)."""
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _signal(each: Running, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(each.process.pid, number)


def _resident_of_groups() -> dict[int, int]:
    """Resident bytes of each process group, from /proc; empty where there is none."""
    page = os.sysconf("SC_PAGE_SIZE")
    found: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # the name in brackets may hold anything, so fields count from the last bracket (proc(5))
            fields = entry.read_text("utf-8", "replace").rpartition(")")[2].split()
            group = int(fields[2])
            found[group] = found.get(group, 0) + int(fields[21]) * page
    return found
