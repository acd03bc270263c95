"""What a folder means to a batch: one scan with its series, or many cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.case.batch_folders import cases_in
from tests.formats.slices import slice_of, write
from tests.program import surgplan_here as surgplan


def scan(folder: Path, patient: str, study: str = "1.2.3") -> Path:
    for number in range(2):
        data = slice_of(np.zeros((4, 4), np.int16), (0, 0, number))
        data.PatientID, data.StudyInstanceUID = patient, study
        write(folder / f"{number}.dcm", data)
    return folder


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in cases_in(folder)]


def test_subfolders_with_case_files_and_scans_are_cases(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case.toml").write_text(f'case = "{name}"\nsource = "x"\n')
    scan(tmp_path / "c", "P1")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("words")
    assert names(tmp_path) == ["a/case.toml", "b/case.toml", "c"]
    assert names(tmp_path / "a") == ["case.toml"]


def test_scans_of_several_patients_are_cases_and_series_of_one_are_none(tmp_path: Path) -> None:
    scan(tmp_path / "many" / "x" / "series 1", "P1")
    scan(tmp_path / "many" / "y", "P2")
    scan(tmp_path / "one" / "series 1", "P1", "1.2.3")
    scan(tmp_path / "one" / "series 2", "P1", "1.2.4")
    scan(tmp_path / "nameless" / "x", "", "1.2.3")
    scan(tmp_path / "nameless" / "y", "", "1.2.4")
    assert names(tmp_path / "many") == ["x", "y"]
    assert names(tmp_path / "one") == ["."]
    assert names(tmp_path / "nameless") == ["x", "y"]
    scan(tmp_path / "many", "P1")
    assert names(tmp_path / "many") == ["."], "slices lie in the folder itself"


def test_image_files_and_archives_are_cases(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nrrd"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".hidden.nii").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("words")
    assert names(tmp_path) == ["a.nii.gz", "b.nrrd"]
    (tmp_path / "b.nrrd").unlink()
    assert names(tmp_path) == ["."]


@pytest.mark.parametrize("what", ["nothing", "words"])
def test_what_is_no_scan_stays_one_case_that_fails(tmp_path: Path, what: str) -> None:
    if what == "words":
        (tmp_path / "notes.txt").write_text("words")
    assert names(tmp_path) == ["."]


@pytest.mark.slow
def test_a_folder_of_examples_is_made(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert surgplan("example", "femur", "--size", "small", "-o", tmp_path / "in" / name).code == 0
        text = (tmp_path / "in" / name / "case.toml").read_text("utf-8")
        (tmp_path / "in" / name / "case.toml").write_text(text.replace("femur-example", name), "utf-8")
    words = ("batch", tmp_path / "in", "-o", tmp_path / "out", "--set", "report.pictures=false", "--json")
    ended = surgplan(*words, "--set", "report.viewer=false")
    assert [case["name"] for case in ended.json["batch"]["cases"]] == ["one", "two"], ended.err
    assert ended.code == 0
