"""How the surface stage's time and memory grow with the scan: `python -m tests.benchmarks growth`.

A hollow bone through scans of 512 × 512 voxels and more and more slices: its surface grows as the scan does. Each size
in a process of its own; then the skull example at full size.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import watched

SLICES = (128, 512, 2048, 4096)
ACROSS = 512
SPACING_MM = (0.5, 0.5, 0.6)
OUTER, INNER = 30.0, 20.0
"""Radii of the bone, in voxels."""
TILE = 64
"""After so many slices the noise comes again: making it would take longer than the surface."""


def hollow_bone(slices: int) -> tuple[Any, Any]:
    """A scan with noise, and its labels."""
    import numpy as np

    from surgplan.model.labels import Label, LabelMap
    from surgplan.model.volume import Grid, Modality, Volume

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
    return Volume(grid, array, Modality.CT), LabelMap(grid, values, (Label(1, "bone", level=540.0),))


def of_case(folder: Path) -> tuple[Any, Any]:
    """The scan and the labels of a case."""
    from surgplan.formats.images import read_volume
    from surgplan.formats.segmentations import read_labels

    return read_volume(folder / "volume.nrrd"), read_labels(folder / "labels.seg.nrrd")


def measured(what: str) -> dict[str, Any]:
    """The surfaces of a case, or of the hollow bone in so many slices: processor time of the stage, children too."""
    from surgplan.surface.stage import SurfaceParams, make_surfaces

    volume, labels = hollow_bone(int(what)) if what.isdigit() else of_case(Path(what))
    began, wall = _processor_s(), time.perf_counter()
    measures = make_surfaces(volume, labels, SurfaceParams()).measures
    return {
        "slices": volume.grid.size[2],
        "volume_mb": volume.array.nbytes / 1e6,
        "triangles": sum(each.certificate.steps[0].triangles for each in measures),
        "processor_s": round(_processor_s() - began, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "verdict": ", ".join(sorted({each.certificate.verdict for each in measures})),
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


def bench(case: Path, sizes: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """The table, and the exponent of the processor time in the hollow bone."""
    rows = []
    for what in (*map(str, sizes), str(case.resolve())):
        words = [sys.executable, "-m", "tests.benchmarks.growth", what]
        told, peak = watched(words, Path(__file__).parents[2])
        name = "hollow bone" if what.isdigit() else "skull example"
        rows.append({"what": name, **json.loads(told), "peak_mb": round(peak)})
        say(f"growth: {rows[-1]}")
    return {"rows": rows, "exponent": round(exponent(rows[:-1]), 3)}


if __name__ == "__main__":
    json.dump(measured(sys.argv[1]), sys.stdout)
