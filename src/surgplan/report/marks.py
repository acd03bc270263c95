"""What is drawn over pictures: the patient's sides, a scale bar, numbered points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from surgplan.model.frames import Array

Color = tuple[int, int, int]
BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200, 500)
INK: Color = (226, 232, 240)
SHADOW: Color = (16, 20, 25)
PALETTE = 256
"""A picture's colours, where few will do: its PNG takes a third of the space."""
LEVEL = 4
"""Of deflate: files are a hundredth larger than with level 6, and take a third of the time to press."""


def font(size: int) -> Any:
    """Pillow's own font, so that pictures do not depend on the machine's."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def draw_letters(pen: Any, size: tuple[int, int], letters: Sequence[str]) -> None:
    """The patient's sides at the left, right, top and bottom edge, outlined so that they show on white and black."""
    wide, tall = size
    type_face = font(max(16, wide // 28))
    gap = wide // 60
    places = ((gap, tall / 2, "lm"), (wide - gap, tall / 2, "rm"), (wide / 2, gap, "ma"), (wide / 2, tall - gap, "md"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        pen.text((x, y), letter, fill=INK, font=type_face, anchor=anchor, stroke_width=2, stroke_fill=SHADOW)


def bar_length_mm(wide: int, mm_per_pixel: float) -> int:
    """The longest round length that takes at most a quarter of the picture's width."""
    return max((bar for bar in BARS_MM if bar / mm_per_pixel <= wide / 4), default=BARS_MM[0])


def draw_scale(pen: Any, size: tuple[int, int], mm_per_pixel: float) -> None:
    """A bar of a round length at the lower left, with its length."""
    wide, tall = size
    length = bar_length_mm(wide, mm_per_pixel)
    gap = wide // 50
    end, y = gap + length / mm_per_pixel, tall - gap
    for color, width in ((SHADOW, 6), (INK, 2)):
        pen.line([(gap, y), (end, y)], fill=color, width=width)
        for x in (gap, end):
            pen.line([(x, y - 5), (x, y + 5)], fill=color, width=width)
    type_face = font(max(13, wide // 42))
    pen.text((gap, y - 9), f"{length} mm", fill=INK, font=type_face, anchor="ld", stroke_width=2, stroke_fill=SHADOW)


def draw_tags(pen: Any, size: tuple[int, int], places: Array, tags: Sequence[str]) -> None:
    """Short tags beside points, (n, 2) pixels; each where it hides no earlier one."""
    type_face = font(max(13, size[0] // 42))
    taken: list[tuple[float, float, float, float]] = []
    for (x, y), tag in zip(places.tolist(), tags, strict=True):
        boxes = [
            (pen.textbbox((x + dx, y + dy), tag, font=type_face, anchor=anchor), dx, dy, anchor)
            for reach in (10, 24, 40)
            for dx, dy, anchor in ((reach, 0, "lm"), (-reach, 0, "rm"), (0, -reach, "md"), (0, reach, "ma"))
        ]
        box, dx, dy, anchor = next((each for each in boxes if not _hides(each[0], taken)), boxes[0])
        taken.append(box)
        pen.text((x + dx, y + dy), tag, fill=INK, font=type_face, anchor=anchor, stroke_width=2, stroke_fill=SHADOW)


def _hides(box: tuple[float, float, float, float], taken: list[tuple[float, float, float, float]]) -> bool:
    left, top, right, bottom = box
    return any(left < x1 and x0 < right and top < y1 and y0 < bottom for x0, y0, x1, y1 in taken)


def png(picture: Any, few_colors: bool = True) -> bytes:
    """The PNG of a Pillow picture; the same picture gives the same bytes. Few colours lose small spots and legends."""
    from PIL import Image

    file = io.BytesIO()
    if few_colors:
        picture = picture.quantize(PALETTE, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(file, "PNG", compress_level=LEVEL)
    return file.getvalue()
