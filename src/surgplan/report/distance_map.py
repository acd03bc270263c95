"""How far each place of a surface lies from the boundary in the scan, as colours, with a legend that explains them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.report.cameras import VIEWS, View
from surgplan.report.marks import INK, SHADOW, font

STEPS = np.array([(244, 243, 232), (247, 220, 132), (240, 160, 60), (214, 74, 40), (140, 20, 40)], dtype=np.float64)
"""From 0 to the limit in equal steps, ever darker: told apart without seeing colours, too."""

BEYOND = (150, 70, 255)
"""Farther than the limit."""


def map_colors(distances: NDArray[np.float32], limit_mm: float) -> NDArray[np.uint8]:
    """(n, 3) a colour for each distance, (n,) mm; `limit_mm` is where the last of `STEPS` lies."""
    at = np.clip(np.asarray(distances, np.float64) / limit_mm, 0, 1) * (len(STEPS) - 1)
    found = np.stack([np.interp(at, np.arange(len(STEPS)), channel) for channel in STEPS.T], axis=1)
    found[distances > limit_mm] = BEYOND
    return np.asarray(np.rint(found), np.uint8)


def view_of_worst(vertices: NDArray[np.float64], distances: NDArray[np.float32]) -> View:
    """The side that the farthest vertex lies on, told from the middle of the surface; others may hide it."""
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    towards = vertices[int(distances.argmax())] - middle
    return max(VIEWS.values(), key=lambda view: float(towards @ np.array(view.eye)))


def draw_legend(pen: Any, size: tuple[int, int], limit_mm: float) -> None:
    """A bar of the colours at the lower right, from 0 to the limit, and what lies beyond it."""
    wide, tall = size
    type_face = font(max(13, wide // 42))
    gap, length, height = wide // 50, wide // 3, max(6, tall // 60)
    more = length // 5
    left, top = wide - gap - length, tall - gap - height
    shown = map_colors(np.linspace(0, limit_mm, length - more).astype(np.float32), limit_mm)
    for x, color in enumerate(shown.tolist()):
        pen.line([(left + x, top), (left + x, top + height)], fill=tuple(color))
    pen.rectangle([left + length - more + 2, top, left + length, top + height], fill=BEYOND)
    told = ((left, "0", "ld"), (left + length - more, f"{limit_mm:.3g} mm", "rd"), (left + length, "more", "rd"))
    for x, text, anchor in told:
        pen.text((x, top - 4), text, fill=INK, font=type_face, anchor=anchor, stroke_width=2, stroke_fill=SHADOW)
