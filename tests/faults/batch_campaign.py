"""A batch with bad cases in it whose workers are killed now and then."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.faults.campaign import Bench, finals
from tests.program import program_words

RECIPE = ("-r", "example-femur", "--set", "report.pictures=false", "--retries", "5")


def bad_batch(bench: Bench, folder: Path, given: argparse.Namespace) -> Iterator[list[str]]:
    """One result for each case: a good one has the right bytes, a bad one an explanation."""
    scans, cases = folder / "scans", folder / "cases"
    rng = random.Random(given.seed)
    bad = set(rng.sample(range(given.batch), given.batch // 5))
    rows = ["case,source"]
    for number in range(given.batch):
        # good ones all are one scan, under the name that the truth has: their bytes must be the same
        source = bench.scan if number not in bad else _broken(bench, scans / str(number), rng)
        rows.append(f"case {number},{source}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")
    process = subprocess.Popen(
        program_words("batch", "--list", folder / "list.csv", "-o", cases, *RECIPE, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _kill_now_and_then(process, cases, rng)
    out, _ = process.communicate()
    told = {case["name"]: case for case in json.loads(out)["batch"]["cases"]}
    for number in range(given.batch):
        yield [f"case {number}: {wrong}" for wrong in _judged(bench, cases, told.get(f"case {number}"), number in bad)]


def _broken(bench: Bench, folder: Path, rng: random.Random) -> Path:
    shutil.copytree(bench.scan, folder)
    files = sorted(folder.iterdir())
    kind = rng.randrange(3)
    if kind == 0:
        files[rng.randrange(1, len(files) - 1)].unlink()
    elif kind == 1:
        victim = rng.choice(files)
        victim.write_bytes(victim.read_bytes()[: rng.randrange(0, 30_000)])
    else:
        for path in files:
            path.unlink()
    return folder


def _kill_now_and_then(process: subprocess.Popen[str], cases: Path, rng: random.Random) -> None:
    """Kill a worker about every fifteen seconds, as an out-of-memory killer would."""
    while process.poll() is None:
        time.sleep(rng.uniform(5, 25))
        running = [path for path in cases.glob("*/.surgplan/lock") if not (path.parents[1] / "report").exists()]
        if running:
            with suppress(OSError, ValueError, IndexError):
                os.kill(int(rng.choice(running).read_text().split()[1]), signal.SIGKILL)


def _judged(bench: Bench, cases: Path, told: dict[str, object] | None, is_bad: bool) -> list[str]:
    if told is None:
        return ["is not in the summary"]
    if is_bad:
        explained = told["state"] == "failed" and told["exit_code"] == 3 and bool(told["message"])
        return [] if explained else [f"is bad, and was told to be {told['state']}: {told['message']}"]
    if told["state"] in ("failed", "rejected"):
        return [f"is good, and {told['state']}: {told['message']}"]
    found = finals(cases / str(told["folder"]))
    # the case's name is in its file, its models' names and its report
    same = ("volume.nrrd", "labels.seg.nrrd", "surfaces/femur.ply", "print/femur.stl", "navigation/plan.json")
    return [f"{name} differs" for name in same if found.get(name) != bench.truth[name]]
