"""The process that draws: begun early or late, the pictures are the same; given up, it is gone."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path

import pytest

from surgplan.report import painter
from surgplan.report.painter import CannotRender, Painter
from surgplan.report.stage import ReportParams, begin_views, make_report
from surgplan.report.views import Views
from tests.report.cases import small_case, sphere

SMALL = ReportParams(picture_width=200, single_structures=1, viewer=False)


def children() -> set[str]:
    """The process ids of this process's children."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= set((task / "children").read_text().split())
    return found


def test_views_that_were_begun_before_the_plan_was_known_are_the_same():
    given = small_case()
    begun = begin_views(given.surfaces, given.measures, SMALL)
    early, late = make_report(given, SMALL, begun), make_report(given, SMALL)
    assert early.pictures == late.pictures
    assert early.html == late.html
    assert begin_views(given.surfaces, given.measures, ReportParams(pictures=False)) is None


def test_what_is_given_up_leaves_no_process_behind():
    before = children()
    views = Views([sphere(20.0)], 400, 1, {0})
    patience = time.monotonic() + 20
    while not children() - before and time.monotonic() < patience:
        time.sleep(0.01)
    assert children() - before
    views.close()
    views.close()
    assert not children() - before


def test_a_child_that_takes_too_long_or_ends_is_told(monkeypatch):
    monkeypatch.setattr(painter, "TIME_LIMIT_S", 0.2)
    slow = Painter()
    try:
        with pytest.raises(CannotRender, match="did not end within"):
            slow.draw([], 1).result()
    finally:
        slow.close()
    monkeypatch.setattr(painter, "TIME_LIMIT_S", 60.0)
    broken = Painter()
    try:
        with pytest.raises(CannotRender, match="the drawing process ended with code 1"):
            broken.draw([b"no JSON\n"], 1).result()
    finally:
        broken.close()
    given_up = Painter()
    given_up.close()
    with pytest.raises((RuntimeError, CancelledError)):
        given_up.draw([], 0).result()
