"""The line that shows which stage works now."""

from __future__ import annotations

import sys
import time

import pytest

from surgplan.cli.output import LiveProgress, Output


def test_a_stage_that_ends_while_the_next_one_works_is_told_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = LiveProgress(Output())
    told = ""
    for action in (
        lambda: progress.begin("ingest"),
        lambda: progress.begin("segment"),
        lambda: progress.end("ingest", 1.25, False),
        lambda: time.sleep(0.5),
        lambda: progress.end("segment", 2.5, True),
        lambda: time.sleep(0.3),
    ):
        action()
        told += "|" + capsys.readouterr().err
    progress.close()
    _, _, _, ingest, working, segment, after = told.split("|")
    assert "ingest" in ingest
    assert "1.2 s" in ingest
    assert "segment" in working
    assert "ingest" not in working
    assert "up to date" in segment
    assert not after, "nothing works any more"
