"""`surgplan landmarks` as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from surgplan.case.point_files import read_point_file, write_point_file
from surgplan.cli.main import run
from surgplan.formats.images import write_volume
from surgplan.formats.markups import StoredPoints
from surgplan.formats.meshes import write_ply
from surgplan.formats.transform_files import write_transform
from surgplan.model.frames import LPS, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Grid, Volume
from tests.navigation.bodies import sphere


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    points = PointSet([Landmark("T01L", (1, 2, 3)), Landmark("T02L", (4, 5, 6)), Landmark("nasion", (7, 8, 9))])
    write_point_file(tmp_path / "p.fcsv", StoredPoints(points, "1.2.3"))
    grid = Grid((20, 20, 20), (2, 2, 2), (-10, -10, -10))
    write_volume(tmp_path / "scan.nrrd", Volume(grid, np.zeros(grid.shape, np.int16), frame_of_reference="1.2.3"))
    return tmp_path


def landmarks(*words: object) -> int:
    return run(["landmarks", *map(str, words)])


def test_a_list_is_converted_with_its_scan_s_uid(folder: Path) -> None:
    for ending in (".mrk.json", ".csv", ".json"):
        assert landmarks(folder / "p.fcsv", "-o", folder / f"q{ending}") == 0
        found = read_point_file(folder / f"q{ending}")
        assert found.points.positions.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
        assert found.frame_of_reference == "1.2.3"


def test_a_bare_list_needs_its_frame(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bare.csv").write_text("name,x,y,z\na,1,2,3\n", "utf-8")
    assert landmarks(folder / "bare.csv", "-o", folder / "q.csv") == 3
    assert "does not say in which frame" in capsys.readouterr().err
    assert landmarks(folder / "bare.csv", "--frame", "RAS", "-o", folder / "q.csv") == 0
    assert read_point_file(folder / "q.csv").points["a"].position.tolist() == [-1, -2, 3]


def test_names_are_changed_and_matched_and_the_rest_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    like = PointSet([Landmark("t2-l", (0, 0, 0)), Landmark("T3L", (0, 0, 0)), Landmark("glabella", (0, 0, 0))])
    write_point_file(folder / "like.csv", StoredPoints(like))
    words = ("--match", folder / "like.csv", "--rename", "nasion=glabella", "-o", folder / "q.csv")
    assert landmarks(folder / "p.fcsv", *words) == 0
    assert [point.name for point in read_point_file(folder / "q.csv").points] == ["t2-l", "glabella"]
    told = capsys.readouterr().err
    assert "1 landmarks have no partner: T01L" in told
    assert "1 names of the other list have no partner: T3L" in told


def test_landmarks_are_carried_by_a_transform_in_either_direction(folder: Path) -> None:
    write_transform(folder / "t.tfm", Transform.translation(Frame("robot"), LPS, (10, 0, 0)))
    assert landmarks(folder / "p.fcsv", "--with", folder / "t.tfm", "-o", folder / "robot.csv") == 0
    found = read_point_file(folder / "robot.csv").points
    assert found.frame == Frame("robot")
    assert found["T01L"].position.tolist() == [11, 2, 3]
    assert landmarks(folder / "robot.csv", "--with", folder / "t.tfm", "-o", folder / "back.fcsv") == 0
    assert read_point_file(folder / "back.fcsv").points["T01L"].position.tolist() == [1, 2, 3]


def test_landmarks_must_lie_in_their_scan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert landmarks(folder / "p.fcsv", "--volume", folder / "scan.nrrd", "-o", folder / "q.csv") == 0
    far = PointSet([Landmark("far", (0, 0, 90))])
    write_point_file(folder / "far.csv", StoredPoints(far))
    assert landmarks(folder / "far.csv", "--volume", folder / "scan.nrrd", "-o", folder / "r.csv") == 3
    assert "61.0 mm outside of the scan" in capsys.readouterr().err
    write_point_file(folder / "other.csv", StoredPoints(PointSet([Landmark("a", (0, 0, 0))]), "9.9"))
    assert landmarks(folder / "other.csv", "--volume", folder / "scan.nrrd", "-o", folder / "r.csv") == 3
    assert "belongs to another scan" in capsys.readouterr().err


def test_anatomical_points_are_found_and_state_their_uncertainty(folder: Path) -> None:
    write_ply(folder / "ball.ply", sphere(20, (5, 6, 7)))
    words = (
        "--on",
        folder / "ball.ply",
        "--find",
        "chin=lowest",
        "--find",
        "head=ball@5,6,7,30",
        "-o",
        folder / "q.json",
    )
    assert landmarks(*words) == 0
    stored = json.loads((folder / "q.json").read_text("utf-8"))["points"]
    assert [point["name"] for point in stored] == ["chin", "head"]
    np.testing.assert_allclose(stored[0]["position_mm"], [5, 6, -13], atol=0.3)
    np.testing.assert_allclose(stored[1]["position_mm"], [5, 6, 7], atol=0.1)
    assert all(point["uncertainty_mm"] > 0 for point in stored)


@pytest.mark.parametrize(
    "words", [["--find", "a=lowest"], ["--rename", "x=y"], ["--rename", "nasion=T01L"], ["--atlas", "p.fcsv"], []]
)
def test_what_does_not_go_together_is_refused(words: list[str], folder: Path) -> None:
    files = [folder / "p.fcsv"] if words else []
    more = [folder / word if word == "p.fcsv" else word for word in words]
    assert landmarks(*files, *more, "-o", folder / "q.csv") in (2, 3)
    assert not (folder / "q.csv").exists()


@pytest.mark.parametrize("rule", ["chin", "chin=nicest", "chin=ball@1,2", "chin=ball@a,b,c,d", "=lowest"])
def test_a_rule_that_is_none_is_wrong_usage(rule: str, folder: Path) -> None:
    write_ply(folder / "ball.ply", sphere(20))
    assert landmarks("--on", folder / "ball.ply", "--find", rule, "-o", folder / "q.csv") == 2
