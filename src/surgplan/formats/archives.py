"""Zip archives of scans: unpacked within caps into a private folder that goes away again, or refused.

An archive may say anything of itself. Nothing is written before its whole table of contents was checked: names, kinds,
sizes. Archives within archives are never opened.

Source: PKWARE, APPNOTE.TXT 6.3.10; DICOM PS3.12, annex V (deflate is the method of a DICOM zip file).
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from struct import error as StructError
from typing import IO, BinaryIO

from surgplan.errors import BadInput, OutOfResources, SurgplanError
from surgplan.formats.atomic import disk_error
from surgplan.formats.limits import AGAIN, told_bytes

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins: with its first member, or, when empty, with its end."""
OTHERS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")
"""How gzip, bzip2, xz, 7-Zip, RAR and Zstandard files begin; tar has its mark at `TAR_AT`."""
TAR, TAR_AT = b"ustar", 257
MOST_MEMBERS = 100_000
LONGEST_DIRECTORY = 1 << 24
"""More bytes than the table of contents of `MOST_MEMBERS` slices takes."""
MOST_BYTES = 64 << 30
MOST_RATIO, ALWAYS_ALLOWED = 100, 1 << 28
"""No archive of scans unpacks to 100 times its size: noise forbids it. Small ones do no harm."""
DEEPEST, LONGEST_NAME = 32, 255
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK = 1 << 20
PREFIX = "surgplan-scan-"
LOCK = "in-use"
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, StructError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(IndexError, KeyError, OverflowError),
)
"""What `zipfile` raises on archives that are damaged or hostile."""
UNPACK = "Unpack it, and name the folder"


class _Guarded(io.FileIO):
    """A file of which nobody can ask for more at once than a table of contents may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        """As `FileIO.read`, but the size that an archive declares of its table of contents is capped."""
        if size is not None and size > LONGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its table of contents is said to take {told_bytes(size)}")
        return super().read(size)


def is_archive(path: Path) -> bool:
    """Whether a file is a zip archive, by its first bytes."""
    return _start(path, 4) in MAGIC


def is_other_archive(path: Path) -> bool:
    """Whether a file is an archive of a kind that is not opened, or compressed as a whole."""
    start = _start(path, TAR_AT + len(TAR))
    return start.startswith(OTHERS) or start[TAR_AT:] == TAR


def _start(path: Path, count: int) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A folder with the archive's files, readable by this user only; it is removed at the end.

    Errors that name a file in the folder name it within the archive instead: `scan.zip/IM0042`.

    Raises
    ------
    BadInput
        The archive is damaged, has a password, leads out of its folder, or is larger than any scan.
    OutOfResources
        The disk has no room for it.
    """
    members = checked_members(path)
    sweep_abandoned()
    with _private_folder(path) as folder:
        try:
            _unpack(path, members, folder)
            yield folder
        except SurgplanError as error:
            for name in ("subject", "found", "expected", "advice"):
                setattr(error, name, getattr(error, name).replace(str(folder), str(path)))
            error.args = (error.message,)
            raise


