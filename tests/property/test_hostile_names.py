"""Names that are HTML, scripts, endless, or turn the writing round show as text wherever they come out."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.case.approval import approve
from surgplan.case.manifest import Manifest
from surgplan.case.pdf import PDF, write_pdf
from surgplan.case.share_readme import readme
from surgplan.case.share_zip import Encryption, write_archive
from surgplan.case.standing import Standing
from surgplan.case.statement import PAGE
from surgplan.errors import Missing
from surgplan.findings import Finding, Level
from surgplan.formats.threemf_stamp import stamp_threemf
from surgplan.privacy.faces import Faces
from surgplan.report.approvals import EMPTY, END, START, ApprovalRow, with_approvals, without_approvals
from surgplan.report.batch_page import BatchRow, batch_page
from surgplan.report.failed_page import FailedCase, failed_page
from surgplan.report.page import visible

PLANTED = (
    "<script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "<!--/approvals--><b>approved</b><!--approvals-->",
    "\u202eabc\u2066",
    "a\u200bb",
    "'\"><svg onload=x>",
    "{{ 7*7 }}{% raw %}",
    "]]></metadata><resources>",
    "javascript:alert(1)",
    "../../etc/passwd",
    "x" * 10_000,
    "&lt;b&gt; &amp;amp;",
)
NAMES = st.one_of(st.sampled_from(PLANTED), st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80))
SHOWN = settings(max_examples=20, deadline=None)


class Read(HTMLParser):
    """Tags with their attributes' names, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def shows_as_text(make, name: str) -> None:
    """The page has the tags that it has for a harmless name as long, and the name is in its text."""
    page, plain = Read(make(name)), Read(make("p" * len(name)))
    assert page.tags == plain.tags, name[:100]
    assert "".join(visible(name).split()) in "".join(page.text.split())


@SHOWN
@given(NAMES)
def test_in_the_batch_page(name: str) -> None:
    shows_as_text(lambda n: batch_page([BatchRow(n, "failed", n, (n,), {n: 1.0}, 1.0, "a", "b", b"")]), name)


@SHOWN
@given(NAMES)
def test_in_the_page_of_a_failed_case(name: str) -> None:
    found = Finding("check", Level.WARN, name, name, name, name, name)

    def make(n: str) -> str:
        return failed_page(FailedCase(n, n, "segment", n, n, n, n, 3, {"ingest": [n]}, (), [n], [("a", found)], "1"))

    shows_as_text(make, name)


@SHOWN
@given(NAMES)
def test_in_approvals_which_stay_in_their_place(name: str) -> None:
    page = f"<p>before</p>{EMPTY}<p>after</p>"
    shows_as_text(lambda n: with_approvals(page, [ApprovalRow(1, n, n, "now", "ready", n, "none", n, "ab" * 32)]), name)
    stamped = with_approvals(page, [ApprovalRow(1, name, name, "now", "ready", name, "none", name, "ab" * 32)])
    assert stamped.count(START) == stamped.count(END) == 1
    assert without_approvals(stamped) == page


@SHOWN
@given(NAMES)
def test_in_the_readme_each_name_stays_on_its_line(name: str) -> None:
    approval = Standing(1, name, name, "now", "ready", name, "ab" * 32, "", void=name)
    made = [readme(Manifest(case=n, recipe="r"), ("report/index.html",), Faces(), (approval,)) for n in (name, "plain")]
    assert len({text.count("\n") for text in made}) == 1
    assert all(line.isprintable() for line in made[0].splitlines())


@pytest.fixture(scope="module")
def model(finished_case: Path) -> Path:
    return next((finished_case / "print").glob("*.3mf"))


@settings(max_examples=8, deadline=None)
@given(NAMES)
def test_in_a_3mf_with_metadata(model: Path, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("stamp")
    stamp_threemf(model, folder / "m.3mf", {"approved-1": name})
    with zipfile.ZipFile(folder / "m.3mf") as archive, archive.open("3D/3dmodel.model") as file:
        for _, element in ET.iterparse(file):
            if element.get("name") == "surgplan:approved-1":
                assert element.text is None or set(element.text) <= set(name)
                assert len(element) == 0
                break
        else:
            raise AssertionError("the metadata is not there")
    shutil.rmtree(folder)


def test_in_a_zip_no_name_leads_outside(tmp_path: Path) -> None:
    write_archive(tmp_path / "x.zip", {"case/a b.txt": b"1"}, Encryption())
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["case/a b.txt"]


def test_on_paper_and_by_approval(finished_case: Path, tmp_path: Path) -> None:
    """A browser prints the page of a case whose name is a script: the name is text, and nothing ran."""
    case = Path(shutil.copytree(finished_case, tmp_path / "case"))
    approve(case, "<script>document.title=1</script>", "</bdi><h1>surgeon")
    page = (case / PAGE).read_text("utf-8")
    assert "<script>document" not in page
    try:
        write_pdf(case)
    except Missing:
        pytest.skip("no browser is installed (chromium)")
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    told = subprocess.run(["pdftotext", case / PDF, "-"], check=True, capture_output=True, text=True).stdout
    assert "<script>document.title=1</script>" in "".join(told.split())
