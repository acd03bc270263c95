"""docs/benchmarks.md from docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """# Benchmarks

Made by `make bench` from `docs/benchmarks.json`: do not edit. Each figure is the median of whole processes, with the
least and the most in brackets; the tools take turns. What runs at the same time on the machine changes them.
How well the recipes find structures in real scans is told by [benchmarks-segmentation.md](benchmarks-segmentation.md).
"""

TRUTH_PLOT = "benchmarks-truth.svg"
GROWTH_PLOT = "benchmarks-growth.svg"


def page(results: dict[str, Any]) -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for title, make in SECTIONS.items():
        if results.get(title):
            parts.append(make(results[title]))
    return "\n".join(parts)


def _versus(told: dict[str, Any]) -> str:
    rows = []
    for name, figures in told["results"].items():
        ratio = told["times_as_fast"].get(name)
        times = "" if ratio is None else f"surgplan is {ratio:.1f} times as fast"
        rows.append([name, *(_spread(figures[key]) for key in ("wall_s", "cpu_s", "peak_mb")), times])
    lines = [
        "## Against dicom2stl\n",
        f"{told['scan']}, {told['slices']} slices, {told['runs']} runs each; dicom2stl {told['dicom2stl']}.",
        "By default it shrinks the volume to at most 256³ voxels, and it writes one STL; surgplan keeps all voxels and",
        "writes volume, labels, PLY, STL, 3MF, navigation data and the report.\n",
        _table(["tool", "wall s", "processor s", "peak MB", ""], rows),
    ]
    return "\n".join(lines)


def _help(told: dict[str, Any]) -> str:
    return f"## Start\n\n`surgplan --help` answers in {1000 * told['wall_s']['median']:.0f} ms.\n"


def _read(told: dict[str, Any]) -> str:
    digits = {"wall_s": 2, "cpu_s": 2, "peak_mb": 0, "volumes": 2}
    rows = [
        [name, *(f"{figures[key]:.{places}f}" for key, places in digits.items())]
        for name, figures in told["results"].items()
    ]
    packed = told["compressed"]
    one, every = packed["one"], packed["all"]
    lines = [
        "## Reading a series\n",
        f"{told['slices']} uncompressed slices into a checked volume, against pydicom with `numpy.frombuffer` and no",
        "checks; each in processes of its own, in turns; peak memory above the idle process.\n",
        _table(["reader", "wall s", "processor s", "peak MB", "in volumes"], rows),
        f"With the gate, surgplan takes {told['ratio']['wall_s']:.2f} times as long as pydicom with numpy, and",
        f"{told['ratio']['cpu_s']:.2f} times as much processor time.\n",
        f"{packed['slices']} slices in JPEG 2000: {one['wall_s']:.2f} s on one core, {every['wall_s']:.2f} s on",
        f"{packed['cores']} ({one['wall_s'] / every['wall_s']:.2f} times as fast).\n",
    ]
    return "\n".join(lines)


def _kernels(told: dict[str, Any]) -> str:
    rows = []
    for name, figures in told.items():
        if "failed" in figures:
            rows.append([name, "failed", "", ""])
            continue
        share = figures["peak_mb_above_input"] / figures["volume_mb"]
        rows.append([name, f"{figures['seconds']:.2f}", str(figures["peak_mb_above_input"]), f"{share:.1f}"])
    return "## Single stages\n\n" + _table(["stage", "seconds", "peak MB above its input", "in volumes"], rows)


def _libraries(told: dict[str, Any]) -> str:
    rows = []
    for job, figures in told.items():
        if "failed" in figures:
            rows.append([job, "failed", "", "", figures["failed"].splitlines()[-1]])
        else:
            times = [f"{figures[key]:.2f}" for key in ("own_s", "rival_s", "ratio")]
            rows.append([job, *times, figures["rival"].rstrip(".")])
    within = sum(figures.get("ratio", float("inf")) <= LIBRARY_RATIO for figures in told.values())
    lines = [
        "## Beside the fastest libraries\n",
        "Processor seconds (user and system, children too) on the full-size skull, both in one process in turns,",
        f"least of three. Wanted: at most {LIBRARY_RATIO} times the library's: {within} of {len(told)} jobs.\n",
        _table(["job", "surgplan s", "library s", "ratio", "the library, and what it leaves out"], rows),
    ]
    return "\n".join(lines)


MOST_EXPONENT = 1.05


def memory_limit_mb(volume_mb: float) -> float:
    """The most memory that is wanted for a scan of this size."""
    return 3 * volume_mb + 400


def _growth(told: dict[str, Any]) -> str:
    rows = []
    for row in told["rows"]:
        limit = memory_limit_mb(row["volume_mb"])
        figures = [f"{row[key]:,.0f}" for key in ("slices", "volume_mb", "triangles")]
        rows.append([row["what"], *figures, f"{row['processor_s']:.1f}", f"{row['peak_mb']:,}", f"{limit:,.0f}"])
    within = sum(row["peak_mb"] <= memory_limit_mb(row["volume_mb"]) for row in told["rows"])
    columns = ("slices", "volume MB", "triangles of the contour", "processor s", "peak MB", "3 volumes + 400 MB")
    lines = [
        "## Growth of the surface stage\n",
        "A hollow bone with noise through 512 × 512 voxels and more and more slices, and the skull example at full",
        "size; each in a process of its own, with the scan and its labels, 1.5 volumes, in memory. Processor time of",
        "the stage; peak of the process and its children together, what they share counted twice.",
        f"Wanted: time grows at most with the volume to the power of {MOST_EXPONENT}: {told['exponent']:.2f} is found.",
        f"Memory at most three volumes and 400 MB: in {within} of {len(rows)}.",
        "\n![processor time and memory](" + GROWTH_PLOT + ")\n",
        _table(["scan", *columns], rows),
    ]
    return "\n".join(lines)


def _accuracy(told: dict[str, Any]) -> str:
    rows = [[name, str(figures["found"]), str(figures["truth"]), figures["error"]] for name, figures in told.items()]
    return "## Against the truth of the example\n\n" + _table(["what", "found", "truth", "error"], rows)


LIBRARY_RATIO = 1.3
TRUTH_COLUMNS = ("mean", "95 %", "maximum", "volume", "sound", "times")


def _truth(told: dict[str, Any]) -> str:
    wanted, rows, own = told["wanted"], [], {}
    for row in told["rows"]:
        scan = (row["body"], row["voxels"])
        own.setdefault(scan, row)
        times = "" if row is own[scan] else f"{row['mean_mm'] / own[scan]['mean_mm']:.1f}"
        place = f"{row['maximum_mm']:.2f} at ({', '.join(f'{value:.0f}' for value in row['place_mm'])})"
        figures = [f"{row['mean_mm']:.3f}", f"{row['p95_mm']:.3f}", place, f"{row['volume_percent']:+.2f}"]
        rows.append([*scan, row["tool"], str(row["triangles"]), *figures, "yes" if row["sound"] else "NO", times])
    keys = ("mean_mm", "p95_mm", "volume_percent")
    met, local = (
        sum(row["tool"] == tool and all(abs(row[key]) <= wanted[key] for key in keys) for row in told["rows"])
        for tool in ("surgplan", "surgplan, local level")
    )
    lines = [
        "## Distance to the truth\n",
        "Analytic bodies of bone (1040 HU) as scans with a point spread of 0.6 mm and noise of 20 HU; surfaces made",
        f"with a tolerance of {told['tolerance_mm']} mm. Distances at 20,000 points, mm, from the surface to the true",
        "boundary and back, the worse of the two ways, the largest with its place (LPS); error of the volume in %.",
        f"dicom2stl {told['dicom2stl']} has all voxels and as many triangles, once with its own setting for bone, once",
        "told the level that surgplan found in the scan.",
        f"Wanted: mean {wanted['mean_mm']}, 95 % {wanted['p95_mm']}, volume within {wanted['volume_percent']} %.",
        f"surgplan meets all three in {met} of {len(own)} scans with one level, in {local} with the local level. The",
        f"last column is the mean in times of surgplan's with one level (wanted: at least {wanted['times']:g}).",
        "\n![distances to the truth](" + TRUTH_PLOT + ")\n",
        _table(["body", "voxels mm", "tool", "triangles", *TRUTH_COLUMNS], rows),
        "The largest distances lie at sharp edges, which the scanner's blur rounds: the femur's gap, the rims of",
        "orbits and foramen. Told the level, dicom2stl contours the same intensities. One level is right against one",
        "neighbour only, and bone with muscle outside and marrow inside has two: there the local level is needed",
        '(`boundary = "local-half-maximum"`). The wanted four times are not reached against dicom2stl told the level,',
        "only against its own setting.",
        "The examples are blurred as plane edges are, so that half height lies on the true boundary; a real scanner's",
        "blur σ also draws a curved one inward, a ball of radius R by σ²/R: 0.02 mm for a radius of 18 mm.\n",
    ]
    return "\n".join(lines)


def _machine(told: dict[str, Any]) -> str:
    return "## Machine\n\n" + _table(["fact", ""], [[name, str(value)] for name, value in told.items()])


SECTIONS = {
    "dicom2stl": _versus,
    "help": _help,
    "read": _read,
    "kernels": _kernels,
    "libraries": _libraries,
    "growth": _growth,
    "accuracy": _accuracy,
    "truth": _truth,
    "machine": _machine,
}


def _spread(figure: dict[str, float]) -> str:
    digits = 0 if figure["median"] >= 100 else 2
    median, least, most = (f"{figure[key]:.{digits}f}" for key in ("median", "min", "max"))
    return f"{median} ({least} to {most})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
