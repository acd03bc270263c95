"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.program import surgplan_here

ROOT = Path(__file__).parents[1]
# a busy machine is no fault of the program: no test has a deadline, no input is generated too slowly
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real scans, read in place; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SURGPLAN_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("no test data: set SURGPLAN_TEST_DATA to the folder of real scans")
    return folder


SMALL_CASE = """
case = "femur-example"
source = "{source}"
recipe = "femur.toml"
"""
SMALL_RECIPE = """
[[structure]]
name = "femur"
threshold_hu = [300, 3071]

[report]
pictures = false
"""


@pytest.fixture(scope="session")
def finished_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small case that was run to its end, from a DICOM scan and without pictures: to be copied, not to be changed.

    Beside it lies `femur/case.toml`, which it was made from, with its scan.
    """
    from tests.privacy.planted import planted_scan

    folder = tmp_path_factory.mktemp("finished")
    scan = planted_scan(folder / "femur")
    (folder / "femur" / "femur.toml").write_text(SMALL_RECIPE, "utf-8")
    (folder / "femur" / "case.toml").write_text(SMALL_CASE.format(source=scan), "utf-8")
    ended = surgplan_here("run", folder / "femur" / "case.toml", "-o", folder / "case")
    assert ended.code == 0, ended.err
    return folder / "case"
