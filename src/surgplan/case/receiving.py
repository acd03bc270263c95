"""Poses from a tracker's OpenIGTLink stream, as a recording."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable

import numpy as np

from surgplan.errors import BadInput, Missing, WrongUsage, blaming
from surgplan.formats.igtl import Message, read_message, read_transform
from surgplan.model.frames import Array, Frame
from surgplan.model.tracking import Recording

NAMED = re.compile(r"([A-Za-z0-9_]+?)To([A-Z][A-Za-z0-9_]*)")
"""PLUS calls a transform by its frames: StylusToReference carries points of Stylus to Reference."""

SQUARE = 1e-3
"""How far a rotation in float32 may be from orthonormal."""

MOST_POSES = 1_000_000


def split_address(told: str) -> tuple[str, int]:
    """HOST:PORT, or HOST with the usual port."""
    host, _, port = told.rpartition(":") if ":" in told else (told, "", "18944")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise WrongUsage("--igtl", f"`{told}` is no address", "HOST:PORT, such as localhost:18944")
    return host, int(port)


def record_stream(host: str, port: int, seconds: float) -> Recording:
    """Record all transforms that a server sends, for so many seconds or until it ends.

    Raises
    ------
    Missing
        Nobody listens there.
    BadInput
        The stream holds no poses, or is broken.
    """
    subject = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout=10)
    except OSError as error:
        raise Missing(
            subject, f"cannot be reached: {error.strerror or error}", advice="Start the tracker's server"
        ) from None
    taken: dict[tuple[Frame, Frame], dict[float, Array | None]] = {}
    count, end = 0, time.monotonic() + seconds
    with connection:
        receive = _receiver(connection, end)
        while count < MOST_POSES:
            try:
                message = read_message(receive)
            except (EOFError, OSError):
                break
            if message.kind == "TRANSFORM" and (frames := _frames(message.name)):
                at = message.time_s or time.time()
                taken.setdefault(frames, {})[at] = _pose(message)
                count += 1
    if not count:
        advice = "Name the tools as PLUS does (StylusToReference), or record for longer"
        raise BadInput(subject, "no transforms arrived", "poses named FROMToTO", advice)
    times = sorted({at for poses in taken.values() for at in poses})
    whole = {pair: np.full((len(times), 4, 4), np.nan) for pair in taken}
    number = {at: n for n, at in enumerate(times)}
    for pair, poses in taken.items():
        for at, pose in poses.items():
            if pose is not None:
                whole[pair][number[at]] = pose
    with blaming(subject, "Record again"):
        return Recording(np.array(times) - times[0], whole)


def _receiver(connection: socket.socket, end: float) -> Callable[[int], bytes]:
    """Gives exactly so many bytes; `EOFError` when the time is over or the server has gone."""

    def receive(count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            left = end - time.monotonic()
            if left <= 0:
                raise EOFError
            connection.settimeout(left)
            got = connection.recv(min(count - len(parts), 1 << 16))
            if not got:
                raise EOFError
            parts += got
        return bytes(parts)

    return receive


def _frames(name: str) -> tuple[Frame, Frame] | None:
    """To and from, by the name of a transform."""
    found = NAMED.fullmatch(name)
    return (Frame(found[2]), Frame(found[1])) if found else None


def _pose(message: Message) -> Array | None:
    """The pose, or None where the tracker says that it did not see the tool."""
    if not message.seen:
        return None
    pose = read_transform(message)
    turn = pose[:3, :3]
    if np.abs(turn.T @ turn - np.eye(3)).max() > SQUARE or np.linalg.det(turn) < 0:
        raise BadInput(message.name, "a pose that is no rotation", advice="Stream poses, without scale or mirroring")
    return pose
