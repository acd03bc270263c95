"""`surgplan convert` and `surgplan check` from outside: what is told, refused, kept and lost."""

from __future__ import annotations

import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.cli.main import run
from surgplan.errors import BadInput
from surgplan.formats.meshes import read_meshes, write_mesh, write_meshes
from surgplan.formats.threemf import read_placings, read_threemf
from surgplan.model.labels import Code, Label, Side
from tests.formats.mesh_shapes import ball, by_trimesh, wedge


@pytest.fixture
def two(tmp_path: Path) -> Path:
    path = tmp_path / "two.glb"
    write_meshes(path, (ball(Label(1, "bone", (1, 2, 3))), wedge(Label(2, "Tumour", (250, 0, 9), "left"))))  # type: ignore[arg-type]
    return path


def test_several_files_become_one_coloured_3mf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mesh(tmp_path / "a.ply", ball(Label(1, "bone", (1, 2, 3))))
    write_mesh(tmp_path / "b.ply", wedge(Label(1, "Tumour", (250, 0, 9), "left")))  # type: ignore[arg-type]
    target = tmp_path / "c.3mf"
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.ply"), "-o", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    plate, findings = read_threemf(target)
    assert not findings
    assert [(each.label.name, each.label.color, each.label.side) for each in plate.objects] == [
        ("bone", (1, 2, 3), ""),
        ("Tumour", (250, 0, 9), "left"),
    ]
    assert plate.bounds[0] == pytest.approx([0, 0, 0], abs=1e-3)
    lib3mf = pytest.importorskip("lib3mf")
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(target))
    assert reader.GetWarningCount() == 0
    assert list(model.GetOutbox().MaxCoordinate) == pytest.approx(plate.bounds[1], abs=1e-3)


ALL = (".stl", ".ply", ".obj", ".vtp", ".glb", ".3mf")
FULL = Label(1, "Left femur ü", (12, 200, 255), Side.LEFT, Code("SCT", "71341001", "Femur"), 226.5)


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize("second", ALL)
def test_between_all_pairs_of_formats_nothing_moves_and_what_has_a_place_is_kept(
    tmp_path: Path, first: str, second: str
) -> None:
    meant = ball(FULL)
    write_mesh(tmp_path / "meant.ply", meant)
    steps = [tmp_path / "meant.ply", tmp_path / f"one{first}", tmp_path / f"two{second}"]
    for source, target in itertools.pairwise(steps):
        assert run(["convert", str(source), "-o", str(target), "-q"]) == 0
    found = read_meshes(steps[-1])
    (surface,) = found.surfaces
    assert (found.unit, found.frame, found.assumed) == ("mm", "LPS", ())
    assert surface.corners == pytest.approx(meant.corners, abs=1e-5 if ".3mf" in (first, second) else 0)
    if ".stl" not in (first, second):
        assert (surface.label.name, surface.label.color, surface.label.side) == (FULL.name, FULL.color, FULL.side)
        if ".3mf" not in (first, second):
            assert surface.label == FULL


def test_names_that_collide_are_told_apart(tmp_path: Path) -> None:
    write_mesh(tmp_path / "a.ply", ball())
    write_mesh(tmp_path / "b.ply", ball())
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.ply"), "-o", str(tmp_path / "c.obj"), "-q"]) == 0
    assert [each.label.name for each in read_meshes(tmp_path / "c.obj").surfaces] == ["ball", "ball-2"]


