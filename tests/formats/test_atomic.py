"""No half-written file under its final name, no success that is not true, nothing lost that was there."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from surgplan.errors import BadInput, OutOfResources, SurgplanError, WouldOverwrite, WrongUsage
from surgplan.formats import atomic
from surgplan.formats.atomic import refuse_overwriting, sweep, write_bytes, write_file, write_pieces


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_there_with_its_hash(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    written = write_bytes(tmp_path / "new" / "file.bin", data)
    assert written.path.read_bytes() == data
    assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert only(tmp_path / "new") == ["file.bin"]


def test_the_temporary_file_lies_beside_and_ends_alike(tmp_path: Path) -> None:
    seen: list[Path] = []
    write_file(tmp_path / "labels.seg.nrrd", lambda path: (seen.append(path), path.write_bytes(b"x"))[0])
    assert seen[0].parent == tmp_path
    assert seen[0].name.endswith(".seg.nrrd")
    assert seen[0].name.startswith(".")


@pytest.mark.parametrize("failing", ["fill", "check"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutOfResources),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), OutOfResources),
        (OSError(errno.EIO, "Input/output error"), OutOfResources),
        (OSError(errno.EACCES, "Permission denied"), WrongUsage),
        (OSError(errno.EROFS, "Read-only file system"), WrongUsage),
        (RuntimeError("ITK could not write\nsome reason"), OutOfResources),
        (BadInput("file", "differs"), BadInput),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failing: str, error: BaseException, kind: type[BaseException]
) -> None:
    path = tmp_path / "model.stl"
    path.write_bytes(b"the old one")

    def fails(temporary: Path) -> None:
        if failing == "fill":
            temporary.write_bytes(b"half of the n")
        raise error

    fill: Callable[[Path], object] = fails if failing == "fill" else lambda temporary: temporary.write_bytes(b"new")
    with pytest.raises(kind) as caught:
        write_file(path, fill, fails if failing == "check" else None)  # type: ignore[arg-type]
    if isinstance(caught.value, SurgplanError):
        assert caught.value.message.count(str(path)) == (0 if kind is BadInput else 1)
    assert path.read_bytes() == b"the old one"
    assert only(tmp_path) == ["model.stl"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_flush_and_rename_that_fail_are_told(tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), refuse)
    with pytest.raises(OutOfResources, match="input/output error"):
        write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert only(tmp_path) == ["a"]


DAMAGE = {
    "one bit": lambda data: data[:3] + bytes([data[3] ^ 1]) + data[4:],
    "cut short": lambda data: data[:-1],
    "longer": lambda data: data + b"x",
    "gone": lambda data: b"",
    "the last byte": lambda data: data[:-1] + b"?",
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("size", [20, atomic.CHUNK, 2 * atomic.CHUNK + 5])
def test_bytes_that_come_back_different_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, size: int
) -> None:
    def damage(path: Path) -> None:
        if path.is_file():
            path.write_bytes(DAMAGE[what](path.read_bytes()))

    monkeypatch.setattr(atomic, "_flush", damage)
    with pytest.raises(BadInput, match="other bytes"):
        write_pieces(tmp_path / "a", (b"begin", b"", bytearray(size)))
    assert only(tmp_path) == []


def test_leftovers_of_killed_processes_are_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in (".volume.123.part.nrrd", "volume.nrrd", ".hidden", "my.part.stl"):
        (tmp_path / name).write_bytes(b"x")
    sweep(tmp_path)
    assert only(tmp_path) == [".hidden", "my.part.stl", "volume.nrrd"]


def test_overwriting_needs_to_be_asked_for(tmp_path: Path) -> None:
    refuse_overwriting(tmp_path / "a", overwrite=False)
    (tmp_path / "a").touch()
    refuse_overwriting(tmp_path / "a", overwrite=True)
    with pytest.raises(WouldOverwrite, match="--overwrite"):
        refuse_overwriting(tmp_path / "a", overwrite=False)
