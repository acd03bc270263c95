"""Letters in the surface of a part: what they say, where there is room for them, and how they are cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import WrongUsage
from surgplan.findings import Level
from surgplan.model.frames import Array
from surgplan.model.labels import Side
from surgplan.model.part import Part
from surgplan.printing.context import Context, Done, modified, not_mirrored, note
from surgplan.printing.glyphs import Drawing, arrow, beside, draw, stroke_width, writable
from surgplan.printing.operations import Text
from surgplan.printing.patch import ANTERIOR, SUPERIOR, Finder, Patch, Wish
from surgplan.printing.relief import Relief
from surgplan.printing.solids import Solid, built
from surgplan.printing.window import is_plug

LOWER = 0.8
"""Letters become lower in steps of this ratio until there is room."""
MOST_LINES = 3
PER_LINE_DEG = 2.0
"""A further line must make the patch flatter by so much."""
ROOT = 0.5
"""Raised letters reach so many of their heights into the part, and tools of engraved ones so far out of it."""
MARGIN = 0.3
"""Free room round the letters, in heights of a capital."""
FACING = {
    "superior": (0.0, 0.0, 1.0),
    "inferior": (0.0, 0.0, -1.0),
    "anterior": (0.0, -1.0, 0.0),
    "posterior": (0.0, 1.0, 0.0),
    "left": (1.0, 0.0, 0.0),
    "right": (-1.0, 0.0, 0.0),
}
"""Where the sides of a body face, LPS; those of a mirrored part are its own."""
FORESHORTENED = 0.5
"""An arrow is left out on a patch from which its direction points away more than this cosine tells."""


def text(part: Part, operation: Text, context: Context) -> Done:
    """The part with its letters, on the flattest place that has room, as large as there is.

    Where no place has room even for the lowest letters, a finding refuses the part: it would go out unmarked.

    Raises
    ------
    WrongUsage
        The text holds signs that cannot be drawn, or names what is not there to fill in.
    """
    if operation.landmark is not None:
        not_mirrored(part, "text")
    words = said(part, operation, context)
    least = _with_arrows(draw((words,), operation.smallest_mm), operation, operation.smallest_mm, None)
    finder = Finder(part.surface, context.life(least.width) * context.life(least.height))
    for cap in _heights(operation):
        best = None
        for lines in _arrangements(words):
            if best is not None and best[1].tilt_deg <= PER_LINE_DEG:
                break  # it cannot become flatter by so much
            drawing = _with_arrows(draw(lines, context.life(cap)), operation, context.life(cap), None)
            patch = finder.find(_wish(drawing, cap, operation, context))
            if patch is not None and (best is None or patch.tilt_deg + PER_LINE_DEG < best[1].tilt_deg):
                best = lines, patch
        if best is not None:
            return _made(part, operation, context, best[0], cap, best[1])
    found = f"no place has room for the text `{words}`: in the lowest letters allowed, {operation.smallest_mm:g} mm, it"
    found += f" is {least.width:.0f} × {least.height:.0f} mm in one line"
    advice = "Shorten the text, allow lower letters or another place, cut them less deep, or raise them"
    level = Level.WARN if is_plug(part) else Level.REFUSE  # a plug is seen to belong to its window
    return Done((part,), (note("text", found, part, level, advice=advice),))


def said(part: Part, operation: Text, context: Context) -> str:
    """What the letters say; what must not go unsaid is added: that the part is mirrored, and its scale."""
    side = {Side.LEFT: "L", Side.RIGHT: "R"}.get(part.surface.label.side, "")
    scale = "" if context.scale == 1 else f"SCALE {context.scale:g}"
    known = {"case": context.case, "structure": part.structure, "part": part.name, "side": side}
    known |= {"scale": scale or "SCALE 1", "date": operation.date}
    try:
        words = operation.text.format(**known)
    except (KeyError, IndexError, ValueError, AttributeError):
        names = ", ".join(f"{{{name}}}" for name in known)
        raise WrongUsage("print.prepare", f"text `{operation.text}` cannot be filled in", names, "Correct it") from None
    if scale and "{scale}" not in operation.text:
        words += f" {scale}"
    if part.mirrored:
        words += " MIRRORED"
    words = " ".join(words.split())
    try:
        plain = writable(words)
    except ValueError as error:
        raise WrongUsage(
            "print.prepare", f"text `{words}` {error}", advice="Use letters, digits and . , : - / +"
        ) from None
    if not plain.strip():
        raise WrongUsage("print.prepare", f"text `{operation.text}` says nothing for {part.name}", advice="Add words")
    return plain


def _heights(operation: Text) -> Iterator[float]:
    cap = operation.height_mm
    while cap > operation.smallest_mm * 1.001:
        yield cap
        cap *= LOWER
    yield operation.smallest_mm


def _arrangements(words: str) -> Iterator[tuple[str, ...]]:
    """The words in one line, then in as many as there may be, as evenly long as can be."""
    each = words.split()
    for count in range(1, min(MOST_LINES, len(each)) + 1):
        yield _broken(each, count)


def _broken(words: list[str], count: int) -> tuple[str, ...]:
    if count == 1:
        return (" ".join(words),)
    ways = ((" ".join(words[:at]), *_broken(words[at:], count - 1)) for at in range(1, len(words) - count + 2))
    return min(ways, key=lambda lines: max(map(len, lines)))


def _with_arrows(drawing: Drawing, operation: Text, cap: float, axes: Array | None) -> Drawing:
    """The letters with arrows to superior and anterior, seen on a patch with these axes; room for both without axes."""
    if not operation.arrows:
        return drawing
    for direction, letter in ((SUPERIOR, "S"), (ANTERIOR, "A")):
        seen = np.array([0.0, 1.0]) if axes is None else axes[:2] @ direction
        if np.linalg.norm(seen) >= FORESHORTENED:
            drawing = beside(drawing, arrow(seen, letter, cap), cap)
    return drawing


def _wish(drawing: Drawing, cap: float, operation: Text, context: Context) -> Wish:
    margin = 2 * MARGIN * context.life(cap)
    wall = 0.0 if operation.raised else operation.depth_mm
    near = None if operation.landmark is None else context.point(operation.landmark)
    facing = None if operation.facing == "any" else np.array(FACING[operation.facing])
    material = context.life(wall + context.printer.smallest_wall_mm)
    return Wish(drawing.width + margin, drawing.height + margin, material, near, operation.within_mm, facing)


def _made(part: Part, operation: Text, context: Context, lines: tuple[str, ...], cap: float, patch: Patch) -> Done:
    size, depth = context.life(cap), context.life(operation.depth_mm)
    drawing = _with_arrows(draw(lines, size), operation, size, patch.axes)
    shift = np.full(2, MARGIN * size)
    strokes = tuple(stroke + shift for stroke in drawing.strokes)
    low, high = (-ROOT * depth, depth) if operation.raised else (-depth, max(ROOT * depth, context.life(0.3)))
    relief = Relief(
        strokes, stroke_width(size), patch.origin, patch.axes, patch.heights, patch.start, patch.pitch, low, high
    )  # fmt: skip
    body, letters = Solid.of_surface(part.surface), Solid("relief", relief=relief)
    (made,) = built([body | letters if operation.raised else body - letters], part.name)
    how = "raised" if operation.raised else "engraved"
    what = f"`{' / '.join(lines)}` {how}, capitals of {cap:.1f} mm, {operation.depth_mm:g} mm " + (
        "high" if operation.raised else "deep"
    )
    middle = patch.origin + np.array([drawing.width, drawing.height]) / 2 @ patch.axes[:2]
    measured = {"capital_mm": cap, "material_mm": patch.thinnest * context.scale, "tilt_deg": patch.tilt_deg}
    reach = float(np.hypot(drawing.width, drawing.height)) / 2 + size

    def place(points: Array) -> NDArray[np.bool_]:
        within = (points - patch.origin) @ patch.axes.T
        inside = (within[:, :2] >= 0).all(axis=1) & (within[:, 0] <= drawing.width + 2 * shift[0])
        inside &= within[:, 1] <= drawing.height + 2 * shift[1]
        return np.asarray(inside & (np.linalg.norm(points - middle, axis=1) <= reach + 2 * depth))

    marked, wrong = modified(part, made.surface(part.surface), "text", what, measured, [place])
    where = ", ".join(f"{value:.0f}" for value in middle)
    found = [note("text", f"{what}, at LPS ({where}) mm", part)]
    if part.mirrored:
        found.append(note("mirrored", "the text says MIRRORED", part, Level.NOTE))
    return Done((marked,), (*found, *wrong))
