"""OpenIGTLink messages: header, checksum, and the kinds that a plan needs.

All numbers are big endian. Positions go out in RAS, as 3D Slicer takes them; whoever calls converts first: nothing here
knows LPS. Source: the OpenIGTLink protocol, version 2 (header, POINT, TRAJ, TRANSFORM, IMAGE, POLYDATA, STATUS,
STRING) and version 3 (extended header, skipped when read).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.model.frames import RAS, Array, Transform
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume

HEADER = struct.Struct(">H12s20sIIQQ")
POLYNOMIAL = 0x42F0E1EBA9EA3693
"""CRC-64 of ECMA-182."""

LARGEST_BODY = 1 << 20
"""Bytes: what a tracker sends has a few hundred; a larger one is refused before memory is taken."""

MOST_SENT = 1 << 31
LONGEST_NAME = 20
UTF8 = 106
"""IANA's number of the character set."""

NOT_SEEN = re.compile(rb"(?i)status\0?(invalid|missing|out_of_view|unknown)|valid\0?(false|0)")
"""Metadata of a pose that does not count, key and value one behind the other: `TransformStatus` and `INVALID`, say."""

YELLOW = (255, 255, 0, 255)
SCALARS = {"int8": 2, "uint8": 3, "int16": 4, "uint16": 5, "int32": 6, "uint32": 7, "float32": 10}

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Message:
    """A message: its kind (`TRANSFORM`), the device's name, its content, and seconds since 1970.

    `seen` is False where its metadata say that a pose is not valid: the tracker did not see the tool.
    """

    kind: str
    name: str
    body: bytes
    time_s: float = 0.0
    seen: bool = True


def pack(message: Message) -> bytes:
    """Header and body, version 1 of the header, which every receiver knows.

    Raises
    ------
    BadInput
        The name is too long.
    """
    name = message.name.encode("ascii", "replace")
    if len(name) > LONGEST_NAME or len(message.body) > MOST_SENT:
        found = f"{len(name)} letters and {len(message.body)} bytes"
        raise BadInput(message.name, found, f"at most {LONGEST_NAME} and {MOST_SENT}", "Use a shorter name, or crop")
    seconds = int(message.time_s)
    fraction = int((message.time_s - seconds) * 2**32)
    kind = message.kind.encode("ascii")
    return HEADER.pack(1, kind, name, seconds, fraction, len(message.body), crc64(message.body)) + message.body


def read_message(receive: Callable[[int], bytes]) -> Message:
    """The next message; `receive(n)` gives exactly n bytes.

    Raises
    ------
    BadInput
        No OpenIGTLink, a size that no tracker's message has, or a checksum that does not fit.
    """
    version, kind, name, seconds, fraction, size, crc = HEADER.unpack(receive(HEADER.size))
    word = kind.rstrip(b"\0 ").decode("ascii", "replace")
    if not 1 <= version <= 2 or not word.isprintable():
        advice = "Check host and port: this is no OpenIGTLink server, or the stream is out of step"
        raise BadInput("stream", f"a header of version {version}", "1 or 2", advice)
    if size > LARGEST_BODY:
        raise BadInput("stream", f"a {word} message of {size} bytes", f"at most {LARGEST_BODY}", "Send poses only")
    body = receive(size)
    if crc64(body) != crc:
        raise BadInput("stream", f"the checksum of a {word} message does not fit its content", advice="Send it again")
    seen = True
    if version == 2:
        body, told = _content(body)
        seen = NOT_SEEN.search(told) is None
    return Message(word, name.rstrip(b"\0 ").decode("utf-8", "replace"), body, seconds + fraction / 2**32, seen)


def _content(body: bytes) -> tuple[bytes, bytes]:
    """The content of a version 3 message, without the extended header, and its metadata's text."""
    if len(body) < 12:
        raise BadInput("stream", f"an extended message of {len(body)} bytes", "at least 12", "Send it again")
    head, index, data, _ = struct.unpack(">HHII", body[:12])
    end = len(body) - index - data
    if not 12 <= head <= end:
        raise BadInput("stream", f"an extended header of {head} bytes in {len(body)}", "one that fits", "Send it again")
    return body[head:end], body[end + index :]


def read_transform(message: Message) -> Array:
    """(4, 4) matrix of a TRANSFORM message, mm.

    Raises
    ------
    BadInput
        Another length, or numbers that are not finite.
    """
    if len(message.body) != 48:
        raise BadInput(message.name, f"a TRANSFORM of {len(message.body)} bytes", "48", "Send it again")
    values = np.frombuffer(message.body, ">f4").astype(np.float64)
    if not np.isfinite(values).all():
        raise BadInput(message.name, "a TRANSFORM with a number that is not finite", advice="Send it again")
    matrix = np.eye(4)
    matrix[:3] = values.reshape(4, 3).T
    return matrix


def points_message(name: str, points: PointSet, group: str, diameters: Sequence[float] = ()) -> Message:
    """POINT: named positions in RAS; `BadInput` for a name that does not fit."""
    _must_be_ras(points)
    rows = [
        struct.pack(">64s32s4B4f20s", _text(each.name, 64), _text(group, 32), *YELLOW, *each.position, size, b"")
        for each, size in zip(points, diameters or [0.0] * len(points), strict=True)
    ]
    return Message("POINT", name, b"".join(rows))


