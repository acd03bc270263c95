"""The single stages, each in a process of its own: `python -m tests.benchmarks.kernels NAME SERIES CASE RECIPE`.

Prints one JSON document: seconds (median of three), peak memory above the idle process, and the volume's size.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TIMES = 3


def frombuffer(series: Path, case: Path, recipe: str) -> Callable[[], Any]:
    """The yardstick for reading: pydicom's headers, then numpy.frombuffer, with no check at all."""
    import numpy as np
    import pydicom

    def work() -> Any:
        read = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
        read.sort(key=lambda slice_: float(slice_.ImagePositionPatient[2]))
        shape = (len(read), read[0].Rows, read[0].Columns)
        volume = np.empty(shape, dtype=np.int16)
        for k, slice_ in enumerate(read):
            volume[k] = np.frombuffer(slice_.PixelData, dtype=np.int16).reshape(shape[1:])
        return volume

    return work


def read(series: Path, case: Path, recipe: str) -> Callable[[], Any]:
    """From the DICOM series to a checked volume."""
    from surgplan.case.sources import load_source
    from surgplan.ingest.stage import IngestParams

    return lambda: load_source(series, IngestParams())


def segment(series: Path, case: Path, recipe: str) -> Callable[[], Any]:
    """The recipe's structures on the case's volume."""
    from surgplan.case.recipe import find_recipe, load_recipe, recipe_tables
    from surgplan.formats.images import read_volume
    from surgplan.segment.stage import segment as stage

    params = load_recipe(recipe_tables(find_recipe(recipe)), recipe).segment
    volume = read_volume(case / "volume.nrrd")
    return lambda: stage(volume, params)


def surface(series: Path, case: Path, recipe: str) -> Callable[[], Any]:
    """The surfaces of the case's labels, simplified as in the whole run."""
    from surgplan.formats.images import read_volume
    from surgplan.formats.segmentations import read_labels
    from surgplan.surface.stage import SurfaceParams, make_surfaces
    from tests.benchmarks.case_large import TRIANGLES

    volume, labels = read_volume(case / "volume.nrrd"), read_labels(case / "labels.seg.nrrd")
    return lambda: make_surfaces(volume, labels, SurfaceParams(max_triangles=TRIANGLES))


KERNELS = {"read, no checks (pydicom + numpy)": frombuffer, "read": read, "segment": segment, "surface": surface}


def measured(name: str, series: Path, case: Path, recipe: str) -> dict[str, Any]:
    """One kernel; the peak is that of the first time, above what the process holds before (its input included)."""
    work = KERNELS[name](series, case, recipe)
    before, seconds, peak = _peak_mb(), [], 0.0
    for turn in range(TIMES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
        if turn == 0:
            peak = _peak_mb() - before
    volume_mb = (case / "volume.nrrd").stat().st_size / 1024**2
    return {
        "seconds": round(statistics.median(seconds), 3),
        "peak_mb_above_input": round(peak),
        "volume_mb": round(volume_mb),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(series: Path, case: Path, recipe: str, say: Callable[[str], None]) -> dict[str, Any]:
    """All kernels, each in a new process."""
    import subprocess

    told: dict[str, Any] = {}
    for name in KERNELS:
        words = [sys.executable, "-m", "tests.benchmarks.kernels", name, str(series), str(case), recipe]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        told[name] = json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip()[-200:]}
        say(f"{name}: {told[name]}")
    return told


if __name__ == "__main__":
    kernel, where, made, by = sys.argv[1:]
    json.dump(measured(kernel, Path(where), Path(made), by), sys.stdout)
