"""What is shared: opened by 7-Zip, age and Python's zipfile; refused when anything of the patient is in it."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.approval import approve
from surgplan.case.share_zip import Encryption
from surgplan.errors import WrongUsage
from surgplan.formats.images import read_volume
from surgplan.formats.threemf import read_threemf
from tests.privacy.planted import FAMILY, planted_scan
from tests.program import surgplan_here as surgplan

PASSWORD = "four random words here"
RECIPE = """
[[structure]]
name = "skull"
threshold_hu = [300, 3071]

[[structure]]
name = "skin"
method = "body"

[report]
pictures = false
"""


@pytest.fixture
def case(finished_case: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_case, tmp_path / "case"))


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A case with a skull and skin, and its scan, whose headers are full of a patient."""
    folder = tmp_path_factory.mktemp("head")
    scan = planted_scan(folder)
    (folder / "head.toml").write_text(RECIPE, "utf-8")
    ended = surgplan("run", scan, "-r", folder / "head.toml", "-o", folder / "case")
    assert ended.code == 0, ended.err
    return folder / "case", scan


def seven_zip(*words: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("7z") or shutil.which("7zz")
    if program is None:
        pytest.skip("7-Zip is not installed (p7zip-full)")
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def test_what_goes_out_is_the_case_byte_by_byte_with_checksums(case: Path, tmp_path: Path) -> None:
    approve(case, "Dr. A. Meier", "surgeon")
    archive = tmp_path / "out.zip"
    ended = surgplan("share", case, "-o", archive, "--include", "report,models,navigation,surfaces,scan,approval")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [str(archive)]
    found = contents(archive)
    made = {"README.txt", "SHA256SUMS", "navigation/scene.mrml"}
    assert {name: data for name, data in found.items() if name not in made} == {
        name: (case / name).read_bytes() for name in found if name not in made
    }
    assert {"report/index.html", "volume.nrrd", "surfaces/femur.ply", "approval/0001.json"} <= set(found)
    assert not any("log" in name or "surgplan/" in name for name in found)
    assert "Approval 1 by Dr. A. Meier, surgeon" in found["README.txt"].decode()
    out = tmp_path / "x"
    assert seven_zip("x", f"-o{out}", archive).returncode == 0
    (folder,) = out.iterdir()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    assert json.loads((case / "log.jsonl").read_text("utf-8").splitlines()[-1])["action"] == "share"
    assert surgplan("verify", case, "--approved").code == 0, "sharing voids no approval"


def test_the_same_case_gives_the_same_bytes_and_is_not_overwritten(case: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        assert surgplan("share", case, "-o", tmp_path / name, "--include", "models,record").code == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert surgplan("share", case, "-o", tmp_path / "a.zip").code == 6
    assert (
        "patient" not in json.loads(contents(tmp_path / "a.zip")["manifest.json"])
        or not json.loads(contents(tmp_path / "a.zip")["manifest.json"])["patient"]
    )


def test_the_scene_names_only_what_is_shared(case: Path, tmp_path: Path) -> None:
    assert surgplan("share", case, "-o", tmp_path / "a.zip", "--include", "navigation").code == 0
    found = contents(tmp_path / "a.zip")
    named = re.findall(r'fileName="([^"]+)"', found["navigation/scene.mrml"].decode())
    assert named
    assert {f"navigation/{name}" for name in named} <= set(found)


def test_nothing_of_a_head_that_may_show_its_face_goes_out(head: tuple[Path, Path], tmp_path: Path) -> None:
    case, scan = head
    archive = tmp_path / "out.zip"
    words = ("--include", "report,models,surfaces,scan,record", "--against", scan)
    ended = surgplan("share", case, "-o", archive, *words, "-v")
    assert ended.code == 0, ended.err
    assert "E.3.2 (113102)" in json.dumps(contents(archive)["README.txt"].decode())
    found = contents(archive)
    assert {"print/skull.stl", "surfaces/skull.ply"} <= set(found)
    assert not [name for name in found if "skin" in name]
    model = tmp_path / "model.3mf"
    (name,) = [name for name in found if name.endswith(".3mf")]
    model.write_bytes(found[name])
    plate, _ = read_threemf(model)
    assert [each.label.name for each in plate.objects] == ["skull"]
    page = found["report/index.html"].decode()
    assert re.findall(r'<li><span class="dot"[^>]*></span><bdi>(.*?)</bdi></li>', page)[:1] == ["skull"]
    (tmp_path / "volume.nrrd").write_bytes(found["volume.nrrd"])
    left, before = read_volume(tmp_path / "volume.nrrd"), read_volume(case / "volume.nrrd")
    away = np.linalg.norm(np.indices(before.array.shape).T - (18, 24, 24), axis=-1).T * 1.5
    assert (left.array[away < 13] == before.array[away < 13]).all()
    assert (left.array[away > 13 + 2 * 1.5 + 2] == -1000).all()
    assert b'"skin' not in found["labels.seg.nrrd"]
    whole = surgplan("share", case, "-o", tmp_path / "whole.zip", *words, "--with-face")
    assert whole.code == 0
    assert contents(tmp_path / "whole.zip")["volume.nrrd"] == (case / "volume.nrrd").read_bytes()
    assert "surfaces/skin.ply" in contents(tmp_path / "whole.zip")


def test_a_value_of_the_headers_stops_it(head: tuple[Path, Path], tmp_path: Path) -> None:
    case = Path(shutil.copytree(head[0], tmp_path / "case"))
    approve(case, f"Quintessa {FAMILY}", "surgeon")
    archive = tmp_path / "out.zip"
    ended = surgplan("share", case, "-o", archive, "--against", head[1])
    assert ended.code == 8
    assert "PatientName" in ended.err
    assert FAMILY not in ended.err
    assert not archive.exists()


def test_without_the_scan_nobody_can_tell_what_is_private(head: tuple[Path, Path], tmp_path: Path) -> None:
    case = Path(shutil.copytree(head[0], tmp_path / "case"))
    words = ("share", case, "-o", tmp_path / "out.zip", "--include", "models")
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    ended = surgplan(*words, **state)
    assert ended.code == 5
    assert "--against" in ended.error
    assert surgplan(*words, "--unchecked", "scan is archived", **state).code == 0
    assert "scan is archived" in surgplan("log", case).out


def test_another_scan_cannot_clear_a_patient(head: tuple[Path, Path], case: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(head[1], tmp_path / "other"))
    next(other.iterdir()).unlink()
    ended = surgplan("share", case, "-o", tmp_path / "out.zip", "--against", other)
    assert ended.code == 3
    assert "the scan that the case was made from" in ended.error
    assert not (tmp_path / "out.zip").exists()


def test_a_file_that_was_changed_is_not_shared(case: Path, tmp_path: Path) -> None:
    (case / "print" / "femur.stl").write_bytes(b"other")
    assert surgplan("share", case, "-o", tmp_path / "out.zip").code == 4
    assert not (tmp_path / "out.zip").exists()


def test_aes_is_opened_by_7_zip_with_the_password_only(case: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyzipper")
    archive, secret = tmp_path / "out.zip", tmp_path / "secret.txt"
    secret.write_text(PASSWORD + "\n", "utf-8")
    words = ("share", case, "-o", archive, "--include", "models", "--encrypt", "zip")
    assert surgplan(*words, "--password-file", secret).code == 0
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            assert entry.compress_type == 99
            assert entry.CRC == 0, "AE-2 keeps no checksum of what is encrypted"
            kind, size, version, vendor, strength = struct.unpack("<HHH2sB", entry.extra[:9])
            assert (kind, size, version, vendor, strength) == (0x9901, 7, 2, b"AE", 3)
    assert b"solid" not in archive.read_bytes()
    assert seven_zip("t", "-pwrong password", archive).returncode != 0
    out = tmp_path / "x"
    assert seven_zip("x", f"-p{PASSWORD}", f"-o{out}", archive).returncode == 0
    (folder,) = out.iterdir()
    assert (folder / "print" / "femur.stl").read_bytes() == (case / "print" / "femur.stl").read_bytes()
    assert surgplan(*words, "--overwrite", SURGPLAN_SHARE_PASSWORD=PASSWORD).code == 0
    assert surgplan(*words, "--overwrite").code == 5, "without a terminal nobody is asked"


def test_age_is_opened_by_age_with_the_key_only(case: Path, tmp_path: Path) -> None:
    if shutil.which("age") is None:
        pytest.skip("age is not installed")
    key = tmp_path / "key.txt"
    told = subprocess.run(["age-keygen", "-o", key], capture_output=True, text=True, check=True).stderr
    recipient = told.split()[-1]
    archive, plain = tmp_path / "out.zip.age", tmp_path / "out.zip"
    words = ("share", case, "-o", archive, "--include", "models", "--encrypt", "age")
    assert surgplan(*words, "--to", recipient).code == 0
    subprocess.run(["age", "--decrypt", "-i", key, "-o", plain, archive], check=True)
    assert contents(plain)["print/femur.stl"] == (case / "print" / "femur.stl").read_bytes()
    broken = surgplan(*words, "--to", "age1nonsense", "--overwrite")
    assert broken.code == 3
    assert archive.exists()
    absent = surgplan(*words, "--to", recipient, "--overwrite", PATH="/nonexistent")
    assert absent.code == 5
    assert "apt-get install age" in absent.error


@pytest.mark.parametrize(
    "words",
    [
        ("--include", "modles"),
        ("--include", ""),
        ("--encrypt", "age"),
        ("--to", "age1x"),
        ("--password-file", "x"),
        ("--encrypt", "pgp"),
    ],
)
def test_wishes_that_cannot_be_meant_are_refused(finished_case: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    from surgplan.cli.main import run

    assert run(["share", str(finished_case), "-o", str(tmp_path / "x.zip"), *words]) == 2


def test_short_passwords_are_refused() -> None:
    with pytest.raises(WrongUsage, match="at least 12"):
        Encryption("hunter2")