def trajectories_message(name: str, paths: Sequence[Trajectory]) -> Message:
    """TRAJ: entry and target, in RAS, and diameter."""
    rows = []
    for path in paths:
        _must_be_ras(path)
        ends = (*path.entry, *path.end, path.diameter_mm)
        rows.append(struct.pack(">64s32sbb4B7f20s", _text(path.name, 64), b"Planned", 3, 0, *YELLOW, *ends, b""))
    return Message("TRAJ", name, b"".join(rows))


def transform_message(name: str, transform: Transform) -> Message:
    """TRANSFORM: rows 1 to 3 of the matrix, column by column."""
    return Message("TRANSFORM", name, transform.matrix[:3].T.astype(">f4").tobytes())


def text_message(name: str, text: str) -> Message:
    """STRING in UTF-8; `BadInput` when it is too long for the format."""
    data = text.encode()
    if len(data) > 0xFFFF:
        raise BadInput(name, f"a text of {len(data)} bytes", "at most 65535", "Shorten it")
    return Message("STRING", name, struct.pack(">HH", UTF8, len(data)) + data)


def status_message(name: str, text: str) -> Message:
    """STATUS: code 1, all is well."""
    return Message("STATUS", name, struct.pack(">Hq20s", 1, 0, b"") + text.encode("ascii", "replace") + b"\0")


def surface_message(name: str, surface: Surface) -> Message:
    """POLYDATA: points and triangles, in RAS."""
    _must_be_ras(surface)
    cells = np.empty((len(surface.triangles), 4), ">u4")
    cells[:, 0], cells[:, 1:] = 3, surface.triangles
    counts = (len(surface.vertices), 0, 0, 0, 0, len(cells), cells.nbytes, 0, 0, 0)
    return Message(
        "POLYDATA", name, struct.pack(">10I", *counts) + surface.vertices.astype(">f4").tobytes() + cells.tobytes()
    )


def image_message(name: str, volume: Volume, ras_from_lps: Transform) -> Message:
    """IMAGE with its place in RAS; voxels little endian, as the format allows.

    Raises
    ------
    BadInput
        A type or size that the format has no room for.
    """
    size = volume.grid.size
    if max(size) > 0xFFFF:
        raise BadInput(name, f"{max(size)} voxels along a side", f"at most {0xFFFF}", "Crop the scan")
    ras_from_ijk = ras_from_lps @ volume.grid.lps_from_ijk
    middle = ras_from_ijk.apply((np.array(size) - 1) / 2)
    place = (*ras_from_ijk.linear.T.ravel(), *middle)
    kind = volume.array.dtype
    head = struct.pack(">H4B3H12f6H", 1, 1, SCALARS[kind.name], 2, 1, *size, *place, 0, 0, 0, *size)
    return Message("IMAGE", name, head + volume.array.astype(kind.newbyteorder("<"), copy=False).tobytes())


def _must_be_ras(thing: Any) -> None:
    if thing.frame != RAS:
        raise ValueError(f"OpenIGTLink positions are sent in RAS, not {thing.frame}")


def _text(text: str, most: int) -> bytes:
    data = text.encode()
    if len(data) >= most:
        raise BadInput(text, f"a name of {len(data)} bytes", f"at most {most - 1}", "Rename it")
    return data


def crc64(data: bytes) -> int:
    """The checksum of the protocol.

    It is linear, so the data are cut into strips that are worked on side by side, and the strips' checksums are joined:
    that of a strip with n zero bytes behind it is a linear map of its own.
    """
    lanes = 1 << max(0, min(14, len(data).bit_length() - 8))
    length = -(-len(data) // lanes)
    padded = np.zeros(lanes * length, np.uint8)
    if data:
        padded[len(padded) - len(data) :] = np.frombuffer(data, np.uint8)  # zeros before change nothing
    table, crc = _table(), np.zeros(lanes, np.uint64)
    for column in np.ascontiguousarray(padded.reshape(lanes, length).T).astype(np.uint64):
        crc = table[(crc >> np.uint64(56)) ^ column] ^ (crc << np.uint64(8))
    shift = _zeros(length)
    while len(crc) > 1:
        crc = _mapped(shift, crc[0::2]) ^ crc[1::2]
        shift = _mapped(shift, shift)
    return int(crc[0])


@cache
def _table() -> Words:
    """(256,) checksum of each byte."""
    rows = []
    for byte in range(256):
        value = byte << 56
        for _ in range(8):
            value = ((value << 1) & (2**64 - 1)) ^ (POLYNOMIAL if value >> 63 else 0)
        rows.append(value)
    return np.array(rows, np.uint64)


def _zeros(count: int) -> Words:
    """(64,) the map of `count` zero bytes: what becomes of each bit of a checksum."""
    bits = np.uint64(1) << np.arange(64, dtype=np.uint64)
    one, found = _table()[bits >> np.uint64(56)] ^ (bits << np.uint64(8)), bits
    while count:
        if count & 1:
            found = _mapped(one, found)
        one, count = _mapped(one, one), count >> 1
    return found


def _mapped(linear: Words, values: Words) -> Words:
    """Each value carried by a map that is given by where it takes each bit."""
    found = np.zeros_like(values)
    for bit in range(64):
        found ^= np.where((values >> np.uint64(bit)) & np.uint64(1), linear[bit], np.uint64(0)).astype(np.uint64)
    return found
