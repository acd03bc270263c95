"""What a mesh file holds before its unit and frame are decided, and what all mesh formats share.

Readers of one format give `Contents`: numbers as they are written, with what the file states about them. `mesh_units`
turns them into surfaces in LPS millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.limits import MOST_TRIANGLES
from surgplan.model.frames import Array, Frame
from surgplan.model.labels import LONGEST_NAME, Code, Label, Side

Ints = NDArray[np.int32]
Color = tuple[int, int, int]

EXPORT_AGAIN = "Export the mesh again"
BONE: Color = (232, 220, 192)
"""The colour of what has none."""
OURS = "surgplan"


@dataclass(frozen=True, eq=False)
class Part:
    """One object of a mesh file: vertices (n, 3) float64 and triangles (m, 3) int32, as the file has them."""

    label: Label
    vertices: Array
    triangles: Ints


@dataclass(frozen=True)
class Stated:
    """What a file, or the rule of its format, says of its numbers; "" where it says nothing.

    `by_format`: no note of the writer's, but the format's own rule (glTF is in metres). `assumed` names what an earlier
    program had to assume and said so.
    """

    unit: str = ""
    frame: str = ""
    by_format: bool = False
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """All objects of a file. `welded`: equal points have equal indices already, and every vertex is used."""

    parts: tuple[Part, ...]
    stated: Stated = field(default_factory=Stated)
    findings: tuple[Finding, ...] = ()
    welded: bool = False


def header_words(frame: Frame, assumed: tuple[str, ...] = ()) -> str:
    """The note that tells frame and unit in every format that has a place for text.

    Source: 3D Slicer's convention `SPACE=LPS`, extended by `UNIT=mm` and by what had to be assumed.
    """
    return f"{OURS} SPACE={frame.name} UNIT=mm" + (f" ASSUMED={','.join(sorted(assumed))}" if assumed else "")


def stated_in(text: str) -> Stated:
    """What the words of a header or comment say; 3D Slicer writes `SPACE=` alone."""
    words = dict(word.split("=", 1) for word in text.split() if word.count("=") == 1)
    assumed = tuple(word for word in words.get("ASSUMED", "").split(",") if word in ("frame", "unit"))
    return Stated(words.get("UNIT", "").strip(".;"), words.get("SPACE", "").strip(".;"), assumed=assumed)


def plain_name(text: str, fallback: str = "mesh") -> str:
    """Any text as a structure's name."""
    return "".join(letter for letter in text[:LONGEST_NAME] if letter.isprintable()).strip() or fallback


def label_words(label: Label) -> dict[str, str]:
    """Everything that a label holds, as words that text headers can carry."""
    told = {"name": label.name, "color": " ".join(map(str, label.color)), "side": str(label.side)}
    told["level"] = repr(label.level)
    if label.code:
        told["code"] = "\t".join((label.code.scheme, label.code.value, label.code.meaning))
    return told


def stored_label(told: dict[str, str], fallback: str, value: int = 1) -> Label:
    """The inverse of `label_words`; `ValueError` when the words are damaged."""
    code = told.get("code", "").split("\t")
    level = told.get("level", "None")
    red, green, blue = (int(channel) for channel in told.get("color", "232 220 192").split())
    return Label(
        value,
        told.get("name") or fallback,
        (red, green, blue),
        Side(told.get("side", "")),
        Code(*code) if len(code) == 3 else None,
        None if level == "None" else float(level),
    )


def check_count(path: Path, what: str, declared: int, stored: int, least: int) -> None:
    """Refuse a file that declares more things than its bytes can hold, before memory is taken.

    `stored` bytes are left in the file and each thing takes `least` of them.
    """
    if declared < 0 or declared > 3 * MOST_TRIANGLES:
        raise BadInput(path, f"declares {declared} {what}", f"at most {3 * MOST_TRIANGLES}", EXPORT_AGAIN)
    if declared * least > stored:
        raise BadInput(
            path, f"declares {declared} {what} and holds {stored} bytes for them: cut short", "", EXPORT_AGAIN
        )


def check_indices(path: Path, indices: NDArray[np.int64], vertices: int) -> None:
    """Refuse faces that name vertices which do not exist."""
    if indices.size and (indices.min() < 0 or indices.max() >= vertices):
        worst = int(indices.max() if indices.max() >= vertices else indices.min())
        raise BadInput(path, f"has a face that names vertex {worst}", f"0 to {vertices - 1}", EXPORT_AGAIN)


def ignored(path: Path, what: list[str]) -> tuple[Finding, ...]:
    """A note of what the file holds beside triangles, and is not read."""
    if not what:
        return ()
    told = ", ".join(dict.fromkeys(what))
    return (Finding("attributes", Level.NOTE, f"not read: {told}", subject=path.name),)


def one_color(path: Path, colors: ArrayLike) -> tuple[Color | None, tuple[Finding, ...]]:
    """The colour of a mesh whose vertices or faces all have the same one, (n, 3 or 4) 0 to 255; a note otherwise."""
    values = np.asarray(colors)
    if not len(values) or (values[0] != values).any():
        return None, ignored(path, ["colours that change over the surface"] if len(values) else [])
    red, green, blue = (int(channel) for channel in values[0, :3])
    return (red, green, blue), ()


def joined(corners: Array) -> tuple[Array, Ints]:
    """Vertices and triangles of a soup of corners, (3m, 3): equal positions become one vertex, first come first."""
    rows = np.ascontiguousarray(corners + 0.0)  # -0 and 0 are one place
    order = np.lexsort(rows.T)
    ordered = rows[order]
    fresh = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    group = np.cumsum(fresh) - 1
    first = np.minimum.reduceat(order, np.flatnonzero(fresh))
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    number = np.empty(len(rows), np.int32)
    number[order] = rank[group]
    return rows[np.sort(first)], number.reshape(-1, 3)
