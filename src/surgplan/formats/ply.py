"""PLY in text and in both binary byte orders; comments keep name, colour, side, code, level, frame and unit.

Source: Turk, "The PLY Polygon File Format", 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding
from surgplan.formats.mesh_parts import (
    BONE,
    EXPORT_AGAIN,
    OURS,
    Color,
    Contents,
    Part,
    check_count,
    header_words,
    ignored,
    label_words,
    one_color,
    plain_name,
    stated_in,
    stored_label,
)
from surgplan.formats.polygons import triangulated
from surgplan.model.labels import Label
from surgplan.model.surface import Surface

PLY_TRIANGLE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"}
TYPES |= {"double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"}
TYPES |= {"float32": "f4", "float64": "f8"}
LONGEST_HEADER = 1 << 16
CORNERS = ("vertex_indices", "vertex_index")


def ply_bytes(surface: Surface, assumed: tuple[str, ...] = (), quality: NDArray[np.float32] | None = None) -> bytes:
    """A binary little-endian PLY in float32; `quality`, (n,), becomes the property of that name of each vertex."""
    told = label_words(surface.label)
    comments = [header_words(surface.frame, assumed), *(f"{word} {text}" for word, text in told.items())]
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    head += [f"element vertex {len(surface.vertices)}", *(f"property float {axis}" for axis in "xyz")]
    points = surface.vertices.astype("<f4")
    if quality is not None:
        head += ["property float quality"]
        points = np.column_stack([points, quality.astype("<f4")])
    head += [f"element face {len(surface.triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    faces = np.empty(len(surface.triangles), PLY_TRIANGLE)
    faces["count"] = 3
    faces["corners"] = surface.triangles
    return "\n".join(head).encode("utf-8") + points.tobytes() + faces.tobytes()


@dataclass
class Property:
    """One column of an element: its type, and the type of its length when it is a list ("" otherwise)."""

    name: str
    kind: str
    length: str = ""


@dataclass
class Element:
    """One table of the file."""

    name: str
    count: int
    columns: list[Property]


Table = dict[str, NDArray[Any]]
"""Column → values; a list's values lie end to end, and `NAME:length` has their lengths."""


def ply_contents(path: Path, data: bytes) -> Contents:
    """The mesh of a PLY.

    Raises
    ------
    BadInput
        No PLY, cut short, longer than it declares, or without vertices and faces.
    """
    order, elements, comments, start = _header(path, data)
    text = stated_in(" ".join(comments))
    read = _Text(path, data[start:]) if order == "" else _Binary(path, data, start, order)
    tables = {element.name: read.table(element) for element in elements}
    read.end()
    vertex, face = tables.get("vertex", {}), tables.get("face", {})
    corners = next((name for name in CORNERS if f"{name}:length" in face), None)
    if corners is None or not {"x", "y", "z"} <= set(vertex):
        raise BadInput(path, "has no vertices with x, y, z or no faces", "a triangle mesh", EXPORT_AGAIN)
    points = np.stack([vertex[axis].astype(np.float64) for axis in "xyz"], axis=1)
    counts, indices = face[f"{corners}:length"].astype(np.int64), face[corners].astype(np.int64)
    triangles, findings = triangulated(path, points, counts, indices)
    ours = any(line.startswith(f"{OURS} ") for line in comments)
    if ours:
        told = {words[0]: words[2] for words in (line.partition(" ") for line in comments)}
        return Contents((Part(stored_label(told, plain_name(path.stem)), points, triangles),), text, welded=True)
    color, notes = _color(path, tables)
    others = [f"{name} of each {each}" for each, table in tables.items() for name in table if _unused(each, name)]
    part = Part(Label(1, plain_name(path.stem), color or BONE), points, triangles)
    return Contents((part,), text, (*findings, *notes, *ignored(path, others)))


