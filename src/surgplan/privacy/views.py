"""All that the bytes of a file can be read as: as they are, unpacked, decoded, and with escapes undone.

Nothing here trusts the file: what cannot be unpacked is left as it is, and unpacking stops at a depth and a size.
"""

from __future__ import annotations

import base64
import binascii
import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

DEEPEST = 4
"""An archive in an archive in a picture in a page: nothing of ours goes deeper."""
LARGEST = 1 << 30
"""No more than 1 GiB is unpacked from one stream."""
GZIP = b"\x1f\x8b\x08"
PNG = b"\x89PNG\r\n\x1a\n"
PNG_TEXT = (b"zTXt", b"iTXt", b"iCCP")
BASE64 = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
UNICODE_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
SHORT_ESCAPE = re.compile(r"\\([/\"\\])")


@dataclass(frozen=True)
class View:
    """Bytes, and how they were got: "" for the file itself, or for example `member 3D/3dmodel.model, XML escapes`."""

    how: str
    data: bytes


def views(data: bytes, how: str = "", depth: int = 0) -> Iterator[View]:
    """The bytes themselves, then all that can be unpacked or decoded from them."""
    yield View(how, data)
    if depth >= DEEPEST:
        return
    for way, inner in _unpacked(data):
        yield from views(inner, f"{how}, {way}".removeprefix(", "), depth + 1)
    for way, inner in _undone(data):
        yield View(f"{how}, {way}".removeprefix(", "), inner)


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data[:4] == b"PK\x03\x04":
        yield from _members(data)
        return
    if data[:8] == PNG:
        yield from _png_texts(data)
        return
    at = data.find(GZIP)
    while at >= 0:
        inner = _inflated(data[at:], 31)
        if inner:
            yield "gzip", inner
        at = data.find(GZIP, at + 3)
    if data[:1] == b"x" and len(data) > 2 and int.from_bytes(data[:2], "big") % 31 == 0:
        inner = _inflated(data, 15)
        if inner:
            yield "zlib", inner


def _inflated(data: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(data, LARGEST)
    except zlib.error:
        return b""


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    yield f"member {member.filename}", file.read(LARGEST)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        return


def _png_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Compressed text chunks; what lies uncompressed is in the file's own bytes already (PNG, 11.3.3)."""
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = data[at + 8 : at + 8 + length]
        for place in range(len(chunk)) if kind in PNG_TEXT else ():
            inner = _inflated(chunk[place:], 15) if chunk[place : place + 1] == b"x" else b""
            if inner:
                yield f"PNG {kind.decode()}", inner
                break
        at += length + 12


def _undone(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Text with its escapes undone, where it has any."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    if "\\" in text:
        yield "JSON escapes", _json_text(text).encode("utf-8", "surrogatepass")
    if "&" in text:
        yield "XML escapes", html.unescape(text).encode("utf-8", "surrogatepass")
    if "%" in text:
        yield "URL escapes", unquote_to_bytes(text)
    for found in BASE64.finditer(data):
        inner = _from_base64(found[0])
        if inner:
            yield from (("base64" + (f", {each.how}" if each.how else ""), each.data) for each in views(inner, "", 2))


def _json_text(text: str) -> str:
    def whole(match: re.Match[str]) -> str:
        told: str = json.loads(f'"{match[0]}"')
        return told

    return SHORT_ESCAPE.sub(r"\1", UNICODE_ESCAPE.sub(whole, text))


def _from_base64(coded: bytes) -> bytes:
    plain = coded.replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
    try:
        return base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""
