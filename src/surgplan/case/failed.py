"""Leaves a page where a run failed, so that whoever opens the case's report sees that, and not an earlier one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from surgplan import __version__
from surgplan.case.manifest import Manifest
from surgplan.case.statement import PAGE
from surgplan.errors import SurgplanError
from surgplan.formats.atomic import write_text
from surgplan.privacy.search import vocabulary
from surgplan.report.failed_page import FailedCase, failed_page

OF_SCAN = "the scan"
A_FILE = "a file of the scan"
"""Names of files and folders often are patients': whoever ran it saw them on the terminal."""


def leave_page(
    folder: Path, manifest: Manifest, stages: Sequence[str], done: Sequence[str], error: Exception, source: Path
) -> None:
    """Write the page of a run that failed in the stage after those `done`; where even that fails, it is left undone."""
    failed = stages[len(done)]
    told = error if isinstance(error, SurgplanError) else _unforeseen(error)
    subject, found, expected, advice = (
        without_scan(text, source) for text in (told.subject, told.found, told.expected, told.advice)
    )
    kept = {name: tuple(manifest.stages[name].outputs) for name in done if name in manifest.stages}
    fresh = {name for names in kept.values() for name in names}
    page = FailedCase(
        case=manifest.case,
        recipe=manifest.recipe,
        stage=failed,
        subject=subject,
        found=found,
        expected=expected,
        advice=advice,
        exit_code=told.exit_code,
        done=kept,
        left=tuple(stages[len(done) + 1 :]),
        stale=tuple(name for name in manifest.outputs if name not in fresh and name != PAGE),
        findings=tuple((name, finding) for name in kept for finding in manifest.stages[name].found()),
        version=__version__,
    )
    with suppress(SurgplanError, OSError):
        write_text(folder / PAGE, failed_page(page))


def _unforeseen(error: Exception) -> SurgplanError:
    found = (
        "ran out" if isinstance(error, MemoryError) else f"{type(error).__name__}: see the terminal, or the batch's log"
    )
    subject = "memory" if isinstance(error, MemoryError) else "an error that was not foreseen"
    return SurgplanError(subject, found, advice="Run it again; report it if it comes again")


def without_scan(text: str, source: Path) -> str:
    """The text without the place of the scan, without names of files in it, and without its own name.

    A name of words that surgplan itself writes (`bone`, `scan`) stays: it tells nothing.
    """
    for place in dict.fromkeys((str(source.resolve()), str(source), source.name)):
        words = re.findall(r"[^\W\d_]+|\d+", place.casefold())
        if len(place) < 3 or ("/" not in place and all(word in vocabulary() for word in words)):
            continue
        if text.startswith(place + "/"):
            return A_FILE
        whole = rf"(?<![\w-]){re.escape(place)}(?![\w-])"
        text = re.sub(whole, OF_SCAN, re.sub(whole + r"/[^:,;`]+", A_FILE, text))
    return text
