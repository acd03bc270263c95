"""The page of a batch in a real browser: worst first, filtered and sorted without a server, by keys alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from surgplan.report.batch_page import BatchRow, batch_page
from tests.report.browser import program

STATES = ("failed", "rejected", "ready with warnings", "ready", "ready")


def rows(count: int) -> list[BatchRow]:
    picture = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 40, 40)).save(picture, "PNG")
    names = [f"knee {number}" for number in range(1, count)] + ["<script>document.title = 1</script>" + "x" * 10_000]
    return [
        BatchRow(
            name=name,
            state=STATES[number * len(STATES) // count],
            message="gap of 8.33 mm" if number == 0 else "",
            warnings=("dropped parts: 17",) * (number % 5),
            volumes_ml={"femur": 12.5},
            seconds=float((number * 7) % count),
            report=f"{number}/report/index.html",
            log="",
            picture=picture.getvalue() if number else b"",
        )
        for number, name in enumerate(names)
    ]


def shown(page) -> list[str]:
    return [text[:40] for text in page.locator("tbody tr:visible th").all_inner_texts()]


def test_it_works_by_keys_alone_and_asks_for_nothing(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if program() is None:
        pytest.skip("no Chromium: apt-get install chromium")
    (tmp_path / "batch.html").write_text(batch_page(rows(30)), "utf-8")
    asked, faults = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto((tmp_path / "batch.html").as_uri())
        assert page.title() == "30 cases – surgical planning batch"
        assert page.locator("tbody tr").first.get_attribute("data-state") == "failed"
        assert page.locator("tbody img").count() == 29

        page.keyboard.press("Tab")  # the link that skips to the table
        page.keyboard.press("Tab")
        page.keyboard.type("GAP 8.33")
        assert [name.split("\n")[0] for name in shown(page)] == ["knee 1"]
        page.locator("#text").fill("")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")  # without those that failed
        assert page.locator("#count").inner_text() == "24 of 30 cases"
        page.keyboard.press("Space")

        page.locator("th button", has_text="Case").focus()
        page.keyboard.press("Enter")
        names = [name.split("\n")[0] for name in shown(page) if name.startswith("knee")]
        assert names == [f"knee {number}" for number in range(1, 30)], "numbers sort as numbers"
        page.locator("th button", has_text="Seconds").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert page.locator("tbody tr").first.locator("td.seconds").inner_text() == "29.0"
        assert page.locator("th[aria-sort=descending]").inner_text().startswith("Seconds")
        page.locator("th button", has_text="Verdict").click()
        found = [row.get_attribute("data-state") for row in page.locator("tbody tr").all()]
        assert found == sorted(found, key=STATES.index), "the worst first"
        for width in (1200, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is cut at the side"
        browser.close()
    assert not faults
    assert all(url.startswith(("file:", "data:")) for url in asked)
