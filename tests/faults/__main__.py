"""The whole campaign of faults: `python -m tests.faults`; writes docs/reliability.json and docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import facts
from tests.faults.batch_campaign import bad_batch
from tests.faults.campaign import FATES, Bench, calls_of, failed_call, flips, kills, race

DOCS = Path(__file__).parents[2] / "docs"


def counted(name: str, tried: Iterable[list[str]]) -> dict[str, Any]:
    """Run one kind of fault, telling each failure at once."""
    began, count, wrong = time.monotonic(), 0, []
    for found in tried:
        count += 1
        for each in found:
            print(f"{name}: {each}", file=sys.stderr, flush=True)
        wrong += found
        if count % 25 == 0:
            print(f"{name}: {count} tried, {len(wrong)} wrong", file=sys.stderr, flush=True)
    return {"what": name, "tried": count, "wrong": wrong, "seconds": round(time.monotonic() - began)}


def campaign(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    bench = Bench.made(folder)
    rng = random.Random(given.seed)
    told = [
        counted("killed with SIGKILL at a random moment, then resumed", kills(bench, folder, given.kills, given.seed))
    ]
    for call, errors in FATES.items():
        numbers = range(1, calls_of(bench, folder, call) + 1)

        def each(call: str = call, errors: tuple[str, ...] = errors, numbers: range = numbers) -> Iterable[list[str]]:
            for number in numbers[:: given.every]:
                for error in errors:
                    case = folder / "failed"
                    yield failed_call(bench, case, call, error, number)
                    shutil.rmtree(case, ignore_errors=True)

        every = "every" if given.every == 1 else f"every {given.every}th"
        told.append(counted(f"{every} {call} fails with {' or '.join(errors)}, then resumed", each()))
    told.append(counted("one bit flipped in a file: verify names that file", flips(bench, folder / "flipped")))

    def rounds() -> Iterable[list[str]]:
        case = folder / "raced"
        for _ in range(given.rounds):
            yield race(bench, case, rng.randint(2, 8), ["0.15", "0.2", "0.25"])

    told.append(counted("2 to 8 runs of one case at once", rounds()))
    told.append(
        counted(f"batch of {given.batch} cases, a fifth of them bad, workers killed", bad_batch(bench, folder, given))
    )
    return told


def page(told: dict[str, Any]) -> str:
    rows = [f"| {each['what']} | {each['tried']} | {len(each['wrong'])} |" for each in told["faults"]]
    machine_rows = [f"| {key} | {value} |" for key, value in told["machine"].items()]
    return "\n".join(
        [
            "# Reliability",
            "",
            "Made by `make faults` from `docs/reliability.json`: do not edit. The case is the small femur example,",
            "without pictures. *Wrong* counts what broke a promise: a file under its final name that is not whole, a",
            "success that was told and was none, an exit code that does not tell, a case not resumed to the very same",
            "bytes as an undisturbed run. System calls are made to fail by strace, in all processes of a run.",
            "",
            "| fault | tried | wrong |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"Seed {told['seed']}.",
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
    parser.add_argument("--every", type=int, default=1, help="let only every n-th system call fail")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="surgplan-faults-") as folder:
        told = {"seed": given.seed, "machine": facts(), "faults": campaign(Path(folder), given)}
    (DOCS / "reliability.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (DOCS / "reliability.md").write_text(page(told), "utf-8")
    return int(any(each["wrong"] for each in told["faults"]))


if __name__ == "__main__":
    sys.exit(main())
