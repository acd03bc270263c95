"""The viewer in a real browser: it opens from its file, asks for nothing, and shows and measures what is there."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.report.stage import ReportParams, make_report
from tests.report.browser import chromium, opened_report
from tests.report.cases import small_case

BARE = ReportParams(pictures=False, single_structures=0)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def written(given, folder, params=BARE):
    path = folder / "index.html"
    path.write_text(make_report(given, params).html, "utf-8")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return written(small_case(), tmp_path_factory.mktemp("small"))


def red(picture):
    """How many pixels are red as the pea is."""
    return int(((picture[..., 0] > 90) & (picture[..., 1] < 80) & (picture[..., 2] < 80)).sum())


def test_the_report_opens_from_its_file_and_measures(browser, small):
    """nasion (0, -20, 0) and entry (20, 5, 20): √(400 + 625 + 400) = 37.75 mm."""
    with opened_report(browser, small) as seen:
        page = seen.page
        assert page.get_attribute("#viewer-root", "data-state") == "ready"
        assert seen.sides(0) == seen.sides(2) == ["R", "L", "S", "I"]
        assert seen.sides(1) == ["R", "L", "A", "P"]
        page.get_by_role("combobox", name="From").select_option(label="nasion")
        page.get_by_role("combobox", name="To", exact=True).select_option(label="entry")
        page.get_by_role("button", name="Measure between points").click()
        measured = page.locator(".v-measures li b").first.inner_text()
        assert float(measured.removesuffix(" mm")) == pytest.approx(np.sqrt(1425), abs=0.2)
        before = red(seen.picture(0))
        page.get_by_label("pea", exact=True).uncheck()
        seen.settle()
        assert before > 300
        assert red(seen.picture(0)) < before / 10
