"""`surgplan register` as its users meet it, and all that it must refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from surgplan.case.point_files import write_point_file
from surgplan.cli.main import run
from surgplan.formats.images import write_volume
from surgplan.formats.markups import StoredPoints
from surgplan.formats.meshes import write_ply
from surgplan.model.frames import LPS
from surgplan.model.labels import Label
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Volume
from tests.navigation.layouts import HEAD, TRACKER, named, seen, truth

UID = "1.2.3.4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six fiducials in the scan and as the tracker sees them, a target, and the scan."""
    write_point_file(tmp_path / "fixed.mrk.json", StoredPoints(named(HEAD), UID))
    write_point_file(tmp_path / "moving.csv", StoredPoints(seen(HEAD, 0.2)))
    target = PointSet([Landmark("tumour", (28, 18, 24))])
    write_point_file(tmp_path / "target.fcsv", StoredPoints(target, UID))
    grid = Grid((40, 40, 40), (5, 5, 5), (-100, -100, -80))
    write_volume(tmp_path / "scan.nrrd", Volume(grid, np.zeros(grid.shape, np.int16), frame_of_reference=UID))
    return tmp_path


def register(folder: Path, *more: object, moving: str = "moving.csv", fixed: str = "fixed.mrk.json") -> int:
    words = ["register", folder / moving, folder / fixed, "-o", folder / "x.tfm", *more]
    return run([str(word) for word in words])


def test_a_registration_is_written_with_its_accuracy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register(folder, "--target", folder / "target.fcsv", "--volume", folder / "scan.nrrd") == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [str(folder / "x.tfm"), str(folder / "x.json")]
    assert "tumour" in told.err
    assert told.err.index("tumour") < told.err.index("FRE ")
    stored = json.loads((folder / "x.json").read_text("utf-8"))
    np.testing.assert_allclose(stored["matrix"], truth().matrix, atol=1.0)
    assert stored["accuracy"]["targets"][0]["name"] == "tumour"
    assert stored["frame_of_reference_uids"]["fixed"] == UID
    there = sitk.ReadTransform(str(folder / "x.tfm")).TransformPoint(HEAD[0].tolist())
    np.testing.assert_allclose(there, truth().inverse().apply(HEAD[0]), atol=1.0)


def test_what_exists_is_not_overwritten(folder: Path) -> None:
    assert register(folder) == 0
    assert register(folder) == 6
    assert register(folder, "--overwrite") == 0


def test_a_limit_that_is_passed_ends_with_4_and_leaves_the_files_marked(folder: Path) -> None:
    assert register(folder, "--max-tre-mm", "0.01") == 4
    assert json.loads((folder / "x.json").read_text("utf-8"))["verdict"] == "rejected"
    assert "REJECTED" in (folder / "x.tfm").read_text("utf-8")


def test_limits_come_from_a_recipe_and_options_win(folder: Path) -> None:
    recipe = folder / "strict.toml"
    recipe.write_text('extends = "ct-skull"\n[registration]\nmax_tre_mm = 0.01\n', "utf-8")
    assert register(folder, "-r", recipe) == 4
    assert register(folder, "-r", recipe, "--max-tre-mm", "2", "--overwrite") == 0


def test_the_error_is_mapped_over_a_surface(folder: Path) -> None:
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader

    corners = np.array([[0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200]], float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    write_ply(folder / "skin.ply", Surface(Label(1, "skin"), corners, faces))
    assert register(folder, "--surface", folder / "skin.ply", "--tre-map", folder / "tre.vtk") == 0
    reader = vtkPolyDataReader()
    reader.SetFileName(str(folder / "tre.vtk"))
    reader.Update()
    values = reader.GetOutput().GetPointData().GetArray("TRE_mm")
    assert 0 < values.GetValue(0) < values.GetValue(1) < 2
    assert b"SPACE=LPS UNIT=mm" in (folder / "tre.vtk").read_bytes()[:200]


def spoilt(folder: Path, points: PointSet, uid: str = "") -> None:
    write_point_file(folder / "bad.csv", StoredPoints(points, uid))


def test_two_points_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt(folder, PointSet(seen(HEAD).landmarks[:2]))
    assert register(folder, moving="bad.csv") == 3
    assert "2 points belong together" in capsys.readouterr().err
    assert not (folder / "x.tfm").exists()


def test_points_on_a_line_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoilt(folder, named(np.outer(np.arange(6.0), [10, 20, 30]), TRACKER))
    assert register(folder, moving="bad.csv") == 3
    assert "lie on one line" in capsys.readouterr().err


def test_a_position_that_is_no_number_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (folder / "moving.csv").read_text("utf-8").splitlines()
    text[4] = "B,nan,1,2,,"
    (folder / "bad.csv").write_text("\n".join(text), "utf-8")
    assert register(folder, moving="bad.csv") == 3
    assert "three finite numbers" in capsys.readouterr().err


def test_a_target_outside_of_the_scan_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_point_file(folder / "far.fcsv", StoredPoints(PointSet([Landmark("far", (0, 0, 500))]), UID))
    assert register(folder, "--target", folder / "far.fcsv", "--volume", folder / "scan.nrrd") == 3
    assert "far: [0.0, 0.0, 500.0] mm LPS lies 382.5 mm outside of the scan" in capsys.readouterr().err


def test_points_of_another_scan_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_point_file(folder / "other.fcsv", StoredPoints(PointSet([Landmark("t", (0, 0, 0))]), "9.9.9"))
    assert register(folder, "--target", folder / "other.fcsv") == 3
    assert "belongs to another scan" in capsys.readouterr().err
    write_point_file(folder / "other.mrk.json", StoredPoints(named(HEAD), "9.9.9"))
    assert register(folder, "--volume", folder / "scan.nrrd", fixed="other.mrk.json") == 3


def test_a_file_without_a_frame_is_refused_until_it_is_stated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{p.name},{','.join(map(str, p.position))}\n" for p in seen(HEAD))
    (folder / "bare.csv").write_text("name,x,y,z\n" + rows, "utf-8")
    assert register(folder, moving="bare.csv") == 3
    assert "does not say in which frame" in capsys.readouterr().err
    assert register(folder, "--moving-frame", "tracker", moving="bare.csv") == 0
    assert json.loads((folder / "x.json").read_text("utf-8"))["moving"]["name"] == "tracker"


def test_two_scans_get_two_frames(folder: Path) -> None:
    other = PointSet([replace(point, frame=LPS) for point in seen(HEAD)])
    write_point_file(folder / "other.fcsv", StoredPoints(other, "5.6"))
    assert register(folder, moving="other.fcsv") == 0
    stored = json.loads((folder / "x.json").read_text("utf-8"))
    assert (stored["fixed"], stored["moving"]) == ({"name": "LPS", "scope": ""}, {"name": "LPS", "scope": "moving"})


def test_one_scan_on_both_sides_is_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert register(folder, moving="fixed.mrk.json") == 0
    assert "same-scan" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["AB", "=A", "A="])
def test_a_pair_that_is_none_is_wrong_usage(word: str, folder: Path) -> None:
    assert register(folder, "--pair", word) == 2
