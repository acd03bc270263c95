"""STL, binary and in text; the header tells frame and unit, since the format has no other place for them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
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
MAGICS_COLOR = b"COLOR="
"""Materialise Magics writes it into the header, with four bytes of red, green, blue and opacity behind."""


def stl_bytes(surface: Surface, assumed: tuple[str, ...] = ()) -> bytes:
    """A binary STL; `assumed` is told in its header."""
    header = header_words(surface.frame, assumed).encode("ascii", "replace")[:HEADER].ljust(HEADER, b" ")
    records = np.zeros(len(surface.triangles), STL_TRIANGLE)
    corners = surface.corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1)
    records["corners"] = corners
    return header + len(records).to_bytes(4, "little") + records.tobytes()


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
    raise BadInput(path, f"declares {count} triangles in {len(data)} bytes", "an STL file", EXPORT_AGAIN)


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
    if not re.search(rb"(?i)(^|[\r\n])[ \t]*endsolid[^\r\n]*\s*$", data):
        raise BadInput(path, "does not end in `endsolid`: cut short", "a whole STL", EXPORT_AGAIN)
    heads = list(re.finditer(rb"(?im)^[ \t]*solid\b([^\r\n]*)", data))
    ends = [*(head.start() for head in heads[1:]), len(data)]
    parts = []
    for number, (head, end) in enumerate(zip(heads, ends, strict=True), 1):
        told = plain_name(head[1].decode("utf-8", "replace").strip(), plain_name(path.stem))
        name = told if len(heads) > 1 else plain_name(path.stem)
        parts.append(_soup(Label(number, name), _corners(path, data[head.end() : end])))
    return Contents(tuple(parts), stated_in(heads[0][1].decode("ascii", "replace")))


def _corners(path: Path, solid: bytes) -> Array:
    """(3m, 3) corners of one solid in text."""
    found = re.findall(rb"(?i)\bvertex[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\S+)", solid)
    facets = len(re.findall(rb"(?i)\bfacet\b", solid))
    if len(found) != 3 * facets or len(re.findall(rb"(?i)\bendfacet\b", solid)) != facets:
        raise BadInput(path, f"has {len(found)} corners for {facets} facets", "three for each", EXPORT_AGAIN)
    corners: NDArray[np.float64] = np.array(found, dtype="S32").astype(np.float64).reshape(-1, 3)
    return corners
