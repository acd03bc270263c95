"""The navigation bundle: all files tell one plan, and each is understood by somebody else's reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surgplan.case.bundle import check_navigation, read_plan, write_navigation
from surgplan.errors import BadInput
from surgplan.model.frames import LPS, LPS_FROM_RAS, PRINT, Transform
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.model.volume import Grid
from surgplan.navigation.stage import NavigationPlan

GRID = Grid((40, 50, 60), (0.7, 0.7, 1.25), (-12.0, 33.3, 700.0), [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
PRINT_FROM_LPS = Transform(PRINT, LPS, [[0, -0.5, 0, 60], [0.5, 0, 0, 70], [0, 0, 0.5, -340], [0, 0, 0, 1]])
FILES = {
    *("landmarks.mrk.json", "landmarks.fcsv", "fiducials.mrk.json", "fiducials.fcsv", "plan.json"),
    *("lps_from_ras.tfm", "lps_from_ijk.tfm", "print_from_lps.tfm"),
    *("landmarks.csv", "fiducials.csv", "trajectories.csv", "trajectories.mrk.json", "SHA256SUMS"),
    *("trajectory-1.mrk.json", "scene.mrml"),
}


@pytest.fixture
def plan() -> NavigationPlan:
    landmarks = PointSet(
        [Landmark("nasion", (0.4, -88.1, 12.0), uncertainty_mm=0.5), Landmark("Ziel, links", (31.25, 4.0, 1 / 3))]
    )
    fiducials = PointSet([Landmark("F-1", (10.0, 20.0, 30.0), description="diameter 5.00 mm")])
    path = Trajectory("biopsy", (0.4, -88.1, 12.0), (31.25, 4.0, 1 / 3), LPS, ("vessels",), 3.0)
    transforms = (LPS_FROM_RAS, GRID.lps_from_ijk, PRINT_FROM_LPS)
    return NavigationPlan(landmarks, fiducials, (path,), transforms, "1.2.840.7", ())


@pytest.fixture
def folder(plan: NavigationPlan, tmp_path: Path) -> Path:
    write_navigation(tmp_path / "navigation", plan)
    return tmp_path / "navigation"


def stored(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "plan.json").read_text("utf-8"))
    return found


def test_every_file_is_there_and_told(plan: NavigationPlan, tmp_path: Path) -> None:
    written = write_navigation(tmp_path, plan)
    assert {file.path.name for file in written} == FILES == {path.name for path in tmp_path.iterdir()}


def test_points_are_the_same_in_every_file(folder: Path, plan: NavigationPlan) -> None:
    for name, points in (("landmarks", plan.landmarks), ("fiducials", plan.fiducials)):
        markup = json.loads((folder / f"{name}.mrk.json").read_text("utf-8"))["markups"][0]
        assert markup["coordinateSystem"] == "LPS"
        rows = list(csv.reader((folder / f"{name}.fcsv").read_text("utf-8").splitlines()[3:]))
        for at, point in enumerate(points):
            planned = stored(folder)[name][at]
            control = markup["controlPoints"][at]
            assert planned["name"] == control["label"] == rows[at][11] == point.name
            for place in (planned["position_mm"], control["position"], [float(cell) for cell in rows[at][1:4]]):
                np.testing.assert_allclose(place, point.position, atol=1e-6)


def test_the_tables_are_read_as_anybody_reads_csv(folder: Path, plan: NavigationPlan) -> None:
    for name in ("landmarks", "trajectories"):
        lines = (folder / f"{name}.csv").read_text("utf-8").splitlines()
        assert lines[:3] == ["# frame = LPS", "# unit = mm", "# FrameOfReferenceUID = 1.2.840.7"]
        rows = list(csv.DictReader(lines[3:]))
        if name == "landmarks":
            assert [row["name"] for row in rows] == ["nasion", "Ziel, links"]
            assert [float(rows[1][f"{axis}_mm"]) for axis in "xyz"] == [31.25, 4.0, 1 / 3]
        else:
            assert [float(rows[0][f"entry_{axis}_mm"]) for axis in "xyz"] == [0.4, -88.1, 12.0]
            assert [float(rows[0][f"end_{axis}_mm"]) for axis in "xyz"] == pytest.approx([31.25, 4.0, 1 / 3])
            assert (rows[0]["avoid"], float(rows[0]["margin_mm"])) == ("vessels", 3.0)


def test_the_transforms_lead_from_landmark_to_voxel_and_print(folder: Path) -> None:
    """By hand with the matrices of plan.json, and by SimpleITK with the files: both end at the same place."""
    import SimpleITK as sitk

    place = np.array([*stored(folder)["landmarks"][0]["position_mm"], 1.0])
    by_name = {each["name"]: each for each in stored(folder)["transforms"]}
    ijk = np.linalg.inv(by_name["lps_from_ijk"]["matrix"]) @ place
    np.testing.assert_allclose(ijk[:3], GRID.ijk_from_lps.apply(place[:3]), atol=1e-9)
    on_the_plate = np.array(by_name["print_from_lps"]["matrix"]) @ place
    for name, there, here in (
        ("lps_from_ijk", place[:3], ijk[:3]),
        ("print_from_lps", on_the_plate[:3], place[:3]),
        ("lps_from_ras", place[:3], place[:3] * [-1, -1, 1]),
    ):
        itk = sitk.ReadTransform(str(folder / by_name[name]["file"]))
        np.testing.assert_allclose(itk.TransformPoint(there.tolist()), here, atol=1e-9)


def test_the_plan_states_frame_unit_and_frame_of_reference(folder: Path) -> None:
    told = stored(folder)
    assert (told["frame"], told["unit"], told["frame_of_reference_uid"]) == ("LPS", "mm", "1.2.840.7")
    assert told["trajectories"][0]["length_mm"] == pytest.approx(np.linalg.norm([30.85, 92.1, 1 / 3 - 12.0]))
    assert told["trajectories"][0]["avoid"] == ["vessels"]
    assert list(told) == sorted(told)


def test_the_plan_comes_back(folder: Path, plan: NavigationPlan) -> None:
    found = read_plan(folder / "plan.json")
    assert found.landmarks["nasion"].uncertainty_mm == 0.5
    assert found.fiducials["F-1"].description == "diameter 5.00 mm"
    assert found.transforms == plan.transforms
    assert found.trajectories[0].margin_mm == 3.0
    assert found.frame_of_reference == plan.frame_of_reference


def test_same_plan_same_bytes(plan: NavigationPlan, tmp_path: Path) -> None:
    one, other = (write_navigation(tmp_path / name, plan) for name in ("a", "b"))
    assert [file.sha256 for file in one] == [file.sha256 for file in other]


def test_the_checksums_are_those_of_sha256sum(folder: Path) -> None:
    import subprocess

    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def test_a_plan_without_points_has_the_same_files(tmp_path: Path) -> None:
    write_navigation(tmp_path, NavigationPlan(PointSet(()), PointSet(()), (), (LPS_FROM_RAS,), "", ()))
    assert check_navigation(tmp_path).landmarks.landmarks == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("landmarks.fcsv", "31.25", "-31.25", r"landmarks\.fcsv: differs from plan\.json by 62\.500 mm"),
        ("landmarks.fcsv", "= LPS", "= RAS", r"landmarks\.fcsv: differs"),
        ("landmarks.mrk.json", "31.25", "31.27", r"landmarks\.mrk\.json: differs from plan\.json by 0\.020 mm"),
        ("landmarks.mrk.json", '"nasion"', '"inion"', r"landmarks\.mrk\.json: names other points"),
        ("fiducials.fcsv", "10.0,20.0", "20.0,10.0", r"fiducials\.fcsv: differs"),
        ("trajectories.mrk.json", "-88.1", "-88.2", r"trajectories\.mrk\.json: differs from plan\.json by 0\.100 mm"),
        ("trajectories.mrk.json", '"biopsy"', '"other"', r"trajectories\.mrk\.json: names other"),
        ("trajectories.mrk.json", '"LPS"', '"RAS"', r"trajectories\.mrk\.json: holds Line RAS mm"),
        ("trajectory-1.mrk.json", "-88.1", "-88.2", r"trajectory-1\.mrk\.json: differs from plan\.json by 0\.100"),
        ("scene.mrml", "landmarks.mrk", "landmark.mrk", r"scene\.mrml: opens other files"),
        ("scene.mrml", "biopsy", "other", r"scene\.mrml: opens other files"),
        ("scene.mrml", '"LPS"', '"RAS"', r"scene\.mrml: .*in RAS, not LPS"),
        ("landmarks.csv", "31.25", "31.27", r"landmarks\.csv: differs from plan\.json by 0\.020 mm"),
        ("landmarks.csv", "= LPS", "= RAS", r"landmarks\.csv: differs"),
        ("landmarks.csv", "1.2.840.7", "1.2.840.8", r"landmarks\.csv: states another Frame of Reference UID"),
        ("landmarks.csv", "= mm", "= inch", r"landmarks\.csv: has the unit"),
        ("trajectories.csv", "-88.1", "-88.2", r"trajectories\.csv: differs from plan\.json by 0\.100 mm"),
        ("trajectories.csv", "biopsy", "other", r"trajectories\.csv: names other"),
        ("trajectories.csv", "= LPS", "= RAS", r"trajectories\.csv: states RAS mm"),
        ("trajectories.csv", "1.2.840.7", "1.2.840.8", r"trajectories\.csv: states another Frame of Reference UID"),
        ("landmarks.fcsv", "31.25,4.0", "31.25,4.00", r"landmarks\.fcsv: is missing or has not the checksum"),
        ("SHA256SUMS", "plan.json", "../plan.json", r"SHA256SUMS: is no list"),
        ("print_from_lps.tfm", "-140.0", "-140.1", r"print_from_lps\.tfm: differs from plan\.json by 0\.05"),
        ("print_from_lps.tfm", '"PRINT"', '"RAS"', r"print_from_lps\.tfm: names RAS"),
    ],
)
def test_files_that_disagree_are_found(name: str, old: str, new: str, told: str, folder: Path) -> None:
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BadInput, match=told):
        check_navigation(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_that_are_missing_or_cut_are_found(name: str, folder: Path) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        check_navigation(folder)
    (folder / name).unlink()
    with pytest.raises(BadInput, match=name.replace(".", r"\.")):
        check_navigation(folder)


def broken(key: str, value: Any) -> Any:
    def change(plan: dict[str, Any]) -> Any:
        plan[key] = value
        return plan

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: [], "AttributeError"),
        (broken("format", "other"), "format 'other'"),
        (broken("format_version", 99), "format_version '99', expected 2"),
        (broken("frame", "RAS"), "frame 'RAS', expected 'LPS'"),
        (broken("unit", "inch"), "unit 'inch'"),
        (broken("frame_of_reference_uid", None), "None where text belongs"),
        (broken("landmarks", 5), "TypeError"),
        (broken("landmarks", [{"name": "a"}]), "KeyError"),
        (broken("landmarks", [{"name": "a", "position_mm": [1, 2], "description": "", "uncertainty_mm": 1}]), "three"),
        (broken("transforms", [{"fixed": {"name": "LPS"}, "moving": {"name": "RAS"}, "matrix": 3}]), "4 × 4"),
    ],
)
def test_a_broken_plan_is_refused(change: Any, told: str, folder: Path) -> None:
    (folder / "plan.json").write_text(json.dumps(change(stored(folder))), "utf-8")
    with pytest.raises(BadInput, match=told) as caught:
        read_plan(folder / "plan.json")
    assert "plan.json" in caught.value.message


def test_two_transforms_of_one_file_name_are_refused(tmp_path: Path) -> None:
    from surgplan.model.frames import Frame

    transforms = [Transform.identity(LPS, Frame("scan", scope)) for scope in ("one", "two")]
    with pytest.raises(BadInput, match=r"lps_from_scan\.tfm"):
        write_navigation(tmp_path, NavigationPlan(PointSet(()), PointSet(()), (), tuple(transforms), "", ()))


def test_every_transform_states_unit_and_scan(folder: Path, plan: NavigationPlan) -> None:
    import SimpleITK as sitk

    assert plan.frame_of_reference
    for path in folder.glob("*.tfm"):
        text = path.read_text("utf-8")
        assert "# Unit: mm" in text
        assert f"# Frame of Reference UID: {plan.frame_of_reference}" in text
        sitk.ReadTransform(str(path))