def checked_members(path: Path) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files that the archive holds, by their place in it; hidden ones do not count.

    Raises
    ------
    BadInput
        As `unpacked`.
    """
    try:
        with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except OSError as error:
        raise _unreadable(path, error) from error
    except BROKEN as error:
        raise BadInput(path, f"is a damaged zip archive: {error}", advice=AGAIN) from error
    if len(members) > MOST_MEMBERS:
        raise BadInput(path, f"holds {len(members)} files", f"at most {MOST_MEMBERS}", UNPACK)
    _check_sizes(path, members)
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for each in members:
        place = _place(path, each)
        if each.is_dir() or any(part.startswith(".") for part in place.parts):
            continue
        _check_kind(path, each, place)
        if place in found:
            raise BadInput(path / place, "is in the archive twice", "once", UNPACK)
        found[place] = each
    return found


def _check_sizes(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    stored = path.stat().st_size
    packed, whole = sum(each.compress_size for each in members), sum(each.file_size for each in members)
    if packed > stored:
        raise BadInput(path, f"has members of {told_bytes(packed)} in {told_bytes(stored)}: they overlap", advice=AGAIN)
    if whole > MOST_BYTES:
        raise BadInput(path, f"unpacks to {told_bytes(whole)}", f"at most {told_bytes(MOST_BYTES)}", UNPACK)
    if whole > max(MOST_RATIO * stored, ALWAYS_ALLOWED):
        found = f"unpacks to {told_bytes(whole)}, {whole // stored} times its size"
        raise BadInput(
            path, found, f"at most {MOST_RATIO} times", "Check where it comes from; no scan is packed so well"
        )


def _place(path: Path, each: zipfile.ZipInfo) -> PurePosixPath:
    """Where a member lies in the archive: below its folder, whatever its name says."""
    name = each.filename.replace("\\", "/")
    parts = [part for part in name.rstrip("/").split("/") if part != "."] or ["."]
    if name.startswith("/") or ".." in parts or "" in parts or (len(parts[0]) == 2 and parts[0].endswith(":")):
        found = f"holds a file that would lie outside of its folder: {_shown(name)}"
        raise BadInput(path, found, advice="Check where the archive comes from; it may be an attack")
    if len(parts) > DEEPEST or max(len(part.encode("utf-8", "replace")) for part in parts) > LONGEST_NAME:
        raise BadInput(path, f"holds a file with too long a name: {_shown(name)}", advice=UNPACK)
    return PurePosixPath(*("".join(sign if sign.isprintable() else "_" for sign in part) for part in parts))


def _shown(name: str) -> str:
    return ascii(name[:80])


def _check_kind(path: Path, each: zipfile.ZipInfo, place: PurePosixPath) -> None:
    if stat.S_IFMT(each.external_attr >> 16) not in (0, stat.S_IFREG):
        advice = "Check where the archive comes from; it may be an attack"
        raise BadInput(path / place, "is a link or a device", "a file", advice)
    if each.flag_bits & 1:
        advice = "Unpack it with its password, and name the folder"
        raise BadInput(path, "is protected by a password", "an open archive", advice)
    if each.compress_type not in METHODS:
        raise BadInput(path / place, f"is packed by method {each.compress_type}", "0 or 8 (deflate)", UNPACK)


def _unpack(path: Path, members: dict[PurePosixPath, zipfile.ZipInfo], folder: Path) -> None:
    """Write the members, on all cores: inflating releases the interpreter."""
    whole = sum(each.file_size for each in members.values())
    free = shutil.disk_usage(folder).free
    if whole > free:
        advice = "Free some disk space, or set TMPDIR to a folder on a larger disk"
        raise OutOfResources(
            path, f"unpacks to {told_bytes(whole)}", f"at most the {told_bytes(free)} that are free", advice
        )
    count = min(4, len(os.sched_getaffinity(0)))
    places = list(members)
    with ThreadPoolExecutor(count) as pool:
        parts = [places[start::count] for start in range(count)]
        for done in [pool.submit(_write_members, path, members, part, folder) for part in parts]:
            done.result()


def _write_members(
    path: Path, members: dict[PurePosixPath, zipfile.ZipInfo], places: Sequence[PurePosixPath], folder: Path
) -> None:
    with _Guarded(path) as file, zipfile.ZipFile(file) as archive:
        for place in places:
            try:
                with _created(folder / place) as target:
                    _inflate(path / place, archive, members[place], target)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise BadInput(path / place, "is a file and a folder in the archive", "one of them", UNPACK) from None
            except OSError as error:
                raise disk_error(folder / place, error) from error


def _created(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _inflate(subject: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: BinaryIO) -> None:
    """Copy a member; its checksum is compared at its end."""
    try:
        packed = archive.open(member)
    except (*BROKEN, OSError) as error:
        raise BadInput(subject, f"is damaged in the archive: {error}", advice=AGAIN) from error
    with packed:
        while part := _part(subject, packed):
            target.write(part)
    if target.tell() != member.file_size:
        found = f"is damaged in the archive: it holds {target.tell()} of {member.file_size} bytes"
        raise BadInput(subject, found, advice=AGAIN)


def _part(subject: Path, packed: IO[bytes]) -> bytes:
    try:
        return packed.read(CHUNK)
    except (*BROKEN, OSError) as error:
        raise BadInput(subject, f"is damaged in the archive: {error}", advice=AGAIN) from error


@contextmanager
def _private_folder(path: Path) -> Iterator[Path]:
    """A folder that only this user can read. It holds a lock, by which others see that it is still in use."""
    try:
        home = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        # locked before it has its name, so that nobody finds it free in between
        handle = os.open(home / "new", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            (home / "new").rename(home / LOCK)
            folder = home / "scan"
            folder.mkdir()
            yield folder
        finally:
            os.close(handle)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def sweep_abandoned() -> None:
    """Remove what processes that were killed left unpacked: scans of patients should not lie about."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if home.is_symlink() or home.stat().st_uid != os.getuid():
                continue
            handle = os.open(home / LOCK, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home, ignore_errors=True)
            finally:
                os.close(handle)


def _unreadable(path: Path, error: OSError) -> BadInput:
    reason = (error.strerror or str(error)).lower()
    return BadInput(path, f"cannot be read: {reason}", advice="Check the file and its permissions")
