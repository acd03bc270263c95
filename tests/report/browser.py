"""A report opened from its file in headless Chromium, drawn by software; what it says and asks for is noted."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from surgplan.report.viewer_build import built_viewer

SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--force-color-profile=srgb"]
PATIENCE_MS = 60_000


@dataclass
class Opened:
    """The page, the addresses that it asked for, and what went wrong in it."""

    page: object
    requests: list = field(default_factory=list)
    faults: list = field(default_factory=list)

    @property
    def status(self):
        """Where the cross is: LPS mm, voxel, intensity, as numbers."""
        text = self.page.inner_text(".v-status").replace("−", "-")
        place, voxel, *value = re.findall(r"LPS (.*?) mm · voxel ([\d, ]+?)(?: · (.*))?$", text)[0]
        numbers = [np.array([float(each) for each in part.split(",")]) for part in (place, voxel)]
        return (*numbers, float(value[0].split()[0]) if value[0] else None)

    def sides(self, pane):
        """Letters at the left, right, top and bottom edge; pane 0 is 3D, then axial, coronal, sagittal."""
        return self.page.locator(".v-pane").nth(pane).get_attribute("data-sides").split()

    def picture(self, pane):
        """(height, width, 3) what is drawn in a pane."""
        from tests.report.pixels import opened

        return opened(self.page.locator(".v-pane").nth(pane).screenshot())

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@contextmanager
def started():
    """What drives browsers; skips where something is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    if program() is None:
        pytest.skip("no Chromium: apt-get install chromium")
    if built_viewer() is None:
        pytest.skip("the viewer was not built: make setup-test")
    with playwright.sync_playwright() as driver:
        yield driver


def program():
    """Where Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


@contextmanager
def chromium(driver, *more):
    """A browser, with `more` switches."""
    browser = driver.chromium.launch(executable_path=program(), args=[*SOFTWARE, *more])
    yield browser
    browser.close()


@contextmanager
def opened_report(browser, path, *, size=(1300, 1000), fragment="", **settings):
    """The report in a window of its own; afterwards nothing may have gone wrong."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **settings)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    seen = Opened(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.faults.append(str(error)))
    page.goto(path.as_uri() + fragment, wait_until="commit", timeout=PATIENCE_MS)
    page.wait_for_selector("#viewer-root[data-state]")
    yield seen
    context.close()
    assert seen.faults == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in seen.requests if url.startswith("file:")]) == 1