def ply_quality(path: Path, data: bytes) -> NDArray[np.float32] | None:
    """The `quality` of each vertex, (n,), as `ply_bytes` writes it; None when the file has none.

    Raises
    ------
    BadInput
        No PLY, or cut short.
    """
    order, elements, _, start = _header(path, data)
    read = _Text(path, data[start:]) if order == "" else _Binary(path, data, start, order)
    tables = {element.name: read.table(element) for element in elements}
    found = tables.get("vertex", {}).get("quality")
    return None if found is None else found.astype(np.float32)


def _unused(element: str, column: str) -> bool:
    used = (
        {"x", "y", "z", "red", "green", "blue", "alpha"} if element == "vertex" else {"red", "green", "blue", "alpha"}
    )
    return ":length" not in column and column not in used and column not in CORNERS


def _color(path: Path, tables: dict[str, Table]) -> tuple[Color | None, tuple[Finding, ...]]:
    """The colour of the vertices or else of the faces, when it is one and in bytes."""
    for name in ("vertex", "face"):
        table = tables.get(name, {})
        if {"red", "green", "blue"} <= set(table) and all(
            table[c].dtype.itemsize == 1 for c in ("red", "green", "blue")
        ):
            return one_color(path, np.stack([table[channel] for channel in ("red", "green", "blue")], axis=1))
    return None, ()


def _header(path: Path, data: bytes) -> tuple[str, list[Element], list[str], int]:
    """Byte order ("" for text), elements, comments, and where the body starts."""
    head = data[:LONGEST_HEADER]
    at = head.find(b"end_header")
    end = head.find(b"\n", at) + 1 or head.find(b"\r", at) + 1
    if head[:3] != b"ply" or at < 0 or not end:
        raise BadInput(path, "has no PLY header", "a PLY file", EXPORT_AGAIN)
    order, elements, comments = "?", [], []
    for line in head[:at].decode("utf-8", "replace").replace("\r", "\n").split("\n"):
        words = line.split()
        match words[:1]:
            case ["format"] if len(words) > 1:
                order = ORDERS.get(words[1], "?")
            case ["comment"] | ["obj_info"]:
                comments.append(line.partition(" ")[2])
            case ["element"] if len(words) == 3:
                elements.append(Element(words[1], int(words[2]), []))
            case ["property"] if elements and len(words) == 5 and words[1] == "list":
                elements[-1].columns.append(Property(words[4], TYPES[words[3]], TYPES[words[2]]))
            case ["property"] if elements and len(words) == 3:
                elements[-1].columns.append(Property(words[2], TYPES[words[1]]))
            case ["ply"] | []:
                pass
            case _:
                raise BadInput(path, f"has the header line `{line[:60]}`", "a PLY header", EXPORT_AGAIN)
    if order == "?":
        raise BadInput(path, "does not say whether it is text or binary", " or ".join(ORDERS), EXPORT_AGAIN)
    return order, elements, comments, end


