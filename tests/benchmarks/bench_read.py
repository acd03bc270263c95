"""From a DICOM series to a checked volume: against pydicom with numpy and no checks, and compressed, on all cores.

`python -m tests.benchmarks.bench_read NAME SERIES` measures one reader in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.case_large import BUILD, Scan
from tests.benchmarks.kernels import frombuffer, read

ROOT = Path(__file__).parents[2]
TIMES = 3
COMPRESSED = 64
"""Slices of the compressed series: encoding them takes longer than all else here."""
YARDSTICK, OWN = "pydicom + numpy, no checks", "surgplan, with the input gate"


def gated(series: Path, case: Path, recipe: str) -> Callable[[], Any]:
    """From the DICOM series to a volume that the input gate has examined, too."""
    from surgplan.case.sources import load_source
    from surgplan.ingest.examine import examine
    from surgplan.ingest.stage import IngestParams

    def work() -> Any:
        params = IngestParams()
        made = load_source(series, params)
        examine(made.volume, params.limits, params.aim, made.contrast)
        return made

    return work


READERS = {YARDSTICK: frombuffer, "surgplan, geometry checked": read, OWN: gated}


def measured(name: str, series: Path) -> dict[str, Any]:
    """The least of three times; the peak is that of the first one, above the process with its libraries loaded."""
    import numpy
    import pydicom  # noqa: F401

    import surgplan.case.sources
    import surgplan.ingest.stage  # noqa: F401

    work = READERS[name](series, series, "")
    before, peak, wall, cpu, size = _peak_mb(), 0.0, [], [], 0
    for turn in range(TIMES):
        began, used = time.perf_counter(), _cpu_s()
        made = work()
        wall.append(time.perf_counter() - began)
        cpu.append(_cpu_s() - used)
        size = made.nbytes if isinstance(made, numpy.ndarray) else made.volume.array.nbytes
        del made
        if turn == 0:
            peak = _peak_mb() - before
    figures = {"wall_s": min(wall), "cpu_s": min(cpu), "peak_mb": peak, "volumes": peak * 1024**2 / size}
    return {figure: round(value, 3) for figure, value in figures.items()}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def child(name: str, series: Path, cores: set[int] | None = None) -> dict[str, Any]:
    """One measurement in a new process, on some of the cores."""
    words = [sys.executable, "-m", "tests.benchmarks.bench_read", name, str(series)]
    usual = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores or usual)  # which the new process inherits
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    finally:
        os.sched_setaffinity(0, usual)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def compressed(series: Path) -> Path:
    """The first slices of the series in JPEG 2000, made once and kept."""
    import pydicom
    from pydicom.uid import JPEG2000Lossless

    folder = BUILD / "compressed"
    if not folder.is_dir() or len(list(folder.iterdir())) != COMPRESSED:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(series.iterdir())[:COMPRESSED]:
            data = pydicom.dcmread(path)
            data.compress(JPEG2000Lossless, generate_instance_uid=False)
            data.save_as(folder / path.name)
    return folder


def bench(scan: Scan, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Both readers in turns; the compressed series on one core and on all."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in READERS}
    for turn in range(times):
        for name in READERS:
            found[name].append(child(name, scan.series))
            say(f"read, {name}, {turn + 1} of {times}: {found[name][-1]}")
    results = {name: _medians(runs) for name, runs in found.items()}
    own, other = results[OWN], results[YARDSTICK]
    packed, cores = compressed(scan.series), os.sched_getaffinity(0)
    one = _medians([child("surgplan, geometry checked", packed, {min(cores)}) for _ in range(times)])
    several = _medians([child("surgplan, geometry checked", packed, cores) for _ in range(times)])
    say(f"{COMPRESSED} compressed slices: {one} on one core, {several} on {len(cores)}")
    return {
        "slices": sum(1 for path in scan.series.iterdir() if path.is_file()),
        "results": results,
        "ratio": {figure: round(own[figure] / other[figure], 2) for figure in ("wall_s", "cpu_s")},
        "compressed": {"slices": COMPRESSED, "cores": len(cores), "one": one, "all": several},
    }


def _medians(runs: list[dict[str, Any]]) -> Mapping[str, float]:
    return {figure: round(statistics.median(run[figure] for run in runs), 3) for figure in runs[0]}


if __name__ == "__main__":
    json.dump(measured(sys.argv[1], Path(sys.argv[2])), sys.stdout)
