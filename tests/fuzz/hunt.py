"""Drives workers through a list of mutants, watches time, and saves what failed."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fuzz.catalogue import ROOT
from tests.fuzz.mutants import Mutant
from tests.fuzz.worker import requested

LIMIT_S = 10.0
"""Processor time that reading one mutant may take."""
BLOCKED_S = 60.0
"""Time by the clock after which a worker that does nothing is blocked."""
SAY_EVERY = 500
MUTANTS_FOR_A_WORKER = 2000
"""A fresh worker after so many: nothing that one mutant leaves behind is blamed on a later one for long."""


class Worker:
    """One process that reads mutants."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        memory = Path("/dev/shm")
        self.scratch = Path(tempfile.mkdtemp(prefix="surgplan-fuzz-", dir=memory if memory.is_dir() else None))
        self.limit_s = limit_s
        self.served = 0
        self.log = (self.scratch / "stderr").open("wb")
        command = [sys.executable, "-m", "tests.fuzz.worker", str(self.scratch / "work")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, cwd=ROOT, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and those that it started, and remove its scratch folder."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream:
                with suppress(OSError):
                    stream.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def alive(self) -> bool:
        """Whether it takes another request."""
        return self.process.poll() is None and self.served < MUTANTS_FOR_A_WORKER

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer; a crash or a hang is one too, and ends the worker."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.served += 1
        used = _processor_time(self.process.pid)
        began = time.monotonic()
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({**request, "limit_s": self.limit_s}).encode() + b"\n")
            self.process.stdin.flush()
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            spent, waited = _processor_time(self.process.pid) - used, time.monotonic() - began
            # the first request also pays for making the originals
            grace = 30.0 if self.served == 1 else 0.0
            if spent > self.limit_s + 2 + grace or waited > BLOCKED_S + grace:
                return self._ended(request, "hang", f"{spent:.1f} s of processor time in {waited:.1f} s, killed")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            tail = (self.scratch / "stderr").read_bytes()[-1500:].decode("utf-8", "replace")
            return self._ended(request, "crash", f"the process ended with {code}: {tail.strip()[-800:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self, request: dict[str, Any], fault: str, told: str) -> dict[str, Any]:
        mutant = requested(request)
        self.close()
        return {"faults": [[fault, told]], "code": None, "story": mutant.story, "original": mutant.original.name}


def _processor_time(pid: int) -> float:
    """Seconds of processor time of a process and its living children."""
    import psutil

    try:
        whole = psutil.Process(pid)
        return sum(sum(each.cpu_times()[:4]) for each in (whole, *whole.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


@dataclass
class Tally:
    """What a hunt found."""

    read: int = 0
    accepted: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")

    def add(self, name: str, answer: dict[str, Any]) -> None:
        """Count one answer."""
        self.read += 1
        self.accepted += answer["code"] == 0
        self.codes[str(answer["code"])] += 1
        self.faults.update(fault for fault, _ in answer["faults"])
        self.slowest = max(self.slowest, (answer.get("spent", 0.0), name))
        self.largest = max(self.largest, (answer.get("peak", 0), name))


def hunt(
    requests: list[dict[str, Any]],
    found: Callable[[dict[str, Any], dict[str, Any]], None],
    say: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Let workers read all the mutants, one after the other.

    `found` gets each request and answer with a fault, `say` what was found so far, now and then.
    """
    tally = Tally()
    for request, answer in answers(requests, LIMIT_S):
        tally.add(name_of(request), answer)
        if tally.read % SAY_EVERY == 0:
            say(tally)
        if answer["faults"]:
            found(request, answer)
    return tally


def answers(requests: list[dict[str, Any]], limit_s: float) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each request with its answer; a worker that ended is replaced."""
    worker = Worker(limit_s)
    try:
        for request in requests:
            if not worker.alive:
                worker.close()
                worker = Worker(limit_s)
            yield request, worker.ask(request)
    finally:
        worker.close()


def name_of(request: dict[str, Any]) -> str:
    """What a mutant is called: kind, seed and number."""
    return f"{request['kind']}-{request['seed']}-{request['number']}" + ("-outside" if request.get("outside") else "")


def save(folder: Path, request: dict[str, Any], answer: dict[str, Any]) -> Path:
    """Keep a mutant that failed, so that it can be replayed when mutations have changed; the path to replay."""
    mutant: Mutant = requested(request)
    place = folder / answer["faults"][0][0] / name_of(request)
    shutil.rmtree(place, ignore_errors=True)
    (place / "files").mkdir(parents=True)
    for name in mutant.files:
        content = mutant.files[name]
        path = place / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    told = {key: request[key] for key in ("kind", "seed", "number", "outside") if key in request}
    told |= {"original": mutant.original.name, "story": mutant.story, "must_fail": mutant.must_fail}
    told |= {"special": dict(mutant.special), "entry": mutant.entry, "files": list(mutant.files), "answer": answer}
    record = place / "mutant.json"
    record.write_text(json.dumps(told, indent=1) + "\n")
    return record


def replayed(record: Path) -> dict[str, Any]:
    """The request that reads a saved mutant again."""
    told = json.loads(record.read_text())
    told.pop("answer")
    return {**told, "saved": str(record.parent.resolve() / "files")}
