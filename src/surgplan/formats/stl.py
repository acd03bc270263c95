"""STL, binary and in text; the header tells frame and unit, since the format has no other place for them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from surgplan.errors import BadInput
from surgplan.formats.atomic import Bytes
from surgplan.formats.mesh_parts import (
    BONE,
    EXPORT_AGAIN,
    Color,
    Contents,
    Part,
    header_words,
    ignored,
    plain_name,
    stated_in,
)
from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.surface import Surface

STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
HEADER = 80
AT_ONCE = 1 << 12
"""Triangles whose normals are made at once: they stay in the processor's cache."""
WORDS = (b"endfacet", b"endloop", b"facet", b"normal", b"outer", b"loop", b"vertex")
"""All words within a solid, longer ones before those that they contain."""
MAGICS_COLOR = b"COLOR="
"""Materialise Magics writes it into the header, with four bytes of red, green, blue and opacity behind."""


def stl_bytes(surface: Surface, assumed: tuple[str, ...] = ()) -> Bytes:
    """A binary STL; `assumed` is told in its header."""
    header = header_words(surface.frame, assumed).encode("ascii", "replace")[:HEADER].ljust(HEADER, b" ")
    count = len(surface.triangles)
    data = bytearray(HEADER + 4 + count * STL_TRIANGLE.itemsize)
    data[: HEADER + 4] = header + count.to_bytes(4, "little")
    records = np.frombuffer(data, STL_TRIANGLE, count, HEADER + 4)
    for start in range(0, count, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        corners = np.take(surface.vertices, surface.triangles[part], axis=0)
        records["corners"][part] = corners
        records["normal"][part] = _normals(np.ascontiguousarray(corners.transpose(1, 2, 0))).T
    return data


def _normals(corners: Array) -> Array:
    """(3, m) unit normals of triangles, (3 corners, 3 axes, m); none has a normal of length 0 where it has an area."""
    one, two = corners[1] - corners[0], corners[2] - corners[0]
    normals: Array = np.empty_like(one)
    for axis in range(3):
        after, last = (axis + 1) % 3, (axis + 2) % 3
        np.multiply(one[after], two[last], out=normals[axis])
        normals[axis] -= one[last] * two[after]
    lengths = np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2)
    lengths[lengths == 0] = 1
    normals /= lengths
    return normals


def stl_contents(path: Path, data: bytes) -> Contents:
    """The solids of an STL, as a soup of corners.

    Raises
    ------
    BadInput
        Cut short, longer than it declares, or no STL.
    """
    start = HEADER + 4
    count = int.from_bytes(data[HEADER:start], "little") if len(data) >= start else -1
    expected = start + count * STL_TRIANGLE.itemsize
    if count >= 0 and len(data) == expected:
        return _binary(path, data, count)
    if data.lstrip()[:5].lower() == b"solid":
        return _text(path, data)
    if len(data) < max(expected, start):
        raise BadInput(path, f"holds {len(data)} bytes, cut short", f"{max(expected, start)} bytes", EXPORT_AGAIN)
    raise BadInput(path, f"declares {count} triangles in {len(data)} bytes", f"{expected} bytes", EXPORT_AGAIN)


def _binary(path: Path, data: bytes, count: int) -> Contents:
    records = np.frombuffer(data, STL_TRIANGLE, count, HEADER + 4)
    header = data[:HEADER]
    extra = ignored(path, ["attributes of triangles"] if records["extra"].any() else [])
    label = Label(1, plain_name(path.stem), _header_color(header))
    corners = records["corners"].reshape(-1, 3).astype(np.float64)
    return Contents((_soup(label, corners),), stated_in(header.decode("ascii", "replace")), extra)


def _header_color(header: bytes) -> Color:
    at = header.find(MAGICS_COLOR)
    color = header[at + len(MAGICS_COLOR) :][:3]
    return (color[0], color[1], color[2]) if at >= 0 and len(color) == 3 else BONE


def _soup(label: Label, corners: Array) -> Part:
    return Part(label, corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))


def _text(path: Path, data: bytes) -> Contents:
    """Each `solid … endsolid` is an object of its own."""
    text = data.lower()
    found: list[tuple[bytes, Array]] = []
    at = text.find(b"solid")
    while at >= 0:
        line, end = text.find(b"\n", at), text.find(b"\nendsolid", at)
        end = end if end >= 0 else _indented_end(text, line)
        if line < 0 or end < 0:
            raise BadInput(path, "does not end in `endsolid`: cut short", "a whole STL", EXPORT_AGAIN)
        found.append((data[at + len(b"solid") : line], _corners(path, text[line:end])))
        behind = text.find(b"\n", end + 1)
        at = text.find(b"solid", behind) if behind >= 0 else -1
    parts = []
    for number, (head, corners) in enumerate(found, 1):
        own = plain_name(path.stem)
        name = plain_name(head.decode("utf-8", "replace").strip(), own) if len(found) > 1 else own
        parts.append(_soup(Label(number, name), corners))
    return Contents(tuple(parts), stated_in(found[0][0].decode("ascii", "replace")))


def _indented_end(text: bytes, start: int) -> int:
    """Where the line of the next `endsolid` begins that has blanks before it; -1 when there is none."""
    found = re.compile(rb"\n[ \t]*endsolid").search(text, max(start, 0))
    return found.start() if found else -1


def _corners(path: Path, solid: bytes) -> Array:
    """(3m, 3) corners of one solid, in small letters: three of a facet's four triples of numbers."""
    facets = solid.count(b"endfacet")
    counts = [solid.count(word) for word in (b"facet", b"normal", b"vertex")]
    for word in WORDS:
        solid = solid.replace(word, b" ")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # numpy's word for text that is no number
        try:
            values = np.fromstring(solid, np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            raise BadInput(path, "holds words where numbers belong", "an STL file", EXPORT_AGAIN) from None
    if counts != [2 * facets, facets, 3 * facets] or len(values) != 12 * facets:
        raise BadInput(path, f"has {len(values)} numbers for {facets} facets", "twelve for each", EXPORT_AGAIN)
    return values.reshape(-1, 4, 3)[:, 1:].reshape(-1, 3)
