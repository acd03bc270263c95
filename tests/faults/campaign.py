"""What a lab's computers do to a case: killed processes, failing disks, flipped bits, two runs at once.

Each function does it once, or so many times as asked, and says what went wrong; nothing when all is well. The tests run
a few of each, `make faults` all of them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.program import files_below, program_words, surgplan

DIFFERS = ("manifest.json", ".surgplan/source")
"""Files whose bytes hold times, or the path of the case."""
FATES: dict[str, tuple[str, ...]] = {
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
    "write": ("ENOSPC", "EDQUOT"),
}
"""System calls that write, and the errors that a full or broken disk gives them (fsync(2), rename(2), write(2))."""


@dataclass(frozen=True)
class Bench:
    """A scan, and what an undisturbed run makes of it."""

    scan: Path
    truth: dict[str, bytes]
    seconds: float

    @classmethod
    def made(cls, folder: Path) -> Bench:
        """Make the small femur, and run it once."""
        assert surgplan("example", "femur", "--size", "small", "-o", folder / "example").code == 0
        scan = folder / "example" / "dicom"
        began = time.monotonic()
        ended = surgplan(*words(scan, folder / "truth"))
        assert ended.code == 0, ended.err
        seconds = time.monotonic() - began
        return cls(scan, finals(folder / "truth"), seconds)


def words(scan: Path, case: Path, *more: object) -> list[object]:
    """The command line that makes the case; pictures are left out, since they take most of the time."""
    fixed = ["run", scan, "-r", "example-femur", "-o", case, "--name", "femur", "--set", "report.pictures=false", "-q"]
    return [*fixed, *more]


def finals(case: Path) -> dict[str, bytes]:
    """The files under their final names, without those whose bytes hold times."""
    return {name: data for name, data in files_below(case).items() if name not in DIFFERS and ".part" not in name}


def unsound(case: Path, truth: dict[str, bytes]) -> list[str]:
    """What a run that ended badly left under a final name and should not have; a page that says so it may leave."""
    found = finals(case)
    if b"Failed in the stage" in found.get("report/index.html", b""):
        del found["report/index.html"]
    wrong = [f"{name} is not whole" for name, data in found.items() if truth.get(name) != data]
    if (code := surgplan("verify", case).code) not in (0, 5):
        wrong.append(f"verify ends with {code}")
    return wrong


def not_resumed(bench: Bench, case: Path) -> list[str]:
    """What differs from an undisturbed run after the case was resumed."""
    ended = surgplan(*words(bench.scan, case))
    if ended.code:
        return [f"resuming ends with {ended.code}: {ended.err.strip()}"]
    found = finals(case)
    wrong = [f"{name} differs" for name in sorted({*found, *bench.truth}) if found.get(name) != bench.truth.get(name)]
    return wrong + [f"{path.name} was left behind" for path in case.rglob("*.part*")]


def killed(bench: Bench, case: Path, delay: float) -> list[str]:
    """Kill a run after `delay` seconds without a word, then resume it."""
    process = subprocess.Popen(
        program_words(*words(bench.scan, case)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not case.exists():
        return []
    return unsound(case, bench.truth) + not_resumed(bench, case)


def kills(bench: Bench, folder: Path, count: int, seed: int) -> Iterator[list[str]]:
    """Kill so many runs, at moments spread over the whole run."""
    rng = random.Random(seed)
    for number in range(count):
        case = folder / f"killed-{number}"
        delay = rng.uniform(0, bench.seconds)
        yield [f"after {delay:.3f} s: {each}" for each in killed(bench, case, delay)]
        shutil.rmtree(case, ignore_errors=True)


def calls_of(bench: Bench, folder: Path, call: str) -> int:
    """How often an undisturbed run makes a system call."""
    trace = folder / "trace"
    case = folder / "traced"
    subprocess.run(
        ["strace", "-f", "-qq", "-o", trace, "-e", f"trace={call}", *program_words(*words(bench.scan, case))],
        check=True,
        capture_output=True,
    )
    shutil.rmtree(case)
    return len([line for line in trace.read_text("utf-8", "replace").splitlines() if f"{call}(" in line])


def failed_call(bench: Bench, case: Path, call: str, error: str, number: int) -> list[str]:
    """Let the n-th call of a run fail; the run must tell, leave nothing half, and be resumable."""
    inject = f"inject={call}:error={error}:when={number}"
    tool = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = subprocess.run(
        [*tool, *program_words(*words(bench.scan, case))], capture_output=True, text=True, check=False, timeout=300
    )
    wrong = []
    if done.returncode == 0 and finals(case) != bench.truth:
        wrong.append("success was told, and the files are not those of an undisturbed run")
    if done.returncode not in (0, 7) or "Traceback" in done.stderr:
        wrong.append(f"ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    wrong += unsound(case, bench.truth) if case.exists() else []
    return [f"{call} {number} gives {error}: {each}" for each in (*wrong, *not_resumed(bench, case))]


def flips(bench: Bench, case: Path) -> Iterator[list[str]]:
    """Flip one bit in each file that the manifest names: `verify` must name just that file."""
    import json

    assert surgplan(*words(bench.scan, case)).code == 0
    for name in sorted(bench.truth):
        if name in ("case.toml",):
            continue
        path = case / name
        whole = path.read_bytes()
        broken = bytearray(whole)
        broken[random.Random(name).randrange(len(broken))] ^= 1 << random.Random(name).randrange(8)
        path.write_bytes(broken)
        ended = surgplan("verify", case, "--json")
        path.write_bytes(whole)
        named = [each["subject"] for each in json.loads(ended.out)["findings"]]
        yield [] if (ended.code, named) == (4, [name]) else [f"{name}: verify ends with {ended.code} and names {named}"]


def interrupted(scan: Path, recipe: str, case: Path, delay: float) -> tuple[float, list[str]]:
    """Ask a run to end after `delay` seconds: how long it takes, and what is wrong after it; the case is removed."""
    process = subprocess.Popen(
        program_words("run", scan, "-r", recipe, "-o", case, "-q"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(delay)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    seconds = time.monotonic() - began
    wrong = [] if process.returncode in (0, 130) else [f"ended with {process.returncode}: {err.strip()[-300:]}"]
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        pass
    else:
        wrong.append("left processes behind")
        os.killpg(process.pid, signal.SIGKILL)
    wrong += [f"{path.name} was left behind" for path in case.rglob("*.part*")]
    shutil.rmtree(case, ignore_errors=True)
    return seconds, [f"after {delay:.3f} s: {each}" for each in wrong]


def race(bench: Bench, case: Path, runners: int, settings: Sequence[str], told_s: list[float]) -> list[str]:
    """Several runs of one case at once: one wins, the others are told so soon, and the case is whole.

    After how many seconds each loser ended is put into `told_s`.
    """
    began = time.monotonic()
    processes = [
        subprocess.Popen(
            program_words(
                *words(bench.scan, case, "--set", f"surface.tolerance_mm={settings[number % len(settings)]}")
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(runners)
    ]
    wrong = []
    ended: dict[int, float] = {}
    while len(ended) < runners:
        for number, process in enumerate(processes):
            if number not in ended and process.poll() is not None:
                ended[number] = time.monotonic() - began
        time.sleep(0.01)
    codes = [process.returncode for process in processes]
    told_s += [ended[number] for number in ended if codes[number] == 9]
    for number, process in enumerate(processes):
        _, err = process.communicate()
        if codes[number] not in (0, 9):
            wrong.append(f"one of {runners} ended with {codes[number]}: {err.strip()[-300:]}")
    if 0 not in codes:
        wrong.append(f"nobody won: {codes}")
    if (code := surgplan("verify", case).code) != 0:
        wrong.append(f"verify ends with {code}")
    return wrong
