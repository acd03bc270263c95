"""Batches: bad cases are explained and good ones made, killed workers are tried again, an inbox is emptied."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from surgplan.case.batch import case_end
from surgplan.case.batch_list import BatchCase
from surgplan.case.pool import Job, JobEnd
from tests.program import files_below, surgplan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "femur"
    assert surgplan("example", "femur", "--size", "small", "-o", folder).code == 0
    return folder


@pytest.fixture
def scans(scan: Path, tmp_path: Path) -> Path:
    """One good scan, and three bad ones, all named after patients."""
    folder = tmp_path / "scans"
    shutil.copytree(scan / "dicom", folder / "Doe^Jane")
    shutil.copytree(scan / "dicom", folder / "Roe^Richard")
    victim = sorted((folder / "Roe^Richard").iterdir())[9]
    victim.write_bytes(victim.read_bytes()[:-900])
    (folder / "Poe^Empty").mkdir()
    (folder / "Zoe^Text.nii").write_text("a letter, not a scan")
    return folder


def batch(scans: str, cases: Path, *more: object) -> list[object]:
    return ["batch", scans, "-r", "example-femur", "-o", cases, "--set", "report.pictures=false", *more]


def test_a_bad_case_does_not_stop_the_good_ones(scan: Path, scans: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    ended = surgplan(*batch(f"{scans}/*", cases, "--json"))
    assert ended.code == 4, ended.err
    assert "3 of 4 cases failed" in ended.error
    told = ended.json["batch"]
    assert told["counts"]["failed"] == 3
    assert [case["state"] for case in told["cases"]][:3] == ["failed"] * 3, "the worst come first"
    good = told["cases"][3]
    assert good["exit_code"] == 0
    assert good["volumes_ml"]["femur"] > 10
    assert all(case["message"] and case["exit_code"] == 3 for case in told["cases"][:3])

    # the same bytes as alone
    alone = tmp_path / "alone"
    words = ("run", scan / "dicom", "-r", "example-femur", "-o", alone, "--name", good["name"])
    assert surgplan(*words, "--set", "report.pictures=false").code == 0
    one, two = files_below(cases / good["folder"]), files_below(alone)
    assert {name for name in two if one.get(name) != two[name]} <= {"manifest.json"}

    # the summary: three files that agree, with nobody's name in them
    assert json.loads((cases / "batch.json").read_text()) == told
    rows = list(csv.DictReader((cases / "batch.csv").open(encoding="utf-8")))
    assert [row["name"] for row in rows] == [case["name"] for case in told["cases"]]
    for name in ("batch.json", "batch.csv", "batch.html"):
        assert not re.search("Doe|Roe|Poe|Zoe", (cases / name).read_text("utf-8")), f"{name} names a patient"

    # again: what is done is up to date
    again = surgplan(*batch(f"{scans}/*", cases, "--json"))
    assert again.json["batch"]["cases"][3]["ran"] == []


def test_a_killed_worker_is_tried_again(scan: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    words = [sys.executable, "-m", "surgplan", *batch(f"{scan}/dico*", cases, "--json", "--retries", "2")]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed = False
    until = time.monotonic() + 60
    while not killed and time.monotonic() < until:
        for lock in cases.glob("*/volume.nrrd"):
            owner = (lock.parent / ".surgplan" / "lock").read_text().split()
            os.kill(int(owner[1]), signal.SIGKILL)
            killed = True
        time.sleep(0.01)
    out, err = process.communicate(timeout=120)
    assert killed
    assert process.returncode == 0, err
    [case] = json.loads(out)["batch"]["cases"]
    assert case["tries"] == 2
    assert surgplan("verify", cases / case["folder"]).code == 0


def test_an_interrupted_batch_leaves_no_process_and_goes_on_later(scan: Path, tmp_path: Path) -> None:
    cases = tmp_path / "cases"
    words = [sys.executable, "-m", "surgplan", *batch(f"{scan}/dico*", cases)]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not list(cases.glob("*/.surgplan/lock")) and time.monotonic() < until:
        time.sleep(0.01)
    second = surgplan(*batch(f"{scan}/dico*", cases))
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert second.code == 9, second.err
    assert not list(cases.rglob("*.part*"))
    assert surgplan(*batch(f"{scan}/dico*", cases)).code == 0


def test_an_inbox_is_watched_until_nothing_comes(scan: Path, tmp_path: Path) -> None:
    inbox, cases = tmp_path / "inbox", tmp_path / "cases"
    inbox.mkdir()
    words = ["batch", "--watch", inbox, "-r", "example-femur", "-o", cases, "--settle-s", "0.6", "--idle-exit-s", "4"]
    words += ["--set", "report.pictures=false", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "surgplan", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # slices trickle in, slower than one look takes, but faster than a scan counts as complete
    (inbox / "new").mkdir()
    for number, path in enumerate(sorted((scan / "dicom").iterdir())):
        shutil.copy(path, inbox / "new")
        time.sleep(0.05 if number % 10 else 0.3)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    [case] = json.loads(out)["batch"]["cases"]
    assert case["exit_code"] == 0
    assert case["ran"], "it was taken once, when it was complete"


def test_nothing_to_do_is_wrong_usage(tmp_path: Path) -> None:
    ended = surgplan("batch", "-o", tmp_path / "cases")
    assert ended.code == 2
    assert "--list" in ended.error


def test_a_child_that_says_nothing_is_explained() -> None:
    job = Job("a", ("x",), Path("a.log"))
    end = case_end(JobEnd(job, -9, "", "", 1.0, 5, 2), BatchCase("a", Path("scan")))
    assert (end.state, end.message) == ("failed", "was killed by signal 9")
    end = case_end(JobEnd(job, 1, "not json", "", 1.0, 5, 1), BatchCase("a", Path("scan")))
    assert end.state == "failed"
    assert "exit code 1" in end.message
