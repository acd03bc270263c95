"""Plots as SVG: distances to the truth, one group of bars for each scan; growth of time and memory with the scan."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from tests.benchmarks.pages import MOST_EXPONENT, memory_limit_mb

COLORS = ("#1b6ca8", "#7fb3d5", "#b03a2e", "#e6b0aa")
LEFT, TOP, WIDTH, HEIGHT, BAR, GAP = 60, 40, 760, 240, 18, 16
PANEL = 420
LOWEST, HIGHEST = 0.01, 10.0
"""Ends of the scale, mm."""


def truth_plot(told: dict[str, Any]) -> str:
    """Bars up to the 95th percentile, with a line at the mean, for each tool and scan."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in told["rows"]:
        groups.setdefault((row["body"], row["voxels"]), []).append(row)
    tools = list(dict.fromkeys(row["tool"] for row in told["rows"]))
    step = len(tools) * BAR + GAP
    width = max(WIDTH, LEFT + len(groups) * step + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 60}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{TOP + HEIGHT + 60}" fill="white"/>',
    ]
    lines += _scale(width)
    for number, tool in enumerate(tools):
        x = LEFT + 170 * number
        lines += [f'<rect x="{x}" y="12" width="10" height="10" fill="{COLORS[number]}"/>', _text(x + 14, 21, tool)]
    for place, ((body, voxels), rows) in enumerate(groups.items()):
        start = LEFT + GAP + place * step
        for row in rows:
            at = start + tools.index(row["tool"]) * BAR
            lines += _bar(at, row, COLORS[tools.index(row["tool"])])
        lines += [_text(start, TOP + HEIGHT + 16, body), _text(start, TOP + HEIGHT + 30, voxels)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def growth_plot(told: dict[str, Any]) -> str:
    """Processor time and peak memory over the size of the scan, all scales logarithmic, with what is wanted of both."""
    rows = told["rows"][:-1]
    sizes = [row["volume_mb"] for row in rows]
    times = [row["processor_s"] for row in rows]
    wanted = [times[0] * (size / sizes[0]) ** MOST_EXPONENT for size in sizes]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * PANEL} {TOP + HEIGHT + 40}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{2 * PANEL}" height="{TOP + HEIGHT + 40}" fill="white"/>',
    ]
    limits = [memory_limit_mb(size) for size in sizes]
    lines += _panel(0, "processor s", sizes, times, wanted, f"the power of {MOST_EXPONENT}")
    lines += _panel(PANEL, "peak MB", sizes, [row["peak_mb"] for row in rows], limits, "3 volumes + 400 MB")
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(left: int, what: str, sizes: list[float], found: list[float], wanted: list[float], limit: str) -> list[str]:
    """One diagram: what was found as a line with its figures, what is wanted dashed."""
    across, up = _scaled(sizes, left + LEFT, left + PANEL - 40), _scaled([*found, *wanted], TOP + HEIGHT - 20, TOP + 20)
    lines = [_text(left + 8, 16, f"{what} over the scan's MB; dashed: {limit}")]
    for values, color, dashes in ((wanted, COLORS[2], "5 4"), (found, COLORS[0], "none")):
        points = " ".join(f"{across(size):.1f},{up(value):.1f}" for size, value in zip(sizes, values, strict=True))
        lines.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2" stroke-dasharray="{dashes}"/>'
        )
    for size, value in zip(sizes, found, strict=True):
        lines += [
            f'<circle cx="{across(size):.1f}" cy="{up(value):.1f}" r="3" fill="{COLORS[0]}"/>',
            _text(across(size) + 6, up(value) + 14, f"{value:,.0f}" if value >= 100 else f"{value:.1f}"),
            _text(across(size) - 14, TOP + HEIGHT + 16, f"{size:,.0f}"),
        ]
    return lines


def _scaled(values: list[float], start: float, end: float) -> Callable[[float], float]:
    """From values to places between start and end, logarithmically."""
    low, high = math.log(min(values)), math.log(max(values))
    return lambda value: start + (end - start) * (math.log(value) - low) / max(high - low, 1e-9)


def _bar(at: float, row: dict[str, Any], color: str) -> list[str]:
    top, mean = _y(row["p95_mm"]), _y(row["mean_mm"])
    return [
        f'<rect x="{at}" y="{top:.1f}" width="{BAR - 2}" height="{TOP + HEIGHT - top:.1f}" fill="{color}"/>',
        f'<line x1="{at}" x2="{at + BAR - 2}" y1="{mean:.1f}" y2="{mean:.1f}" stroke="black" stroke-width="2"/>',
    ]


def _scale(width: float) -> list[str]:
    lines = [_text(4, TOP - 6, "mm from the truth: bar 95 %, line mean")]
    for mm in (0.01, 0.05, 0.12, 1.0, 10.0):
        y = _y(mm)
        lines += [
            f'<line x1="{LEFT}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>',
            _text(24, y + 4, f"{mm:g}"),
        ]
    return lines


def _y(mm: float) -> float:
    share = math.log(max(mm, LOWEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return TOP + HEIGHT * (1 - share)


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
