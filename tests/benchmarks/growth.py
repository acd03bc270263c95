"""How the surface stage's time and memory grow with the scan: `python -m tests.benchmarks.growth [SLICES ...]`.

A hollow bone through scans of 512 × 512 voxels and more and more slices: its surface grows as the scan does. Each size
in a process of its own. Prints the table of docs/scaling.md, and the exponent of the processor time.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SLICES = (128, 512, 2048, 4096)
ACROSS = 512
SPACING_MM = (0.5, 0.5, 0.6)
OUTER, INNER = 30.0, 20.0
"""Radii of the bone, in voxels."""
TILE = 64
"""After so many slices the noise comes again: making it would take longer than the surface."""


def measured(slices: int) -> dict[str, Any]:
    """Make the scan and its surface; processor time of the stage, and the peak of the process with all it holds."""
    import numpy as np

    from surgplan.model.labels import Label, LabelMap
    from surgplan.model.volume import Grid, Modality, Volume
    from surgplan.surface.stage import SurfaceParams, make_surfaces

    j, i = np.ogrid[:ACROSS, :ACROSS]
    away = np.hypot(i - 250.3, j - 260.7)
    plain = 40 + 1000 * np.clip(np.minimum(OUTER - away, away - INNER) + 0.5, 0, 1)
    noise = np.random.default_rng(1).normal(0, 20, (TILE, ACROSS, ACROSS)).astype(np.int16)
    array = np.empty((slices, ACROSS, ACROSS), np.int16)
    values = np.zeros(array.shape, np.uint8)
    for k in range(slices):
        array[k] = plain + noise[k % TILE]
        values[k] = array[k] > 540 if 4 <= k < slices - 4 else 0
    grid = Grid((ACROSS, ACROSS, slices), SPACING_MM, (0.0, 0.0, 0.0))
    volume = Volume(grid, array, Modality.CT)
    labels = LabelMap(grid, values, (Label(1, "bone", level=540.0),))
    began, wall = _processor_s(), time.perf_counter()
    result = make_surfaces(volume, labels, SurfaceParams())
    return {
        "slices": slices,
        "volume_mb": array.nbytes / 1e6,
        "triangles": result.measures[0].certificate.steps[0].triangles,
        "processor_s": _processor_s() - began,
        "wall_s": time.perf_counter() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "verdict": result.measures[0].certificate.verdict,
    }


def _processor_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def exponent(told: list[dict[str, Any]]) -> float:
    """Slope of the logarithm of the time over that of the size, by least squares."""
    x = [math.log(each["volume_mb"]) for each in told]
    y = [math.log(each["processor_s"]) for each in told]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    """Measure the sizes that are asked for."""
    if sys.argv[1:2] == ["--one"]:
        json.dump(measured(int(sys.argv[2])), sys.stdout)
        return
    told = []
    print("| slices | volume MB | triangles of the contour | processor s | peak MB | 3 volumes + 400 MB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for slices in map(int, sys.argv[1:] or SLICES):
        words = [sys.executable, "-m", "tests.benchmarks.growth", "--one", str(slices)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        each = json.loads(done.stdout)
        told.append(each)
        cells = [f"{each[key]:,.0f}" for key in ("slices", "volume_mb", "triangles")]
        cells += [f"{each['processor_s']:.1f}", f"{each['peak_mb']:,.0f}", f"{3 * each['volume_mb'] + 400:,.0f}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if len(told) > 1:
        print(f"\nprocessor time grows with the volume to the power of {exponent(told):.2f}")


if __name__ == "__main__":
    main()
