"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real scans, read in place; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SURGPLAN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no test data: set SURGPLAN_TEST_DATA to the folder of real scans")
    return folder
