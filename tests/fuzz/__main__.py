"""`python -m tests.fuzz`: let the program read broken files, and report whatever it does not refuse as it should."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.catalogue import MAKERS, MESHES, ROOT, data_folder, plan
from tests.fuzz.hunt import Tally, hunt, name_of, replayed, save
from tests.fuzz.target import words

SAVED = ROOT / "build" / "fuzz"


def main() -> int:
    """Hunt, or replay one mutant; 1 when a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="mutants in all [default: 2000]")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other mutants [default: 1]")
    kinds = f"of {', '.join(MAKERS)}, or `meshes` [default: all]"
    parser.add_argument("--kinds", default="", metavar="KIND,…", help=kinds)
    parser.add_argument(
        "--outside", type=int, default=50, metavar="N", help="each Nth by the command line [default: 50]"
    )
    parser.add_argument(
        "--output", type=Path, default=SAVED, help="where failing mutants are kept [default: build/fuzz]"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read one saved mutant.json again")
    given = parser.parse_args()
    if given.replay:
        return _replay(given.replay)
    wanted = tuple(given.kinds.replace("meshes", ",".join(MESHES)).split(",")) if given.kinds else tuple(MAKERS)
    if unknown := set(wanted) - set(MAKERS):
        parser.error(f"no kind is called {', '.join(sorted(unknown))}")
    if data_folder() is None:
        print("fuzz: no real files: set SURGPLAN_TEST_DATA; generated ones alone are mutated", file=sys.stderr)
    requests: list[dict[str, Any]] = [
        {"kind": kind, "seed": given.seed, "number": number} for kind, number in plan(given.count, wanted)
    ]
    again = [each for each in requests if words(each["kind"], ROOT, ROOT, 0)]  # what some command takes alone
    requests += [{**each, "outside": True} for each in again[:: max(given.outside, 1)]]
    began = time.monotonic()

    def found(request: dict[str, Any], answer: dict[str, Any]) -> None:
        record = save(given.output, request, answer)
        fault, told = answer["faults"][0]
        print(f"{fault}: {name_of(request)} ({answer['original']}: {answer['story'][:160]!r})\n  {told}\n  {record}")
        sys.stdout.flush()

    def say(tally: Tally) -> None:
        told = (
            f"{tally.read} of {len(requests)} in {time.monotonic() - began:.0f} s, {sum(tally.faults.values())} faults"
        )
        print(told, file=sys.stderr, flush=True)

    tally = hunt(requests, found, say)
    print(_summary(tally, time.monotonic() - began))
    return 1 if tally.faults else 0


def _replay(record: Path) -> int:
    def found(request: dict[str, Any], answer: dict[str, Any]) -> None:
        for fault, told in answer["faults"]:
            print(f"{fault}: {name_of(request)} ({answer['original']}: {answer['story']!r})\n  {told}")

    tally = hunt([replayed(record)], found)
    print(_summary(tally, 0.0))
    return 1 if tally.faults else 0


def _summary(tally: Tally, seconds: float) -> str:
    faults = ", ".join(f"{count} × {fault}" for fault, count in tally.faults.most_common()) or "none"
    codes = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
    return (
        f"{tally.read} mutants in {seconds:.0f} s; exit codes {codes}; faults: {faults}; "
        f"slowest {tally.slowest[0]:.2f} s ({tally.slowest[1]}), "
        f"largest {tally.largest[0] / (1 << 20):.0f} MiB ({tally.largest[1]})"
    )


if __name__ == "__main__":
    sys.exit(main())
