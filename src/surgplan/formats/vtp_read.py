"""Reading VTK's XML poly data: arrays in text, base64 or appended, plain or compressed with zlib, LZMA or LZ4."""

from __future__ import annotations

import base64
import binascii
import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding
from surgplan.formats.glb_read import strip
from surgplan.formats.limits import DEFLATE_RATIO, SMALL_STREAM
from surgplan.formats.lz4 import lz4_block
from surgplan.formats.mesh_parts import (
    EXPORT_AGAIN,
    OURS,
    Contents,
    Part,
    Stated,
    check_count,
    check_indices,
    ignored,
    plain_name,
    stated_in,
    stored_label,
)
from surgplan.formats.polygons import triangulated
from surgplan.formats.xml_prolog import refuse_document_type
from surgplan.model.labels import Label

TYPES = {"Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4", "Int64": "i8"}
TYPES |= {"UInt64": "u8", "Float32": "f4", "Float64": "f8"}
COMPRESSORS = {"vtkZLibDataCompressor": "zlib", "vtkLZMADataCompressor": "lzma", "vtkLZ4DataCompressor": "lz4"}
MOST_BLOCKS = 1 << 20


def vtp_contents(path: Path, data: bytes) -> Contents:
    """The polygons and strips of all pieces, as one object.

    Raises
    ------
    BadInput
        No poly data, cut short, or a compression that is not read.
    """
    if not data.rstrip().endswith(b"</VTKFile>"):
        raise BadInput(path, "does not end with </VTKFile>: cut short", "a whole file", EXPORT_AGAIN)
    refuse_document_type(path, data, EXPORT_AGAIN)
    at = data.find(b"<AppendedData")
    text, appended = (data, b"") if at < 0 else (data[:at] + b"</VTKFile>", data[at:])
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadInput(path, f"is not well-formed XML: {error}", "", EXPORT_AGAIN) from None
    if root.tag != "VTKFile" or root.get("type") != "PolyData":
        raise BadInput(path, f"is {root.get('type') or root.tag}", "VTK PolyData", EXPORT_AGAIN)
    return _File(path, root, appended).contents()


