"""One process at a time works on a case."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from surgplan.errors import CaseLocked
from surgplan.formats.atomic import disk_error

PRIVATE = ".surgplan"
"""Folder inside a case for what belongs to this machine only: the lock and where the scan lies."""


def _owner() -> str:
    """Who holds the lock, told to whoever finds it taken. A lock of a dead process is free, whatever it says."""
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {socket.gethostname()} since {since}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the case's lock; the operating system frees it when the process ends, however it ends.

    Raises
    ------
    CaseLocked
        Another process holds it.
    """
    path = folder / PRIVATE / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise disk_error(path, error) from error
            owner = os.read(handle, 256).decode("utf-8", "replace").strip() or "another process"
            raise CaseLocked(folder, f"is being worked on by {owner}", advice="Wait until that run has ended") from None
        os.ftruncate(handle, 0)
        os.write(handle, _owner().encode())
        yield
    finally:
        os.close(handle)
