"""Measurements against geometry known by construction."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from surgplan.cli.main import run
from surgplan.errors import BadInput
from surgplan.formats.images import write_volume
from surgplan.formats.markups import write_mrk_json
from surgplan.formats.meshes import write_ply
from surgplan.formats.segmentations import write_labels
from surgplan.model.labels import Label, LabelMap
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.measure import angle_deg, compare_sides, intensities, plane_normal
from tests.navigation.bodies import ellipsoid, sphere

GRID = Grid((10, 10, 10), (1, 1, 2), (0, 0, 0))


def turned(body: Surface, degrees: float) -> tuple[Surface, np.ndarray]:
    matrix = Rotation.from_euler("zy", [degrees, degrees / 2], degrees=True).as_matrix()
    return replace(body, vertices=body.vertices @ matrix.T + [4, 5, 6]), matrix @ [1, 0, 0]


def test_angles() -> None:
    assert angle_deg(np.array([1.0, 0, 0]), np.array([1.0, 1e-7, 0])) == pytest.approx(np.degrees(1e-7))
    assert angle_deg(np.array([1.0, 0, 0]), np.array([-2.0, 0, 0])) == 180
    with pytest.raises(BadInput, match="coincide"):
        angle_deg(np.zeros(3), np.ones(3))
    np.testing.assert_allclose(plane_normal(np.array([[0, 0, 5], [1, 0, 5], [0, 2.0, 5]])), [0, 0, 1])
    with pytest.raises(BadInput, match="on a line"):
        plane_normal(np.array([[0, 0, 0], [1, 1, 1], [2, 2, 2.0]]))


def test_intensities_of_a_structure() -> None:
    array, mask = np.zeros(GRID.shape, np.int16), np.zeros(GRID.shape, np.uint8)
    mask[2:4, 0, 0:5], array[2:4, 0, 0:5] = 1, np.arange(10).reshape(2, 5) * 100
    label = Label(1, "bone")
    found = intensities(Volume(GRID, array, Modality.CT), LabelMap(GRID, mask, (label,)), label)
    assert (found.voxels, found.volume_mm3, found.mean, found.median) == (10, 20, 450, 450)
    assert (found.minimum, found.maximum) == (0, 900)
    assert found.standard_deviation == pytest.approx(np.sqrt(82_500))


@pytest.mark.parametrize("degrees", [0.0, 8.0])
def test_the_mirror_plane_is_found_and_both_sides_agree(degrees: float) -> None:
    body, normal = turned(ellipsoid(40, 60, 50), degrees)
    found = compare_sides(body)
    assert angle_deg(np.array(found.normal), normal) < 0.3
    assert found.offset_mm == pytest.approx(float(normal @ [4, 5, 6]), abs=0.2)
    assert found.p95_mm < 0.3


def test_a_dent_on_one_side_is_the_difference() -> None:
    body = ellipsoid(40, 60, 50)
    x, y, z = body.vertices.T
    dented = body.vertices.copy()
    dented[(x > 0) & (np.hypot(y, z) < 15), 0] -= 5.0
    found = compare_sides(replace(body, vertices=dented))
    assert found.maximum_mm == pytest.approx(5, abs=0.4)
    assert found.mean_mm < 0.6
    assert abs(found.offset_mm) < 0.2
    with pytest.raises(BadInput, match="empty"):
        compare_sides(replace(body, triangles=np.empty((0, 3), np.int32)))


def test_the_command_measures_what_is_asked(tmp_path: Path) -> None:
    places = {"a": (3.0, 0, 0), "b": (0.0, 0, 0), "c": (0.0, 4, 0), "d": (0.0, 0, 7)}
    write_mrk_json(tmp_path / "p.mrk.json", PointSet([Landmark(name, at) for name, at in places.items()]))
    write_ply(tmp_path / "ball.ply", sphere(10.0, fineness=5))
    label = Label(1, "bone")
    write_volume(tmp_path / "v.nrrd", Volume(GRID, np.full(GRID.shape, 70, np.int16), Modality.CT))
    write_labels(tmp_path / "l.seg.nrrd", LabelMap(GRID, np.ones(GRID.shape, np.uint8), (label,)))
    words = ["measure", "--points", str(tmp_path / "p.mrk.json"), "--distance", "a", "c", "--angle", "a", "b", "c"]
    words += ["--axes", "b", "a", "b", "d", "--planes", "a", "b", "c", "a", "b", "d"]
    words += ["--surface", str(tmp_path / "ball.ply"), "--symmetry", str(tmp_path / "ball.ply")]
    words += ["--volume", str(tmp_path / "v.nrrd"), "--labels", str(tmp_path / "l.seg.nrrd")]
    assert run([*words, "-o", str(tmp_path / "m.json")]) == 0
    made = json.loads((tmp_path / "m.json").read_text("utf-8"))
    values = {each["kind"]: each for each in made["measurements"]}
    assert values["distance"]["value_mm"] == 5
    assert values["angle"]["value_deg"] == values["axes"]["value_deg"] == values["planes"]["value_deg"] == 90
    assert values["surface"]["area_mm2"] == pytest.approx(400 * np.pi, rel=0.002)
    assert values["surface"]["volume_mm3"] == pytest.approx(4000 / 3 * np.pi, rel=0.003)
    assert values["intensities"]["mean"] == 70
    assert values["symmetry"]["mean_mm"] < 0.1
    assert run([*words, "-o", str(tmp_path / "m.json")]) == 6
    assert run(["measure", "--distance", "a", "b", "-o", str(tmp_path / "n.json")]) == 2
    assert run([*words, "--distance", "a", "x", "-o", str(tmp_path / "n.json")]) == 2
    assert run(["measure", "-o", str(tmp_path / "n.json")]) == 2
