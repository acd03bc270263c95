"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.program import surgplan

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real scans, read in place; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SURGPLAN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no test data: set SURGPLAN_TEST_DATA to the folder of real scans")
    return folder


@pytest.fixture(scope="session")
def finished_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small case that was run to its end, from a DICOM scan and without pictures: to be copied, not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    assert surgplan("example", "femur", "--size", "small", "-o", folder / "femur").code == 0
    case = folder / "case"
    words = ("run", folder / "femur" / "case.toml", "-o", case, "--set", "report.pictures=false")
    assert surgplan(*words).code == 0
    return case
