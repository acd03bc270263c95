"""The log of a case: whole chains pass, every change of one breaks it, nothing is ever lost from it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.case.log import LOG, append, operator, read_log
from tests.program import surgplan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        append(tmp_path, "run", {"stages": ["ingest", "ä"], "n": number}, f"user {number}")
    return tmp_path


def test_a_chain_is_read_as_it_was_written(folder: Path) -> None:
    entries, wrong = read_log(folder)
    assert wrong == ()
    assert [(entry.number, entry.by, entry.details["n"]) for entry in entries] == [
        (n + 1, f"user {n}", n) for n in range(4)
    ]


@settings(max_examples=200)
@given(data=st.data())
def test_every_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("log")
    for number in range(3):
        append(folder, "run", {"n": number}, "somebody")
    whole = (folder / LOG).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 2))  # the last end of line may go: nothing is lost with it
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    (folder / LOG).write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
    entries, wrong = read_log(folder)
    (folder / LOG).unlink()
    same = [json.loads(line) for line in whole.splitlines()] == [{**e.__dict__} for e in entries]
    assert wrong or same


@pytest.mark.parametrize("change", ["taken out", "put in", "exchanged", "rewritten"])
def test_a_line_that_was_moved_is_found(folder: Path, change: str) -> None:
    lines = (folder / LOG).read_text("utf-8").splitlines()
    if change == "taken out":
        del lines[1]
    elif change == "put in":
        lines.insert(2, lines[1])
    elif change == "exchanged":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines[1] = lines[1].replace("user 1", "user 9")
    (folder / LOG).write_text("\n".join(lines) + "\n", "utf-8")
    assert read_log(folder)[1]


def test_a_half_written_last_line_is_told_and_the_chain_goes_on(folder: Path) -> None:
    whole = (folder / LOG).read_bytes()
    (folder / LOG).write_bytes(whole[:-30])
    append(folder, "run", {"n": 9}, "later")
    entries, wrong = read_log(folder)
    assert [entry.details["n"] for entry in entries] == [0, 1, 2, 9]
    assert wrong == ("line 4 is no entry: half-written, or damaged",)


def test_who_works_is_named_by_option_then_variable_then_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURGPLAN_OPERATOR", "lab 2")
    assert operator("Dr. A") == "Dr. A"
    assert operator() == "lab 2"
    monkeypatch.delenv("SURGPLAN_OPERATOR")
    assert operator()


def test_a_run_is_logged_with_who_what_and_how_it_ended(tmp_path: Path) -> None:
    scan, case = tmp_path / "Doe^Jane", tmp_path / "case"
    assert surgplan("example", "femur", "--size", "small", "-o", scan).code == 0
    words = ("run", scan / "dicom", "-r", "example-femur", "-o", case, "--set", "report.pictures=false")
    assert surgplan(*words, "--operator", "Dr. A").code == 0
    assert surgplan(*words, "--operator", "Dr. B").code == 0, "nothing to do: nothing to log"
    failed = surgplan(*words, "--set", "structure.femur.threshold_hu=[9000, 9999]", SURGPLAN_OPERATOR="Dr. C")
    assert failed.code == 3
    told = surgplan("log", case, "--json").json["log"]
    assert [(entry["action"], entry["by"]) for entry in told] == [
        ("run", "Dr. A"),
        ("done", "Dr. A"),
        ("run", "Dr. C"),
        ("failed", "Dr. C"),
    ]
    assert told[1]["details"]["stages"] == ["ingest", "segment", "surface", "print", "navigation", "report"]
    assert told[3]["details"] == {"stage": "segment", "error": "EmptyLabel"}
    text = (case / LOG).read_text("utf-8")
    assert "Doe" not in text
    (case / LOG).write_text(text.replace("Dr. A", "Dr. Z"), "utf-8")
    assert surgplan("log", case).code == 4
    shutil.rmtree(case)
    case.mkdir()
    assert surgplan("log", case).code == 5
