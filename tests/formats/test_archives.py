"""Archives are unpacked within their folder and within caps, or refused. Truth: zipfile, and bytes written by hand."""

from __future__ import annotations

import stat
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from surgplan.errors import BadInput, OutOfResources
from surgplan.formats import archives
from surgplan.formats.archives import checked_members, is_archive, is_other_archive, sweep_abandoned, unpacked


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def test_files_come_out_as_they_went_in_and_go_away(tmp_path: Path, own_temporary_folder: Path) -> None:
    members = {"IM1": b"one", "a/b/IM2": bytes(3_000_000), "a/IM3": b"", "./c/IM4": b"four", "d\\IM5": b"five"}
    hidden = {".DS_Store": b"x", "__MACOSX/._IM1": b"x", "a/.git/IM9": b"x"}
    path = packed(tmp_path / "scan.zip", members | hidden)
    with unpacked(path) as folder:
        found = {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    expected = {name.removeprefix("./").replace("\\", "/"): data for name, data in members.items()}
    assert found == expected
    assert not list(own_temporary_folder.iterdir())


def test_archives_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    assert is_archive(packed(tmp_path / "scan", {"a": b"x"}))
    assert is_archive(packed(tmp_path / "empty", {}))
    (tmp_path / "no.zip").write_bytes(b"no archive")
    assert not is_archive(tmp_path / "no.zip")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "absent")
    assert not is_other_archive(tmp_path / "no.zip")
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        with tarfile.open(tmp_path / "scan.tar", mode) as tar:
            tar.add(tmp_path / "no.zip")
        assert is_other_archive(tmp_path / "scan.tar")
        assert not is_archive(tmp_path / "scan.tar")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//x", "..\\x", "C:\\x", "c:/x"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "scan.zip", {"IM1": b"x", name: b"x"})
    with pytest.raises(BadInput, match=r"scan\.zip: holds a file that would lie outside"), unpacked(path):
        pass
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "scan.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("IM1")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadInput, match=r"scan\.zip/IM1: is a link or a device"), unpacked(path):
        pass


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a" * 300], "too long a name"),
        (["a/" * 40 + "b"], "too long a name"),
        (["a", "./a"], "scan.zip/a: is in the archive twice"),
        (["a", "a/b"], "is a file and a folder"),
        (["a\x1b[2Jb", "a\x07[2Jb"], r"a_\[2Jb: is in the archive twice"),
    ],
)
def test_names_that_cannot_be_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    path = packed(tmp_path / "scan.zip", dict.fromkeys(names, b"x"))
    with pytest.raises(BadInput, match=words) as caught, unpacked(path):
        pass
    assert caught.value.message.isprintable()


def test_bombs_are_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "bomb.zip", {f"IM{number}": bytes(30 << 20) for number in range(10)})
    monkeypatch.setattr(archives, "_private_folder", None)
    with (
        pytest.raises(BadInput, match=r"unpacks to 300\.0 MiB, \d+ times its size, expected at most 100"),
        unpacked(path),
    ):
        pass
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    with pytest.raises(BadInput, match=r"unpacks to 300\.0 MiB, expected at most 1\.0 MiB"), unpacked(path):
        pass
    monkeypatch.setattr(archives, "MOST_MEMBERS", 5)
    with pytest.raises(BadInput, match="holds 10 files, expected at most 5"), unpacked(path):
        pass


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """Fifield's bomb: many entries of the table of contents point to the same packed bytes."""
    path = packed(tmp_path / "scan.zip", {"a": bytes(range(256)) * 40, "b": b""}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", start + 4)
    for field, size in ((16, 12), (42, 4)):  # CRC and sizes, and the place
        data[second + field : second + field + size] = data[start + field : start + field + size]
    path.write_bytes(data)
    with pytest.raises(BadInput, match="they overlap"):
        checked_members(path)


def test_a_table_of_contents_that_is_said_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "scan.zip"
    with path.open("wb") as file:
        file.truncate(1 << 31)  # takes no room on the disk
        file.write(b"PK\x03\x04")
        file.seek(0, 2)
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 9, 9, (1 << 31) - 100, 0, 0))
    with pytest.raises(BadInput, match=r"table of contents is said to take 2\.0 GiB"):
        checked_members(path)


@pytest.mark.parametrize("place", [0, 30, 60, 5000, -5])
def test_damage_is_told_with_the_file_that_has_it(tmp_path: Path, place: int) -> None:
    path = packed(tmp_path / "scan.zip", {"IM1": bytes(range(256)) * 100}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"scan\.zip.* damaged"), unpacked(path):
        pass


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "scan.zip", {"IM1": bytes(range(256)) * 100})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadInput, match=r"scan\.zip: is a damaged zip archive"), unpacked(path):
        pass


def test_a_password_and_odd_methods_are_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "scan.zip", {"IM1": b"x" * 1000}, zipfile.ZIP_LZMA)
    with pytest.raises(BadInput, match=r"scan\.zip/IM1: is packed by method 14"), unpacked(path):
        pass
    data = bytearray(packed(path, {"IM1": b"x"}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match=r"protected by a password.*Unpack it with its password"), unpacked(path):
        pass


def test_a_disk_that_is_too_small_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "scan.zip", {"IM1": bytes(5000)})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 4999}))
    with pytest.raises(OutOfResources, match="5000 bytes, expected at most the 4999 bytes that are"), unpacked(path):
        pass


def test_errors_name_files_within_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "scan.zip", {"a/IM1": b"x"})
    with pytest.raises(BadInput) as caught, unpacked(path) as folder:
        raise BadInput(folder / "a" / "IM1", "is bad", advice=f"Look at {folder}/a/IM1")
    assert caught.value.message == f"{path}/a/IM1: is bad. Look at {path}/a/IM1."
    assert str(caught.value) == caught.value.message


def test_what_a_killed_process_left_goes_away_and_what_is_in_use_stays(
    tmp_path: Path, own_temporary_folder: Path
) -> None:
    left = own_temporary_folder / "surgplan-scan-killed"
    left.mkdir()
    (left / "in-use").touch()
    foreign = own_temporary_folder / "surgplan-scan-foreign"
    foreign.mkdir()
    path = packed(tmp_path / "scan.zip", {"IM1": b"x"})
    with unpacked(path) as folder:
        sweep_abandoned()
        assert not left.exists()
        assert foreign.exists()
        assert (folder / "IM1").read_bytes() == b"x"


def test_places_are_below_the_folder(tmp_path: Path) -> None:
    members = checked_members(packed(tmp_path / "scan.zip", {"a/./b": b"x", "c/": b""}))
    assert list(members) == [PurePosixPath("a/b")]