class _File:
    """One document and the appended bytes behind it."""

    def __init__(self, path: Path, root: ElementTree.Element, appended: bytes) -> None:
        self.path, self.root = path, root
        self.order = {"LittleEndian": "<", "BigEndian": ">"}[root.get("byte_order", "LittleEndian")]
        self.header = np.dtype(self.order + TYPES[root.get("header_type", "UInt32")])
        compressor = root.get("compressor", "")
        if compressor and compressor not in COMPRESSORS:
            advice = "Save it with zlib, or without compression"
            raise BadInput(path, f"is compressed with {compressor}", " or ".join(COMPRESSORS), advice)
        self.compressor = COMPRESSORS.get(compressor, "")
        head = re.match(rb'<AppendedData\s+encoding="(raw|base64)"\s*>\s*_', appended)
        if appended and head is None:
            raise BadInput(path, "has appended data that cannot be read", "raw or base64", EXPORT_AGAIN)
        self.raw = head is not None and head[1] == b"raw"
        self.appended = appended[head.end() : appended.rfind(b"</AppendedData>")] if head else b""

    def contents(self) -> Contents:
        """All pieces behind each other."""
        points, triangles, skipped, before = [], [], [], 0
        findings: list[Finding] = []
        for piece in self.root.iter("Piece"):
            count = int(piece.get("NumberOfPoints", "0"))
            found = self._points(piece, count)
            corners, notes = self._polygons(piece, found)
            strips = self._strips(piece, count)
            points.append(found)
            triangles.append(np.concatenate([corners, strips]) + before)
            findings += notes
            before += count
            skipped += [
                f"{kind} of {each.tag}"
                for kind in ("Verts", "Lines")
                for each in (piece,)
                if int(piece.get(f"NumberOf{kind}", "0"))
            ]
            skipped += [
                f"{each.get('Name')} of each {where[:-4].lower()}"
                for where in ("PointData", "CellData")
                for each in piece.iterfind(f"{where}/DataArray")
            ]
        if not points:
            raise BadInput(self.path, "has no pieces", "polygons", EXPORT_AGAIN)
        told = dict(self._strings())
        label, ours = Label(1, plain_name(self.path.stem)), f"{OURS}.name" in told
        if ours:
            label = stored_label({name.removeprefix(f"{OURS}."): text for name, text in told.items()}, label.name)
        stated = Stated()
        if "SPACE" in told or "UNIT" in told:
            stated = stated_in(
                " ".join(f"{word}={told[word]}" for word in ("SPACE", "UNIT", "ASSUMED") if word in told)
            )
        part = Part(label, np.concatenate(points), np.concatenate(triangles).astype(np.int32))
        return Contents((part,), stated, (*findings, *ignored(self.path, skipped)), welded=ours)

    def _points(self, piece: ElementTree.Element, count: int) -> NDArray[np.float64]:
        array = piece.find("Points/DataArray")
        if array is None or count < 0:
            raise BadInput(self.path, "has a piece without points", "", EXPORT_AGAIN)
        return self._numbers(array, 3 * count).astype(np.float64).reshape(-1, 3)

    def _cells(self, piece: ElementTree.Element, kind: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Corners of each cell, (cells,), and the vertices that they name, end to end."""
        count = int(piece.get(f"NumberOf{kind}", "0"))
        arrays = {each.get("Name"): each for each in piece.iterfind(f"{kind}/DataArray")}
        if not count:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if not {"connectivity", "offsets"} <= set(arrays):
            raise BadInput(self.path, f"has {kind} without connectivity or offsets", "", EXPORT_AGAIN)
        offsets = self._numbers(arrays["offsets"], count).astype(np.int64)
        counts = np.diff(offsets, prepend=0)
        if (counts < 0).any():
            raise BadInput(self.path, "has offsets that fall", "rising ones", EXPORT_AGAIN)
        return counts, self._numbers(arrays["connectivity"], int(offsets[-1])).astype(np.int64)

    def _polygons(
        self, piece: ElementTree.Element, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], tuple[Finding, ...]]:
        counts, indices = self._cells(piece, "Polys")
        return triangulated(self.path, points, counts, indices)

    def _strips(self, piece: ElementTree.Element, points: int) -> NDArray[np.int64]:
        counts, indices = self._cells(piece, "Strips")
        check_indices(self.path, indices, points)
        found = [strip(each) for each in np.split(indices, np.cumsum(counts)[:-1]) if len(each) > 2]
        return np.concatenate(found) if found else np.zeros((0, 3), np.int64)

    def _strings(self) -> Iterator[tuple[str, str]]:
        """The fields that are one string: name and text."""
        for array in self.root.iterfind("PolyData/FieldData/*"):
            if array.get("type") == "String" and int(array.get("NumberOfTuples", "1")) == 1:
                numbers = self._numbers(array, -1)
                yield str(array.get("Name")), bytes(numbers.astype(np.uint8)).split(b"\0")[0].decode("utf-8", "replace")

    def _numbers(self, array: ElementTree.Element, expected: int) -> NDArray[Any]:
        """The numbers of one array; `expected` of them, or -1 for as many as there are."""
        kind = array.get("type", "")
        dtype = np.dtype("u1" if kind == "String" else self.order + TYPES[kind])
        form = array.get("format", "ascii")
        if form == "ascii":
            values = np.array((array.text or "").split(), dtype="U32").astype(
                np.float64 if dtype.kind == "f" else np.int64
            )
        else:
            if form == "appended" and self.raw:
                data = self._block(_Raw(self.appended, int(array.get("offset", "-1"))), expected, dtype.itemsize)
            else:
                start = int(array.get("offset", "-1")) if form == "appended" else 0
                words = self.appended if form == "appended" else (array.text or "").encode("ascii", "replace")
                data = self._block(
                    _Base64(words.strip() if form != "appended" else words, start), expected, dtype.itemsize
                )
            values = np.frombuffer(data, dtype)
        if expected >= 0 and len(values) != expected:
            raise BadInput(self.path, f"has {len(values)} numbers in {array.get('Name')}", f"{expected}", EXPORT_AGAIN)
        return values

    def _block(self, source: _Raw | _Base64, expected: int, size: int) -> bytes:
        """The bytes of one array, unpacked."""
        if not self.compressor:
            (count,) = np.frombuffer(source.take(self.header.itemsize, more=True), self.header).tolist()
            self._fits(count, source.left)
            return source.take(count)
        (blocks,) = np.frombuffer(source.peek(self.header.itemsize), self.header).tolist()
        check_count(self.path, "blocks", blocks, min(source.left, MOST_BLOCKS), 1)
        head = np.frombuffer(source.take((3 + blocks) * self.header.itemsize), self.header).tolist()
        sizes = head[3:]
        total = (blocks - 1) * head[1] + (head[2] or head[1]) if blocks else 0
        self._fits(sum(sizes), source.left)
        if total > DEFLATE_RATIO * sum(sizes) + SMALL_STREAM or (expected >= 0 and total != expected * size):
            raise BadInput(self.path, f"has an array of {total} bytes", f"{expected * size}", EXPORT_AGAIN)
        packed, at, found = source.take(sum(sizes)), 0, []
        for number, length in enumerate(sizes):
            most = head[1] if number < blocks - 1 or not head[2] else head[2]
            found.append(self._unpacked(packed[at : at + length], most))
            at += length
        return b"".join(found)

    def _unpacked(self, data: bytes, size: int) -> bytes:
        try:
            if self.compressor == "zlib":
                found = zlib.decompressobj().decompress(data, size + 1)
            elif self.compressor == "lzma":
                found = lzma.LZMADecompressor().decompress(data, size + 1)
            else:
                found = lz4_block(data, size)
        except (zlib.error, lzma.LZMAError, ValueError):
            raise BadInput(self.path, "has a block that cannot be unpacked", "", EXPORT_AGAIN) from None
        if len(found) != size:
            raise BadInput(self.path, f"has a block of {len(found)} bytes", f"{size}", EXPORT_AGAIN)
        return found

    def _fits(self, count: int, left: int) -> None:
        if count > left:
            raise BadInput(self.path, f"declares {count} bytes and holds {left}: cut short", "", EXPORT_AGAIN)


class _Raw:
    """Bytes taken one after the other."""

    def __init__(self, data: bytes, start: int) -> None:
        if not 0 <= start <= len(data):
            raise ValueError(f"has an array at byte {start} of {len(data)}")
        self.data, self.at = data, start

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self.data) - self.at

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay."""
        if count > self.left:
            raise ValueError(f"ends {count - self.left} bytes too early: cut short")
        return self.data[self.at : self.at + count]

    def take(self, count: int, more: bool = False) -> bytes:
        """The next bytes; `more` of the same group follow."""
        found = self.peek(count)
        self.at += count
        return found


class _Base64:
    """The same from base64, where each group is encoded by itself; a length and its data are mostly one group."""

    def __init__(self, words: bytes, start: int) -> None:
        if not 0 <= start <= len(words):
            raise ValueError(f"has an array at character {start} of {len(words)}")
        self.words, self.at, self.held = words, start, 0

    @property
    def left(self) -> int:
        """The most bytes that are left."""
        return (len(self.words) - self.at) // 4 * 3

    def peek(self, count: int) -> bytes:
        """The next bytes, which stay."""
        length = -(-(self.held + count) // 3) * 4
        chunk = self.words[self.at : self.at + length]
        try:
            found = base64.b64decode(chunk, validate=True)
        except binascii.Error:
            raise ValueError("holds base64 that cannot be read") from None
        if len(found) < self.held + count:
            raise ValueError("ends too early: cut short")
        return found[self.held : self.held + count]

    def take(self, count: int, more: bool = False) -> bytes:
        """The next bytes; when `more` follow in the same group, decoding begins at its start again."""
        found = self.peek(count)
        length = -(-(self.held + count) // 3) * 4
        ended = b"=" in self.words[self.at : self.at + length]
        if more and not ended:
            self.held += count
        else:
            self.at, self.held = self.at + length, 0
        return found
