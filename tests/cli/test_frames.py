"""`surgplan frames` on files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.bundle import write_navigation
from surgplan.cli.main import run
from surgplan.formats.images import write_volume
from surgplan.formats.transform_files import read_transform, write_transform
from surgplan.model.frames import LPS, RAS, Frame, Transform
from surgplan.model.points import PointSet
from surgplan.model.volume import Grid, Volume
from surgplan.navigation.stage import NavigationParams, plan_navigation

TRACKER = Frame("tracker")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A case's bundle, and a registration of a tracker beside it."""
    grid = Grid((20, 20, 10), (2, 2, 3), (5, 6, 7))
    volume = Volume(grid, np.zeros(grid.shape, np.int16))
    plan = plan_navigation(volume, PointSet(()), (), NavigationParams(fiducials="none"), ())
    write_navigation(tmp_path / "case" / "navigation", plan)
    write_transform(tmp_path / "t.tfm", Transform.translation(LPS, TRACKER, (1, 2, 3)))
    write_volume(tmp_path / "scan.nrrd", volume)
    return tmp_path


def frames(*words: object) -> int:
    return run(["frames", *map(str, words)])


def test_the_graph_of_a_case_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert frames(folder / "case", folder / "t.tfm") == 0
    told = capsys.readouterr().out
    assert "reach one another: IJK, LPS, RAS, tracker" in told
    assert frames(folder / "case", "--json") == 0
    assert json.loads(capsys.readouterr().out)["islands"] == [["IJK", "LPS", "RAS"]]


def test_a_point_is_carried_through_a_chain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (folder / "scan.nrrd", folder / "t.tfm", "--from", "IJK", "--to", "tracker", "--point", 1, 1, 1)
    assert frames(*words) == 0
    assert [float(word) for word in capsys.readouterr().out.split()] == [6, 6, 7]


def test_a_chain_is_written_as_one_transform(folder: Path) -> None:
    assert frames(folder / "t.tfm", "--from", "tracker", "--to", "RAS", "-o", folder / "x.json") == 0
    found = read_transform(folder / "x.json")
    assert (found.fixed, found.moving) == (RAS, TRACKER)
    assert found.apply([0, 0, 0]).tolist() == [-1, -2, 3]


def test_frames_without_a_chain_end_with_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_transform(folder / "r.tfm", Transform.translation(Frame("robot"), Frame("guide"), (1, 2, 3)))
    assert frames(folder / "t.tfm", folder / "r.tfm", "--from", "guide", "--to", "LPS") == 3
    assert "no chain of transforms leads from guide" in capsys.readouterr().err


def test_ways_that_disagree_end_with_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_transform(folder / "old.tfm", Transform.translation(LPS, TRACKER, (1, 2, 5)))
    assert frames(folder / "t.tfm", folder / "old.tfm") == 3
    assert "differs by 2.00 mm" in capsys.readouterr().err


def test_half_a_question_is_wrong_usage(folder: Path) -> None:
    assert frames(folder / "t.tfm", "--from", "tracker") == 2
    assert frames(folder / "t.tfm", "--point", 1, 2, 3) == 2


def test_a_second_scan_gets_frames_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = Grid((20, 20, 10), (2, 2, 3), (0, 0, 0))
    write_volume(folder / "mr.nrrd", Volume(grid, np.zeros(grid.shape, np.int16), frame_of_reference="1.2"))
    assert frames(folder / "scan.nrrd", folder / "mr.nrrd") == 0
    assert "reach one another: IJK (mr), LPS (mr)" in capsys.readouterr().out
