"""The examples of docs/frames.md are run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "frames.md"


def test_the_examples_are_true() -> None:
    ended = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert ended.attempted > 20
    assert ended.failed == 0


def test_the_table_tells_what_the_examples_give() -> None:
    text = PAGE.read_text("utf-8").replace("−", "-")
    for row in ("(412, 60, 200)", "(78.25, -100, 240) mm", "(-78.25, 100, 240) mm", "(128.25, 20, 200) mm"):
        assert f"| {row} |" in text
