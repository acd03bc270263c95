"""docs/benchmarks.md from docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """# Benchmarks

Made by `make bench` from `docs/benchmarks.json`: do not edit. Each figure is the median of whole processes, with the
least and the most in brackets; the tools take turns. What runs at the same time on the machine changes them.
"""


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


def _accuracy(told: dict[str, Any]) -> str:
    rows = [[name, str(figures["found"]), str(figures["truth"]), figures["error"]] for name, figures in told.items()]
    return "## Against the truth of the example\n\n" + _table(["what", "found", "truth", "error"], rows)


def _machine(told: dict[str, Any]) -> str:
    return "## Machine\n\n" + _table(["fact", ""], [[name, str(value)] for name, value in told.items()])


SECTIONS = {
    "dicom2stl": _versus,
    "help": _help,
    "read": _read,
    "kernels": _kernels,
    "accuracy": _accuracy,
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
