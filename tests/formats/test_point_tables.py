"""CSV and JSON of points: any frame, nothing lost, nothing assumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surgplan.case.point_files import read_point_file, write_point_file
from surgplan.errors import BadInput, WrongUsage
from surgplan.formats.markups import StoredPoints
from surgplan.formats.point_tables import read_csv
from surgplan.model.frames import LPS, RAS, Frame
from surgplan.model.points import Landmark, PointSet
from tests.property.strategies import point_sets

TRACKER = Frame("tracker", "room 2")
UID = "1.2.840.113619.2.55.3.1"


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("ending", [".mrk.json", ".fcsv", ".csv", ".json", ".toml"])
def test_points_go_through_every_format(ending: str, tmp_path: Path) -> None:
    points = PointSet([Landmark("#1", (0.1, -88.123456789, 3)), Landmark("left, orbit", (1, 2, 3), LPS, "by hand")])
    write_point_file(tmp_path / f"points{ending}", StoredPoints(points, UID))
    found = read_point_file(tmp_path / f"points{ending}")
    assert [point.name for point in found.points] == ["#1", "left, orbit"]
    assert found.points["left, orbit"].description == "by hand"
    np.testing.assert_allclose(found.points.positions, points.positions, atol=1e-9)
    assert found.frame_of_reference == (UID if ending != ".toml" else "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=point_sets(TRACKER), ending=st.sampled_from([".csv", ".json"]))
def test_any_frame_and_any_name_come_back(points: PointSet, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"points{ending}"
    write_point_file(path, StoredPoints(points))
    found = read_point_file(path).points
    assert [point.name for point in points] == [point.name for point in found]
    np.testing.assert_array_equal(found.positions, points.positions)
    assert found.frame == points.frame


def test_uncertainties_are_kept(tmp_path: Path) -> None:
    points = PointSet([Landmark("a", (1, 2, 3), TRACKER, "", 0.25), Landmark("b", (1, 2, 4), TRACKER)])
    for ending in (".csv", ".json"):
        write_point_file(tmp_path / f"p{ending}", StoredPoints(points))
        found = read_point_file(tmp_path / f"p{ending}").points
        assert [point.uncertainty_mm for point in found] == [0.25, None]


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", "Label;X (mm);Y (mm);Z (mm);Frame\nnasion;1;2;3;RAS\nchin;4;5;6;RAS\n")
    found = read_csv(path).points
    assert found.frame == LPS
    np.testing.assert_array_equal(found.positions, [[-1, -2, 3], [-4, -5, 6]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,x,y,z\na,1,2,3\n", "does not say in which frame"),
        ("# frame = RAS\nname,x,y,z,frame\na,1,2,3,LPS\n", "mixes the frames LPS and RAS"),
        ("# frame = LPS\n# unit = cm\nname,x,y,z\na,1,2,3\n", "has the unit 'cm'"),
        ("# frame = LPS\nname,x,y\na,1,2\n", "has the columns name, x, y"),
        ("# frame = LPS\nname,x,y,z\na,1,2\n", "point 1 has 3 columns"),
        ("# frame = LPS\nname,x,y,z\na,1,nan,3\n", "three finite numbers"),
        ("# frame = LPS\nname,x,y,z\na,1,two,3\n", "could not convert"),
        ("# frame = LPS\nname,x,y,z\na,1,2,3\na,1,2,4\n", "two landmarks are named 'a'"),
        ("# frame = LPS\n", "has no header"),
        ("", "has no header"),
    ],
)
def test_a_table_that_leaves_a_doubt_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=told):
        read_csv(written(tmp_path / "p.csv", text))


def test_a_stated_frame_helps_a_file_without_and_contradicts_one_with(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", "name,x,y,z\na,1,2,3\n")
    assert read_csv(path, Frame("guide")).points.frame == Frame("guide")
    assert read_csv(path, RAS).points["a"].position.tolist() == [-1, -2, 3]
    path = written(tmp_path / "q.csv", "# frame = LPS\nname,x,y,z\na,1,2,3\n")
    with pytest.raises(BadInput, match="says that it lies in LPS, expected RAS"):
        read_csv(path, RAS)


def test_the_world_of_another_scan_is_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", "# frame = RAS\nname,x,y,z\na,1,2,3\n")
    found = read_point_file(path, Frame("LPS", "second")).points
    assert found.frame == Frame("LPS", "second")
    assert found["a"].position.tolist() == [-1, -2, 3]


@pytest.mark.parametrize("ending", [".mrk.json", ".fcsv", ".toml"])
def test_formats_of_lps_alone_refuse_other_frames(ending: str, tmp_path: Path) -> None:
    points = PointSet([Landmark("a", (1, 2, 3), TRACKER)])
    with pytest.raises(WrongUsage, match="has no place for the frame tracker"):
        write_point_file(tmp_path / f"p{ending}", StoredPoints(points))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"format": "surgplan-points"}',
        '{"format": "surgplan-points", "format_version": 1, "unit": "mm", "points": 5}',
    ],
)
def test_broken_json_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        read_point_file(written(tmp_path / "p.json", text))


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends in `\.doc`"):
        read_point_file(written(tmp_path / "p.doc", "a"))
