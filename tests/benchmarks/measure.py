"""One command as a whole process: wall time, processor time, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLING_S = 0.02


class BenchmarkFailed(Exception):
    """A command that is to be measured did not do its work."""


@dataclass(frozen=True)
class Run:
    """What one run of a command took; processor time and memory count its child processes too."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str | os.PathLike[str]], log: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end, its output in `log`.

    The peak is `ru_maxrss` of wait4(2): the largest resident set of the process or of one of its children. On Linux a
    child starts with its parent's mark, so this process must stay small: it imports nothing heavy.

    Raises
    ------
    BenchmarkFailed
        It ended with another code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen([os.fspath(word) for word in command], stdout=output, stderr=output, env=env)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise BenchmarkFailed(f"{' '.join(map(str, command))} ended with {process.returncode}: {' / '.join(last)}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def watched(command: Sequence[str | os.PathLike[str]], folder: Path) -> tuple[str, float]:
    """What a command prints, and the most memory, MB of 10⁶ bytes, that it and its children held at the same time.

    Resident sets are added up 50 times a second; what two processes share counts twice. A child that has not yet begun
    its own program shares all memory with its parent, and is left out.

    Raises
    ------
    BenchmarkFailed
        It ended with another code than 0.
    """
    words = [os.fspath(word) for word in command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdout=output, cwd=folder)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _resident(process.pid))
            time.sleep(SAMPLING_S)
        output.seek(0)
        told = output.read().decode()
    if process.returncode:
        raise BenchmarkFailed(f"{' '.join(words)} ended with {process.returncode}")
    return told, peak / 1e6


def _resident(pid: int) -> int:
    """Bytes of a process and all its children."""
    root = Path("/proc", str(pid))
    try:
        own = int((root / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        program = (root / "cmdline").read_bytes()
        lists = [(task / "children").read_text().split() for task in (root / "task").iterdir()]
        children = [child for each in lists for child in each]
        begun = [child for child in children if Path("/proc", child, "cmdline").read_bytes() != program]
    except OSError:  # it has just ended
        return 0
    return own + sum(_resident(int(child)) for child in begun)


def in_turns(commands: Mapping[str, Callable[[], Run]], times: int, say: Callable[[str], None]) -> dict[str, list[Run]]:
    """Run the commands one after the other, `times` rounds, so that what else the machine does meets all of them."""
    results: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(times):
        for name, command in commands.items():
            result = command()
            results[name].append(result)
            say(f"{name}, {turn + 1} of {times}: {result.wall_s:.2f} s, {result.peak_mb:.0f} MB")
    return results


def summary(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Median, least and most of each figure."""
    told = {}
    for figure in asdict(runs[0]):
        values = [getattr(one, figure) for one in runs]
        told[figure] = {
            "median": round(statistics.median(values), 3),
            "min": round(min(values), 3),
            "max": round(max(values), 3),
        }
    return told
