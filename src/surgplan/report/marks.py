"""Orientation letters and scale bars on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Color = tuple[int, int, int]
BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)


def font(size: int) -> Any:
    """Pillow's own font, so that pictures do not depend on the machine's."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def draw_letters(pen: Any, size: tuple[int, int], letters: Sequence[str], color: Color) -> None:
    """Letters at the left, right, top and bottom edge."""
    wide, tall = size
    type_face = font(max(14, wide // 32))
    places = ((10, tall / 2, "lm"), (wide - 10, tall / 2, "rm"), (wide / 2, 8, "ma"), (wide / 2, tall - 8, "md"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        pen.text((x, y), letter, fill=color, font=type_face, anchor=anchor)


def draw_scale(pen: Any, size: tuple[int, int], mm_per_pixel: float, color: Color) -> None:
    """A bar of a round length at the lower left, with its length."""
    wide, tall = size
    length = max((bar for bar in BARS_MM if bar / mm_per_pixel <= wide / 4), default=BARS_MM[0])
    end = 14 + length / mm_per_pixel
    y = tall - 14
    pen.line([(14, y), (end, y)], fill=color, width=2)
    for x in (14, end):
        pen.line([(x, y - 4), (x, y + 4)], fill=color, width=2)
    pen.text((14, y - 8), f"{length} mm", fill=color, font=font(max(12, wide // 48)), anchor="ld")
