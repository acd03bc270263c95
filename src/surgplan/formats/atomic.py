"""The only way a file is written: beside its place, flushed, read back, then renamed.

A file under its final name is whole, or it is the old one. Nothing is told to be written before its bytes are on disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surgplan.errors import BadInput, OutOfResources, SurgplanError, WouldOverwrite, WrongUsage

Bytes = bytes | bytearray | memoryview

CHUNK = 1 << 20
PART = ".part"
"""What marks a temporary file; a process that was killed leaves one, and nobody takes it for a result."""
FREE_SPACE = "Free some disk space and run again"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EEXIST, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on disk: where, how long, and the SHA-256 of its bytes as read back."""

    path: Path
    size: int
    sha256: str


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, data: Bytes, check: Callable[[Path], None] | None = None) -> Written:
    """Write `data` to `path` atomically; `check` may read the temporary file and raise."""
    return write_pieces(path, (data,), check)


def write_pieces(path: Path, pieces: Sequence[Bytes], check: Callable[[Path], None] | None = None) -> Written:
    """Write pieces of memory, one behind the other, to `path` atomically.

    The file is compared with them byte by byte before `check` is called, so that need not look at all of it again.
    """

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            for part in _parts(pieces):
                file.write(part)

    return _put(path, fill, lambda temporary: _sha256_when_same(path, temporary, pieces), check)


def write_text(path: Path, text: str, check: Callable[[Path], None] | None = None) -> Written:
    """Write `text` as UTF-8 to `path` atomically."""
    return write_bytes(path, text.encode("utf-8"), check)


def write_file(
    path: Path,
    fill: Callable[[Path], None],
    check: Callable[[Path], None] | None = None,
    expected_sha256: str | None = None,
) -> Written:
    """Let `fill` write a temporary file beside `path`, then put it in its place.

    Parameters
    ----------
    path:
        Where the file shall be. Its folder is made when it is missing. An old file stays until the very end, and
        for good when it has the same bytes.
    fill:
        Gets a path in the same folder with the same ending, and writes it; any library may do that.
    check:
        Gets the same path once its bytes are flushed; reads it back and raises when it is not what was meant.
    expected_sha256:
        The hash that the bytes must have, when it is known.

    Raises
    ------
    OutOfResources
        The disk is full, or the quota is.
    WrongUsage
        The folder cannot be written to.
    BadInput
        What was read back is not what was written.
    """

    def read_back(temporary: Path) -> str:
        found = sha256_of(temporary)
        if expected_sha256 not in (None, found):
            raise _other_bytes(path)
        return found

    return _put(path, fill, read_back, check)


def _put(
    path: Path, fill: Callable[[Path], None], read_back: Callable[[Path], str], check: Callable[[Path], None] | None
) -> Written:
    """`write_file`, with `read_back` to tell the hash of what lies on disk, or to raise."""
    own = f"{os.getpid()}-{threading.get_ident():x}"  # two long names may begin alike
    temporary = path.with_name(f".{path.stem[:80]}.{own}{PART}{''.join(path.suffixes[-2:])}")
    with _disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(temporary)
            _flush(temporary)
            found = read_back(temporary)
            if check is not None:
                check(temporary)
            size = temporary.stat().st_size
            if not _holds(path, size, found):
                temporary.replace(path)
                _flush(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink()
    return Written(path, size, found)


def _parts(pieces: Sequence[Bytes]) -> Iterator[memoryview]:
    for piece in pieces:
        whole = memoryview(piece)
        yield from (whole[start : start + CHUNK] for start in range(0, len(whole), CHUNK))


def _sha256_when_same(path: Path, temporary: Path, pieces: Sequence[Bytes]) -> str:
    """The hash of a file that holds the pieces and nothing else; each chunk is looked at while the cache holds it."""
    digest, room = hashlib.sha256(), memoryview(bytearray(CHUNK))
    with temporary.open("rb") as file:
        for part in _parts(pieces):
            found = room[: file.readinto(room[: len(part)])]
            if not np.array_equal(np.frombuffer(found, np.uint8), np.frombuffer(part, np.uint8)):
                raise _other_bytes(path)
            digest.update(found)
        if file.read(1):
            raise _other_bytes(path)
    return digest.hexdigest()


def _other_bytes(path: Path) -> BadInput:
    return BadInput(path, "reading back gives other bytes than were written", advice="Check the disk")


def _holds(path: Path, size: int, sha256: str) -> bool:
    """Whether the file has these bytes already: then it is left untouched, so that Make sees nothing new."""
    return path.is_file() and path.stat().st_size == size and sha256_of(path) == sha256


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes left; only for whoever holds the folder's lock."""
    for path in folder.rglob(f".*{PART}*"):
        with suppress(OSError):
            path.unlink()


def refuse_overwriting(path: Path, overwrite: bool) -> None:
    """Raise `WouldOverwrite` when `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise WouldOverwrite(path, "exists already", advice="Choose another name, or pass --overwrite to replace it")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Name what the operating system, or the library that writes, refused."""
    try:
        yield
    except SurgplanError:
        raise
    except OSError as error:
        raise disk_error(path, error) from error
    except RuntimeError as error:
        # what SimpleITK and others raise when a write fails; they do not tell why
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "the library does not say why"
        raise OutOfResources(path, f"cannot be written: {reason}", advice=FREE_SPACE) from error


def disk_error(path: Path, error: OSError) -> SurgplanError:
    """The right kind of error for what the operating system said about `path`."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in FULL:
        return OutOfResources(path, f"cannot be written: {reason}", advice=FREE_SPACE)
    if error.errno in FORBIDDEN:
        return WrongUsage(path, f"cannot be written: {reason}", advice="Choose a folder that you may write to")
    return OutOfResources(path, f"cannot be written: {reason}", advice="Check the disk and run again")
