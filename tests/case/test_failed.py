"""A run that fails half way leaves a page that says where, names nobody, and is gone when the run succeeds."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest

from surgplan.case.approval import approve
from surgplan.case.failed import without_scan
from surgplan.case.statement import PAGE
from tests.privacy.planted import FAMILY, planted_scan
from tests.program import surgplan_here as surgplan


def text_of(case: Path) -> str:
    page = (case / PAGE).read_text("utf-8")
    return html.unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page[page.index("<body>") :])))


def cut(scan: Path) -> None:
    victim = sorted(scan.iterdir())[9]
    victim.write_bytes(victim.read_bytes()[:-900])


def emptied(scan: Path) -> None:
    for path in scan.iterdir():
        path.unlink()


def gap(scan: Path) -> None:
    for path in sorted(scan.iterdir())[10:13]:
        path.unlink()


def letters(scan: Path) -> None:
    for path in scan.iterdir():
        path.write_text("a letter, not a scan")


@pytest.mark.parametrize("harm", [cut, emptied, gap, letters])
def test_bad_scans_leave_a_page_without_names(tmp_path: Path, harm) -> None:
    scan, case = planted_scan(tmp_path), tmp_path / "case"
    harm(scan)
    ended = surgplan("run", scan, "-r", "ct-bone", "-o", case)
    assert ended.code == 3
    told = text_of(case)
    assert "Failed in the stage ingest" in told
    assert "What to do:" in told
    assert FAMILY.lower() not in told.lower()
    assert "segment not reached" in told


def test_a_later_stage_tells_what_exists_and_the_next_run_replaces_it(finished_case: Path, tmp_path: Path) -> None:
    case = Path(shutil.copytree(finished_case, tmp_path / "case"))
    page = (case / PAGE).read_bytes()
    approve(case, "Dr. A. Meier", "surgeon")
    words = ("run", finished_case.parent / "femur" / "case.toml", "-o", case)
    assert surgplan(*words, "--set", "structure.femur.threshold_hu=[9000, 9999]").code == 3
    told = text_of(case)
    assert "Failed in the stage segment structure `femur` : no voxel" in told
    assert "ingest done volume.nrrd" in told
    assert "Left by an earlier run, and no part of this one: labels.seg.nrrd" in told
    assert "surface not reached" in told
    assert surgplan("verify", case).code == 4
    assert surgplan(*words).code == 0
    assert b"Failed in the stage" not in (case / PAGE).read_bytes()
    assert len((case / PAGE).read_bytes()) > len(page) - 500
    assert surgplan("verify", case, "--approved").code == 0, "it is again what was approved"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/scans/Doe^Jane/CT 1/IM 003: is cut", "a file of the scan"),
        ("gap in /scans/Doe^Jane/IM 003 Jane.dcm: 5 mm", "gap in a file of the scan: 5 mm"),
        ("/scans/Doe^Jane", "the scan"),
        ("Doe^Jane has no slices, and --fill-gaps helps", "the scan has no slices, and --fill-gaps helps"),
        ("structure `bone`: nothing", "structure `bone`: nothing"),
    ],
)
def test_the_place_of_the_scan_stays_out(text: str, expected: str) -> None:
    assert without_scan(text, Path("/scans/Doe^Jane")) == expected
    assert without_scan("is empty", Path("/scans/empty")) == "is empty"
