"""The report for paper: printed to PDF by a browser that is there.

A PDF is a view of the page, not a result: it is in no manifest, and names at its end the hash of the page that it
shows, so that one which a later page has overtaken can be told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from surgplan.case.statement import PAGE
from surgplan.errors import BadInput, Missing, OutOfResources
from surgplan.formats.atomic import Written, sha256_of, write_bytes

PDF = "report/report.pdf"
VARIABLE = "SURGPLAN_BROWSER"
BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "microsoft-edge-stable", "brave-browser"),
)
"""All of one family: Firefox prints from its own windows only."""
FLAGS = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking"),
    *("--disable-sync", "--disable-component-update", "--disable-dev-shm-usage", "--disable-crash-reporter"),
    *("--font-render-hinting=none", "--force-color-profile=srgb", "--no-pdf-header-footer"),
)
PATIENCE_S = 180
PAPER = "@page { size: A4; }"
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
DATE = re.compile(rb"\(D:\d{14}[+-]\d\d'\d\d'?\)")
SHOWS = b"\n%surgplan shows page sha256 "
"""What follows a `%` is a comment (ISO 32000-1, 7.2.4); readers look for the end of the file in its last 1024 bytes."""


def write_pdf(case: Path) -> Written:
    """Print the case's page as it lies there. The same page gives the same bytes with one version of a browser.

    Raises
    ------
    Missing
        There is no page, or no browser that can print.
    BadInput
        The browser makes no PDF.
    OutOfResources
        It takes too long.
    """
    page = case / PAGE
    if not page.is_file():
        raise Missing(page, "there is no report", advice="Make it first: surgplan report")
    browser = find_browser()
    text = SCRIPT.sub("", page.read_text("utf-8"))  # what moves has no place on paper, and takes long
    text = text.replace("</head>", f"<style>{PAPER}</style></head>", 1)
    with tempfile.TemporaryDirectory(prefix="surgplan-pdf-") as scratch:
        printed = _printed(browser, text, Path(scratch))
    dated = DATE.sub(lambda found: b"(D:19800101000000+00'00')".ljust(len(found[0])), printed)
    return write_bytes(case / PDF, dated + SHOWS + sha256_of(page).encode() + b"\n")


def _printed(browser: str, text: str, folder: Path) -> bytes:
    page, pdf = folder / "report.html", folder / "report.pdf"
    page.write_text(text, "utf-8")
    words = [browser, *FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    words += [f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={pdf}", page.as_uri()]
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "TZ": "UTC"}
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=PATIENCE_S, env={**os.environ, **home}, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired:
        raise OutOfResources(browser, f"took more than {PATIENCE_S} s to print the report") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Missing(browser, f"cannot be run: {reason}", advice=f"Set {VARIABLE} to a browser") from None
    data = pdf.read_bytes() if pdf.is_file() else b""
    if not data.startswith(b"%PDF-"):
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = f"ended with code {done.returncode} and made no PDF" + (f": {told[-1][:200]}" if told else "")
        raise BadInput(browser, reason, advice=f"Set {VARIABLE} to another browser of the Chromium family")
    return data


def find_browser() -> str:
    """The program that prints: `$SURGPLAN_BROWSER`, or the first of `BROWSERS` that is installed.

    Raises
    ------
    Missing
        There is none.
    """
    named = os.environ.get(VARIABLE, "")
    for name in (named,) if named else BROWSERS:
        if found := shutil.which(name):
            return found
    subject, found = (named, "there is no such program") if named else ("browser", "none was found that can print")
    advice = f"Install one (apt-get install chromium) or set {VARIABLE}; or print report/index.html from any browser"
    raise Missing(subject, found, "Chromium, Chrome, Edge or Brave", advice)


def shows(case: Path) -> str | None:
    """The hash of the page that the case's PDF shows; "" where it does not tell; None where there is no PDF."""
    path = case / PDF
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200))
        return file.read().rpartition(SHOWS)[2].strip().decode("ascii", "replace") if path.stat().st_size else ""


def is_current(case: Path) -> bool:
    """Whether the case has a PDF, and it shows the page as it is."""
    told = shows(case)
    return bool(told) and (case / PAGE).is_file() and told == sha256_of(case / PAGE)


def drop_stale_pdf(case: Path) -> None:
    """Remove a PDF of ours that shows another page than the one that is there."""
    told = shows(case)
    if told and re.fullmatch("[0-9a-f]{64}", told) and not is_current(case):
        with suppress(OSError):
            (case / PDF).unlink()
