"""`print/certificate.json` against distances that open3d measures on the files themselves."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from surgplan.case.certificates import print_certificate_schema, print_certificates
from surgplan.cli.main import run
from surgplan.formats.meshes import write_mesh
from surgplan.model.changes import ACCEPTED, REJECTED
from surgplan.model.labels import Label
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.context import modified

Points = NDArray[np.float64]

RECIPE = """
[[structure]]
name = "bone"
threshold_hu = [250, 3071]

[[print.prepare]]
do = "cut"
normal = [0, 0, 1]
point_mm = [0, 0, 3]
pins = 2
pin_mm = 4

[[print.prepare]]
do = "hollow"
wall_mm = 3.0
drains = 1

[[print.prepare]]
do = "text"
text = "{case}"
height_mm = 4.0
depth_mm = 0.6
"""


def bone() -> trimesh.Trimesh:
    """An ellipsoid of half axes 30, 22 and 26 mm with shallow waves."""
    mesh = trimesh.creation.icosphere(subdivisions=3)
    waves = 1 + 0.02 * np.sin(5 * mesh.vertices[:, 0]) * np.cos(4 * mesh.vertices[:, 1])
    mesh.vertices = (mesh.vertices * waves[:, None] * [30, 22, 26]).astype(np.float32)
    return mesh


def away(mesh: trimesh.Trimesh, points: Points) -> Points:
    """(n,) distance, mm, of points to a mesh, as open3d measures it: float32 near the origin."""
    o3d = pytest.importorskip("open3d")
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    return np.asarray(scene.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy(), np.float64)


def printed(folder: Path, recipe: str = RECIPE) -> dict[str, Any]:
    mesh = bone()
    write_mesh(folder / "bone.ply", Surface(Label(1, "bone"), np.array(mesh.vertices, float), np.array(mesh.faces)))
    (folder / "r.toml").write_text(recipe, "utf-8")
    files = ["-o", folder / "p.3mf", "--stl", folder, "--certificate", folder / "certificate.json"]
    assert run(["print", *map(str, [folder / "bone.ply", *files]), "-r", str(folder / "r.toml"), "-q"]) == 0
    told: dict[str, Any] = json.loads((folder / "certificate.json").read_text("utf-8"))
    jsonschema.validate(told, json.loads(print_certificate_schema()))
    return told


def kept(part: dict[str, Any], mesh: trimesh.Trimesh, side: float) -> float:
    """Share of the bone on one side of the cut that the printed file still has, within what is certified."""
    whole = bone()
    points, _ = trimesh.sample.sample_surface(whole, 30_000, seed=1)
    points = points[side * (points[:, 2] - 3) > 0.5]
    most = max(step["held"]["maximum_mm"] for step in part["steps"] if step["held"])
    return float((away(mesh, points) < most + 2e-3).mean())


def file_of(folder: Path, part: dict[str, Any]) -> trimesh.Trimesh:
    mesh = trimesh.load(folder / f"{Label(1, part['name']).file_stem}.stl")
    assert mesh.volume == pytest.approx(part["volume_mm3"], rel=1e-5)
    assert len(mesh.faces) == part["triangles"]
    return mesh


def test_a_cut_leaves_the_rest_where_it_was(tmp_path: Path) -> None:
    told = printed(tmp_path, RECIPE.split('[[print.prepare]]\ndo = "hollow"')[0])
    whole = bone()
    for part, side in ((part, 1 if file_of(tmp_path, part).bounds[1, 2] > 10 else -1) for part in told["parts"]):
        mesh = file_of(tmp_path, part)
        held = part["steps"][0]["held"]
        assert (held["step"], held["verdict"], part["scan_maximum_mm"]) == ("cut", ACCEPTED, None)
        assert held["volume_change"] == pytest.approx(mesh.volume / whole.volume - 1, abs=1e-5)
        assert held["from_before"]["maximum"] < 0.01
        assert kept(part, mesh, side) == 1.0


@pytest.mark.slow
def test_every_step_of_every_part_is_told_as_the_files_show_it(tmp_path: Path) -> None:
    for part in printed(tmp_path)["parts"]:
        mesh = file_of(tmp_path, part)
        steps = {step["step"]: step["held"] for step in part["steps"]}
        assert list(steps)[:3] == ["cut", "hollow", "text"]
        assert part["verdict"] == ACCEPTED
        assert steps["hollow"]["volume_mm3"] < 0.75 * steps["cut"]["volume_mm3"]
        for before, after in itertools.pairwise(part["steps"]):
            change = after["held"]["volume_mm3"] / before["held"]["volume_mm3"] - 1
            assert after["held"]["volume_change"] == pytest.approx(change)
        # but for the letters and the drain, the outside is where it was in the bone
        assert 0.9 < kept(part, mesh, 1 if mesh.bounds[1, 2] > 10 else -1) <= 1.0


@pytest.mark.parametrize("by_mm", [0.03, 0.3])
def test_a_change_that_nobody_meant_is_told_as_large_as_open3d_finds_it(by_mm: float) -> None:
    before = bone()
    after = before.copy()
    push = by_mm * np.clip(after.vertices[:, 0] / 30, 0, 1)
    after.vertices = after.vertices + push[:, None] * after.vertex_normals
    part = Part.of(Surface(Label(1, "bone"), np.array(before.vertices, float), np.array(before.faces)))
    changed, findings = modified(
        part, part.surface.with_mesh(np.array(after.vertices, float), part.surface.triangles), "thicken", "x", {}, []
    )
    (told,) = print_certificates([changed], {"bone": 0.4}).parts
    held = told.steps[0].held
    assert held is not None
    points, _ = trimesh.sample.sample_surface(after, 200_000, seed=2)
    found = away(before, points)
    assert held.to_before is not None
    assert held.to_before.mean == pytest.approx(found.mean(), rel=0.02)
    assert held.to_before.rms == pytest.approx(np.sqrt((found**2).mean()), rel=0.02)
    assert held.to_before.p95 == pytest.approx(np.percentile(found, 95), rel=0.02)
    assert held.to_before.maximum == pytest.approx(found.max(), rel=0.02)
    assert held.volume_change == pytest.approx(after.volume / before.volume - 1, rel=1e-6)
    assert told.scan_maximum_mm == pytest.approx(0.4 + held.maximum_mm)
    assert told.verdict == (ACCEPTED if by_mm < 0.05 else REJECTED)
    assert bool(findings) is (by_mm > 0.05)


def test_a_mirrored_part_has_nothing_to_be_held_to(tmp_path: Path) -> None:
    head = RECIPE.split("[[print.prepare]]")[0]
    (part,) = printed(tmp_path, head + '[[print.prepare]]\ndo = "mirror"\n')["parts"]
    assert part["mirrored"]
    assert [(step["step"], step["held"]) for step in part["steps"]] == [("mirror", None)]
