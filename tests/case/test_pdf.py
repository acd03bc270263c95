"""The report for paper: read by pdftotext, the same bytes each time, never an old one beside a new page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from surgplan.case.approval import approve
from surgplan.case.pdf import PDF, find_browser, is_current, write_pdf
from surgplan.case.statement import PAGE
from surgplan.errors import Missing, SurgplanError
from surgplan.report.page import css_string
from tests.program import surgplan_here as surgplan


@pytest.fixture
def case(finished_case: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_case, tmp_path / "case"))


def pages(case: Path) -> list[str]:
    """The text of each page, as poppler reads it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    words = ["pdftotext", "-layout", str(case / PDF), "-"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\f")[:-1]


def test_each_page_bears_the_case_and_its_number(case: Path) -> None:
    needs_browser()
    assert surgplan("report", case, "--pdf").out.splitlines() == [str(case / PDF)]
    first = (case / PDF).read_bytes()
    told = pages(case)
    assert len(told) > 3
    for number, text in enumerate(told, 1):
        foot = "".join(text.strip().splitlines()[-1].split())
        assert foot == f"femur-examplenotfordiagnosis{number}/{len(told)}"
    whole = "".join(told)
    for word in (
        "Findings",
        "threshold_hu",
        "SHA-256",
        "Nobody had approved this case",
    ):  # closed parts are open on paper
        assert word in whole, word
    write_pdf(case)
    assert (case / PDF).read_bytes() == first
    approve(case, "Dr. A. Meier", "surgeon")
    assert not (case / PDF).exists(), "it showed a page without the approval"
    write_pdf(case)
    assert "Dr. A. Meier" in "".join(pages(case))
    assert is_current(case)
    assert surgplan("verify", case, "--approved").code == 0, "a PDF voids no approval"


def needs_browser() -> None:
    try:
        find_browser()
    except Missing:
        pytest.skip("no browser is installed (chromium)")


def test_without_a_browser_the_cure_is_told(case: Path, tmp_path: Path) -> None:
    ended = surgplan("report", case, "--pdf", PATH=str(tmp_path))
    assert ended.code == 5
    assert "apt-get install chromium" in ended.error
    assert surgplan("report", case, "--pdf", SURGPLAN_BROWSER="no-such-browser").code == 5
    assert surgplan("report", case, "--pdf", SURGPLAN_BROWSER="true").code == 3
    (case / PAGE).unlink()
    assert surgplan("report", case, "--pdf").code == 5


def test_a_program_that_makes_no_pdf_leaves_none(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURGPLAN_BROWSER", "false")
    with pytest.raises(SurgplanError, match="made no PDF"):
        write_pdf(case)
    assert not (case / PDF).exists()


def test_a_name_cannot_leave_its_css_string() -> None:
    told = css_string('"; } body { display: none } </style><script>')
    assert not set(told) & set('"<>{};:')
    assert len(css_string("x" * 10_000)) < 100