def test_two_objects_do_not_become_one_stl_unless_asked(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = two.with_suffix(".stl")
    assert run(["convert", str(two), "-o", str(target)]) == 2
    assert "--join" in capsys.readouterr().err
    assert not target.exists()
    assert run(["convert", str(two), "-o", str(target), "--join", "-v"]) == 0
    told = capsys.readouterr().err
    assert "no place for: names, colours" in told
    assert by_trimesh(target).volume == pytest.approx(ball().volume_mm3 + 1000, rel=1e-4)


def test_a_unit_in_doubt_is_refused_until_it_is_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "x.obj", tmp_path / "x.3mf"
    trimesh.creation.box((0.2, 0.1, 0.15)).export(source)
    assert run(["convert", str(source), "-o", str(target)]) == 3
    told = capsys.readouterr().err
    assert "200 mm in metres" in told
    assert "--unit" in told
    assert not target.exists()
    assert run(["convert", str(source), "-o", str(target), "--unit", "m", "--frame", "RAS"]) == 0
    found = read_meshes(target)
    assert found.surfaces[0].volume_mm3 == pytest.approx(3_000_000, rel=1e-5)
    assert not found.assumed


def test_what_was_assumed_is_told_by_the_new_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trimesh.creation.box((40, 30, 20)).export(tmp_path / "x.stl")
    for name in ("x.3mf", "x.glb", "x.ply"):
        assert run(["convert", str(tmp_path / "x.stl"), "-o", str(tmp_path / name)]) == 0
        assert set(read_meshes(tmp_path / name).assumed) == {"unit", "frame"}
    capsys.readouterr()
    assert run(["check", str(tmp_path / "x.ply"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["checked"]
    assert (row["unit"], row["frame"], row["assumed"]) == ("mm", "LPS", ["unit", "frame"])
    assert row["size_mm"] == pytest.approx([40, 30, 20])


def test_nothing_is_overwritten_unless_asked(two: Path) -> None:
    assert run(["convert", str(two), "-o", str(two)]) == 6
    assert run(["convert", str(two), "-o", str(two), "--overwrite", "-q"]) == 0
    assert len(read_meshes(two).surfaces) == 2


def test_a_check_fails_with_4_and_names_the_object(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(two)]) == 0
    hole = ball().with_mesh(ball().vertices, ball().triangles[1:])
    write_meshes(two, (wedge(), hole))
    capsys.readouterr()
    assert run(["check", str(two), "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert [row["topology"]["watertight"] for row in told["checked"]] == [True, False]
    assert {finding["subject"] for finding in told["findings"]} == {"two.glb:ball"}


def test_a_solid_within_a_solid_and_a_point_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = trimesh.util.concatenate(
        [trimesh.Trimesh(each.vertices, each.triangles) for each in (ball(), ball(radius=8.0))]
    )
    both.export(tmp_path / "x.ply")
    assert run(["check", str(tmp_path / "x.ply"), "--json"]) == 0
    assert "nested" in {each["check"] for each in json.loads(capsys.readouterr().out)["findings"]}
    trimesh.Trimesh([[5, 5, 5]] * 3, [[0, 1, 2]], process=False).export(tmp_path / "point.stl")
    assert run(["check", str(tmp_path / "point.stl")]) == 4
    assert "Warning" not in capsys.readouterr().err  # numpy's own words are no message for anybody


def test_thin_walls_are_told_with_their_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plate = trimesh.creation.box((40, 30, 0.7))
    write_mesh(tmp_path / "x.stl", wedge().with_mesh(plate.vertices, plate.faces))
    assert run(["check", str(tmp_path / "x.stl"), "--json", "--printer", "generic-fdm"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["checked"][0]["wall"]["thin_mm"] == pytest.approx(0.7, abs=1e-3)
    (finding,) = told["findings"]
    assert (finding["check"], finding["level"], finding["limit"]) == ("wall", "warn", "0.9 mm")
    assert finding["measured"].startswith("96.1% of the surface bounds thinner walls, the thinnest 0.70 mm at LPS (")
    assert run(["check", str(tmp_path / "x.stl"), "--printer", "mjf", "-q"]) == 0
    assert run(["check", str(tmp_path / "x.stl"), "--printer", "mjff"]) == 2


def test_a_print_at_half_the_size_has_half_the_wall(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plate = trimesh.creation.box((40, 30, 1.0))
    write_mesh(tmp_path / "x.stl", wedge().with_mesh(plate.vertices, plate.faces))
    for scale, thin in (("1", False), ("0.5", True)):
        target = str(tmp_path / f"{scale}.3mf")
        assert run(["print", str(tmp_path / "x.stl"), "-o", target, "--scale", scale, "--json"]) == 0
        told = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
        assert ("wall" in told) == thin
    assert told["wall"]["level"] == "warn"
    assert "the thinnest 0.50 mm" in told["wall"]["measured"]


def test_print_and_repair_do_not_make_a_fact_of_a_guess(tmp_path: Path) -> None:
    trimesh.creation.box((40, 30, 20)).export(tmp_path / "x.stl")
    source, stl = str(tmp_path / "x.stl"), str(tmp_path / "stl")
    assert run(["print", source, "-o", str(tmp_path / "p.3mf"), "--stl", stl, "-q"]) == 0
    assert run(["repair", source, "-o", str(tmp_path / "r.glb"), "-q"]) == 0
    for made in (tmp_path / "p.3mf", tmp_path / "stl" / "x.stl", tmp_path / "r.glb"):
        assert set(read_meshes(made).assumed) == {"unit", "frame"}, made
    assert run(["repair", source, "-o", str(tmp_path / "s.ply"), "--unit", "cm", "--frame", "RAS", "-q"]) == 0
    stated = read_meshes(tmp_path / "s.ply")
    assert not stated.assumed
    assert stated.surfaces[0].volume_mm3 == pytest.approx(24_000_000)


def test_where_the_patient_lies_is_not_taken_from_a_3mf_that_does_not_tell(two: Path, tmp_path: Path) -> None:
    assert run(["convert", str(two), "-o", str(tmp_path / "p.3mf"), "-q"]) == 0
    assert read_placings(tmp_path / "p.3mf")[0].is_rigid
    trimesh_like = tmp_path / "x.3mf"
    with zipfile.ZipFile(tmp_path / "p.3mf") as old, zipfile.ZipFile(trimesh_like, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"surgplan:frame", b"surgplan:other"))
    with pytest.raises(BadInput, match="does not state where LPS lies"):
        read_placings(trimesh_like)


def test_print_keeps_the_objects_of_a_file_apart(two: Path, tmp_path: Path) -> None:
    assert run(["print", str(two), "-o", str(tmp_path / "p.3mf"), "-q"]) == 0
    plate, _ = read_threemf(tmp_path / "p.3mf")
    assert [each.label.name for each in plate.objects] == ["bone", "Tumour"]
    assert np.isclose(plate.scale, 1)
