"""Stages driven by a real GNU Make: what runs, what is left alone, what a failed check leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from surgplan.cli.depfile import escaped, make_rule
from surgplan.errors import WrongUsage
from tests.program import files_below, surgplan

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="GNU Make is not installed")


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder / "dicom"


@pytest.fixture
def lab(scan: Path, tmp_path: Path) -> Path:
    """A lab with two scans, and the makefile that the documentation shows."""
    for name in ("left-17", "right-18"):
        shutil.copytree(scan, tmp_path / "scans" / name)
    program = f"{sys.executable} -m surgplan"
    # the femur is longer than the printer: in life size `surgplan print` rejects it
    text = f"SURGPLAN = {program}\nRECIPE = example-femur\nFLAGS = -q\nPRINT = --scale 0.5\n"
    text += "include $(shell $(SURGPLAN) info --make)\n"
    (tmp_path / "Makefile").write_text(text)
    return tmp_path


def make(lab: Path, *words: str) -> tuple[int, list[tuple[str, str]], str]:
    """Exit code, the stages that ran with the case that each ran for, and stderr."""
    done = subprocess.run(["make", "-j2", *words], cwd=lab, capture_output=True, text=True, check=False)
    ran = re.findall(r"-m surgplan (\w+) .*?> cases/([\w-]+)/", done.stdout)
    return done.returncode, sorted((case, stage) for stage, case in ran), done.stderr


def test_only_what_changed_is_made_again(lab: Path) -> None:
    stages = ["ingest", "navigate", "print", "segment", "surface"]
    code, ran, err = make(lab, "cases")
    assert code == 0, err
    assert ran == [(case, stage) for case in ("left-17", "right-18") for stage in stages]
    for case in ("left-17", "right-18"):
        assert (lab / "cases" / case / f"{case}.3mf").is_file()
        assert (lab / "cases" / case / "navigation" / "plan.json").is_file()
    before = files_below(lab / "cases")

    assert make(lab, "cases")[:2] == (0, [])

    slices = sorted((lab / "scans" / "left-17").iterdir())
    slices[3].touch()
    code, ran, err = make(lab, "cases")
    assert (code, ran) == (0, [("left-17", "ingest")]), "the same bytes came out, so nothing else may run"
    assert files_below(lab / "cases") == before

    slices[0].unlink()  # an end slice: another volume
    code, ran, err = make(lab, "cases")
    assert (code, ran) == (0, [("left-17", stage) for stage in stages]), err

    code, ran, err = make(lab, "cases", "RECIPE_right-18=ct-bone")
    assert (code, ran) == (0, [("right-18", "print"), ("right-18", "segment"), ("right-18", "surface")]), err


@pytest.mark.slow
def test_a_bad_scan_stops_its_own_case_only(lab: Path) -> None:
    slices = sorted((lab / "scans" / "left-17").iterdir())
    slices[9].unlink()
    code, _, err = make(lab, "-k", "models")
    assert code == 2
    assert "gap of" in err
    assert not (lab / "cases" / "left-17" / ".make" / "volume").exists()
    assert (lab / "cases" / "right-18" / "right-18.3mf").is_file()


def test_make_reads_the_names_that_a_depfile_holds(tmp_path: Path) -> None:
    names = ["plain", "two words", "cash$", "hash#tag", "umläut", "a&b'c"]
    for name in names:
        (tmp_path / name).write_text("x")
    rule = make_rule([Path("out put")], [Path(name) for name in names])
    (tmp_path / "Makefile").write_text(rule + "\nout\\ put:\n\ttouch 'out put'\n")
    assert subprocess.run(["make"], cwd=tmp_path, check=False, capture_output=True).returncode == 0
    assert subprocess.run(["make", "-q"], cwd=tmp_path, check=False).returncode == 0
    for name in names:
        (tmp_path / "out put").touch()
        (tmp_path / name).write_text("newer")
        later = (tmp_path / "out put").stat().st_mtime + 10
        os.utime(tmp_path / name, (later, later))
        assert subprocess.run(["make", "-q"], cwd=tmp_path, check=False).returncode == 1, name
        os.utime(tmp_path / "out put", (later + 10, later + 10))
    (tmp_path / "plain").unlink()
    assert subprocess.run(["make"], cwd=tmp_path, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", ["a\nb", "a:b", "50%", "a*", "what?", "lib(member)"])
def test_names_that_make_would_misread_are_refused(name: str) -> None:
    with pytest.raises(WrongUsage, match="Make would misread"):
        escaped(Path(name))


def test_an_unchanged_output_is_left_untouched(scan: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume.nrrd"
    assert surgplan("ingest", scan, "-o", volume).code == 0
    before = volume.stat()
    ended = surgplan("ingest", scan, "-o", volume, "--overwrite", "--depfile", tmp_path / "v.d")
    assert ended.code == 0
    assert ended.out == f"{volume}\n"
    assert (volume.stat().st_mtime_ns, volume.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    told = (tmp_path / "v.d").read_text()
    assert told.startswith(f"{volume}: ")
    assert all(str(path) in told for path in scan.iterdir())