class _Binary:
    """Tables of a binary body, one after the other."""

    def __init__(self, path: Path, data: bytes, start: int, order: str) -> None:
        self.path, self.data, self.at, self.order = path, data, start, order

    def table(self, element: Element) -> Table:
        """The next element: at once when all its lists have the same length, row by row otherwise."""
        least = sum(np.dtype(each.length or each.kind).itemsize for each in element.columns)
        if element.count and not least:
            raise BadInput(self.path, f"has {element.name} without properties", "", EXPORT_AGAIN)
        check_count(self.path, element.name, element.count, len(self.data) - self.at, max(least, 1))
        if not element.count:
            return _empty(element)
        first = self._row(element, self.at)
        sizes = {each.name: len(values) for each, values in zip(element.columns, first, strict=True)}
        dtype = self._fixed(element, sizes)
        if self.at + dtype.itemsize * element.count <= len(self.data):
            records = np.frombuffer(self.data, dtype, element.count, self.at)
            if all(
                (records[f"{each.name}:length"] == sizes[each.name]).all() for each in element.columns if each.length
            ):
                self.at += dtype.itemsize * element.count
                return {name: records[name].ravel() for name in records.dtype.names or ()}
        return self._row_by_row(element)

    def _fixed(self, element: Element, sizes: dict[str, int]) -> np.dtype[Any]:
        fields: list[Any] = []
        for each in element.columns:
            if each.length:
                fields.append((f"{each.name}:length", self.order + each.length))
            fields.append((each.name, self.order + each.kind, (sizes[each.name],) if each.length else ()))
        return np.dtype(fields)

    def _row_by_row(self, element: Element) -> Table:
        rows: dict[str, list[NDArray[Any]]] = {each.name: [] for each in element.columns}
        for _ in range(element.count):
            for each, values in zip(element.columns, self._row(element, self.at), strict=True):
                rows[each.name].append(values)
            self.at = self._next
        return _gathered(element, rows)

    def _row(self, element: Element, at: int) -> list[NDArray[Any]]:
        """The values of the row that starts at a byte; `_next` is the byte behind it."""
        found = []
        for each in element.columns:
            count = 1
            if each.length:
                length = np.dtype(self.order + each.length)
                self._holds(at + length.itemsize)
                count, at = int(np.frombuffer(self.data, length, 1, at)[0]), at + length.itemsize
            kind = np.dtype(self.order + each.kind)
            if count < 0:
                raise BadInput(self.path, f"has a list of {count} values", "", EXPORT_AGAIN)
            self._holds(at + count * kind.itemsize)
            found.append(np.frombuffer(self.data, kind, count, at))
            at += count * kind.itemsize
        self._next = at
        return found

    def _holds(self, end: int) -> None:
        if end > len(self.data):
            raise BadInput(self.path, f"holds {len(self.data)} bytes: cut short", f"{end} or more", EXPORT_AGAIN)

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.data):
            raise BadInput(self.path, f"holds {len(self.data)} bytes", f"{self.at} bytes", EXPORT_AGAIN)


class _Text:
    """Tables of a body in text, one row a line; numbers may be split over lines anyhow."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.words, self.at, self.size = path, data.split(), 0, len(data)
        if data[-1:] not in (b"\n", b"\r", b" ", b""):
            # a last number that is cut in its middle looks like a number
            raise BadInput(path, "does not end with a line's end: cut short", "", EXPORT_AGAIN)

    def table(self, element: Element) -> Table:
        """The next element."""
        check_count(self.path, element.name, element.count, 2 * (len(self.words) - self.at), 2 * len(element.columns))
        if all(not each.length for each in element.columns):
            return self._scalars(element)
        rows: dict[str, list[NDArray[Any]]] = {each.name: [] for each in element.columns}
        for _ in range(element.count):
            for each in element.columns:
                count = int(self._take(1)[0]) if each.length else 1
                rows[each.name].append(np.array(self._take(count), dtype=np.float64))
        return _gathered(element, rows)

    def _scalars(self, element: Element) -> Table:
        width = len(element.columns)
        values = np.array(self._take(width * element.count), dtype="S32").astype(np.float64).reshape(-1, width)
        return {each.name: _typed(values[:, n], each.kind) for n, each in enumerate(element.columns)}

    def _take(self, count: int) -> list[bytes]:
        found = self.words[self.at : self.at + count]
        if count < 0 or len(found) != count:
            raise BadInput(self.path, f"ends after {len(self.words)} numbers: cut short", "more of them", EXPORT_AGAIN)
        self.at += count
        return found

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self.words):
            raise BadInput(self.path, f"holds {len(self.words)} numbers", f"{self.at} of them", EXPORT_AGAIN)


def _typed(values: NDArray[np.float64], kind: str) -> NDArray[Any]:
    return values if kind[0] == "f" else values.astype(kind)


def _empty(element: Element) -> Table:
    table: Table = {each.name: np.zeros(0, each.kind) for each in element.columns}
    return table | {f"{each.name}:length": np.zeros(0, np.int64) for each in element.columns if each.length}


def _gathered(element: Element, rows: dict[str, list[NDArray[Any]]]) -> Table:
    table = _empty(element)
    for each in element.columns:
        if rows[each.name]:
            table[each.name] = _typed(np.concatenate(rows[each.name]), each.kind)
        if each.length:
            table[f"{each.name}:length"] = np.array([len(values) for values in rows[each.name]], np.int64)
    return table
