"""The whole campaign of faults: `python -m tests.faults`; writes docs/reliability.json and docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.machine import facts
from tests.faults.batch_campaign import bad_batch
from tests.faults.campaign import (
    FATES,
    Bench,
    calls_of,
    failed_call,
    flips,
    interrupted,
    kills,
    race,
)
from tests.program import surgplan

DOCS = Path(__file__).parents[2] / "docs"


def counted(name: str, tried: Iterable[list[str]], seed: int) -> dict[str, Any]:
    """Run one kind of fault, telling each failure at once."""
    began, count, wrong = time.monotonic(), 0, []
    for found in tried:
        count += 1
        for each in found:
            print(f"{name}: {each}", file=sys.stderr, flush=True)
        wrong += found
        if count % 25 == 0:
            print(f"{name}: {count} tried, {len(wrong)} wrong", file=sys.stderr, flush=True)
    seconds = round(time.monotonic() - began)
    return {"what": name, "tried": count, "wrong": wrong, "seconds": seconds, "seed": seed}


def run_kills(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    name = "killed with SIGKILL at a random moment, then resumed"
    yield counted(name, kills(bench, folder, given.kills, given.seed), given.seed)


def run_calls(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for call, errors in FATES.items():
        numbers = range(1, calls_of(bench, folder, call) + 1)

        def each(call: str = call, errors: tuple[str, ...] = errors, numbers: range = numbers) -> Iterable[list[str]]:
            for number in numbers[:: given.every]:
                for error in errors:
                    case = folder / "failed"
                    yield failed_call(bench, case, call, error, number)
                    shutil.rmtree(case, ignore_errors=True)

        every = "every" if given.every == 1 else f"every {given.every}th"
        yield counted(f"{every} {call} fails with {' or '.join(errors)}, then resumed", each(), given.seed)


def run_flips(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    yield counted("one bit flipped in a file: verify names that file", flips(bench, folder / "flipped"), given.seed)


def run_races(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    rng = random.Random(given.seed)
    told_s: list[float] = []

    def rounds() -> Iterable[list[str]]:
        for _ in range(given.rounds):
            yield race(bench, folder / "raced", rng.randint(2, 8), ["0.15", "0.2", "0.25"], told_s)

    result = counted("2 to 8 runs of one case at once", rounds(), given.seed)
    yield result | {"figure": f"{len(told_s)} losers, told within {max(told_s, default=0):.1f} s"}


def run_interrupts(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Of a full-size case, whose stages take long."""
    assert surgplan("example", "skull", "--size", "large", "-o", folder / "large").code == 0
    scan, rng, taken = folder / "large" / "dicom", random.Random(given.seed), list[float]()

    def each() -> Iterable[list[str]]:
        for _ in range(given.interrupts):
            seconds, wrong = interrupted(scan, "example-skull", folder / "ended", rng.uniform(0.3, 20))
            taken.append(seconds)
            yield wrong

    result = counted("asked to end (SIGTERM) in a full-size case", each(), given.seed)
    yield result | {"figure": f"ended within {max(taken, default=0):.1f} s, median {median(taken or [0]):.1f} s"}


def run_batch(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    name = f"batch of {given.batch} cases, a fifth of them bad, workers killed"
    yield counted(name, bad_batch(bench, folder, given), given.seed)


PARTS = {
    "kills": run_kills,
    "calls": run_calls,
    "flips": run_flips,
    "races": run_races,
    "interrupts": run_interrupts,
    "batch": run_batch,
}


def page(told: dict[str, Any]) -> str:
    rows = [
        f"| {each['what']} | {each['tried']} | {len(each['wrong'])} | {each.get('figure', '')} |"
        for part in PARTS
        for each in told["faults"].get(part, [])
    ]
    machine_rows = [f"| {key} | {value} |" for key, value in told["machine"].items()]
    return "\n".join(
        [
            "# Reliability",
            "",
            "Made by `make faults` from `docs/reliability.json`: do not edit. The case is the small femur example,",
            "without pictures. *Wrong* counts what broke a promise: a file under its final name that is not whole, a",
            "success that was told and was none, an exit code that does not tell, a case not resumed to the very same",
            "bytes as an undisturbed run. System calls are made to fail by strace, in all processes of a run. Times",
            "are those of a machine that may have done other things as well.",
            "",
            "| fault | tried | wrong |  |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "| machine |  |",
            "| --- | --- |",
            *machine_rows,
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--interrupts", type=int, default=40)
    parser.add_argument("--every", type=int, default=1, help="let only every n-th system call fail")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="the page keeps what else it has")
    given = parser.parse_args()
    store = DOCS / "reliability.json"
    told = json.loads(store.read_text("utf-8"))["faults"] if len(given.only) < len(PARTS) else {}
    with tempfile.TemporaryDirectory(prefix="surgplan-faults-") as folder:
        bench = Bench.made(Path(folder))
        for part in given.only:
            told[part] = list(PARTS[part](bench, Path(folder), given))
            document = {"machine": facts(), "faults": told}
            store.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
            store.with_suffix(".md").write_text(page(document), "utf-8")
    return int(any(each["wrong"] for part in given.only for each in told[part]))


if __name__ == "__main__":
    sys.exit(main())
