"""The log of a case: what was run, when and by whom, in lines that nobody can change unseen.

`log.jsonl` holds one JSON object a line, only ever appended. Each carries the SHA-256 of its own text with that of the
line before it, so that a line which is changed, taken out or put in breaks the chain (Schneier and Kelsey, "Secure
audit logs to support computer forensics", ACM TISSEC 2(2), 1999, without their keys). The end can be cut off unseen,
unless the last hash is known from elsewhere; and who rewrites all of it leaves a chain that is whole.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from surgplan import __version__
from surgplan.errors import BadInput
from surgplan.formats.atomic import disk_error
from surgplan.formats.limits import read_whole

LOG = "log.jsonl"
OPERATOR = "SURGPLAN_OPERATOR"
LARGEST_LOG = 64 << 20
START = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line: its number, when (UTC), who, with which version, what was done, and the details of it."""

    number: int
    time: str
    by: str
    surgplan: str
    action: str
    details: Mapping[str, Any]
    previous: str
    hash: str

    @classmethod
    def made(cls, number: int, previous: str, by: str, action: str, details: Mapping[str, Any]) -> Entry:
        """An entry of now, with its hash."""
        told = {
            "number": number,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": by,
            "surgplan": __version__,
            "action": action,
            "details": dict(details),
            "previous": previous,
        }
        return cls(**told, hash=_hash(told))  # type: ignore[arg-type]

    def line(self) -> str:
        """The entry as it lies in the file."""
        return _canonical({**self.__dict__, "details": dict(self.details)}) + "\n"


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _hash(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical({key: told[key] for key in told if key != "hash"}).encode()).hexdigest()


def operator(given: str | None = None) -> str:
    """Who works: the one who was named, `$SURGPLAN_OPERATOR`, or the user of the operating system."""
    if named := given or os.environ.get(OPERATOR):
        return named
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return f"uid {os.getuid()}"


def append(folder: Path, action: str, details: Mapping[str, Any], by: str) -> Entry:
    """Add an entry to the log of a case; only for whoever holds its lock. It is on disk when this returns.

    A last line that a power cut left half-written is ended first: it stays, and `read_log` tells of it.

    Raises
    ------
    BadInput
        The log is not one that this version can continue.
    OutOfResources
        The disk is full.
    """
    path = folder / LOG
    entries, _ = read_log(folder) if path.exists() else ((), ())
    last = entries[-1] if entries else None
    entry = Entry.made(last.number + 1 if last else 1, last.hash if last else START, by, action, details)
    try:
        whole = not path.exists() or path.read_bytes()[-1:] in (b"\n", b"")
        with path.open("ab") as file:
            file.write((("" if whole else "\n") + entry.line()).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(path, error) from error
    return entry


def read_log(folder: Path) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries that can be read, and what is wrong with the chain, in the order of the lines.

    Raises
    ------
    BadInput
        The file cannot be read, or is far too large.
    """
    path = folder / LOG
    try:
        lines = read_whole(path, LARGEST_LOG).decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror}", advice="Check the file") from None
    entries: list[Entry] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        if line:
            _take(line, f"line {number}", entries, wrong)
    return tuple(entries), tuple(wrong)


def _take(line: str, where: str, entries: list[Entry], wrong: list[str]) -> None:
    """Read one line; tell what is wrong with it, or with its place in the chain."""
    try:
        told = json.loads(line)
        entry = Entry(**told)
        found = _hash(told)
    except (ValueError, TypeError, RecursionError):
        wrong.append(f"{where} is no entry: half-written, or damaged")
        return
    before = entries[-1] if entries else None
    if entry.hash != found:
        wrong.append(f"{where} was changed: its hash is not that of its text")
    elif (entry.number, entry.previous) != ((before.number + 1, before.hash) if before else (1, START)):
        wrong.append(f"{where} does not follow the one before it: a line was taken out or put in")
    entries.append(entry)
