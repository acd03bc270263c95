"""What a person would see in a picture."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from surgplan.report.marks import INK, SHADOW, font


def opened(data):
    """(height, width, 3) colours of a PNG."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def near(picture, color, tolerance=60):
    """Which pixels have about that colour."""
    return (np.abs(picture - np.asarray(color)) < tolerance).all(axis=2)


def letter_at(picture, edge, candidates="RLAPSI"):
    """The letter that is drawn at an edge of a picture: the one whose image, drawn afresh, fits best."""
    tall, wide = picture.shape[:2]
    gap = wide // 60
    place, anchor = {
        "left": ((gap, tall / 2), "lm"),
        "right": ((wide - gap, tall / 2), "rm"),
        "top": ((wide / 2, gap), "ma"),
        "bottom": ((wide / 2, tall - gap), "md"),
    }[edge]
    errors = {}
    for letter in candidates:
        fresh = Image.new("RGB", (wide, tall))
        pen = ImageDraw.Draw(fresh)
        face = font(max(16, wide // 28))
        pen.text(place, letter, fill=INK, font=face, anchor=anchor, stroke_width=2, stroke_fill=SHADOW)
        left, top, right, bottom = (round(value) for value in pen.textbbox(place, "R", font=face, anchor=anchor))
        box = slice(top - 3, bottom + 3), slice(left - 3, right + 3)
        light = np.asarray(fresh).astype(int)[box].mean(axis=2)
        errors[letter] = np.abs((picture[box].mean(axis=2) > 150) != (light > 150)).sum()
    return min(errors, key=errors.__getitem__)
