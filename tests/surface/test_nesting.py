"""What lies in what: spheres in spheres, rings and open cups, beside open3d's rays."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from surgplan.findings import Level
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.clean import oriented
from surgplan.surface.nesting import nesting
from surgplan.surface.repair import RepairParams, repair
from surgplan.surface.topology import bodies, nested_bodies, topology

Mesh = tuple[NDArray[np.float64], NDArray[np.int32]]
RING = trimesh.creation.torus(20, 5)


def ball(radius: float, at: tuple[float, float, float] = (0, 0, 0), inward: bool = False) -> trimesh.Trimesh:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    mesh.apply_translation(at)
    if inward:
        mesh.invert()
    return mesh


def mesh_of(*parts: trimesh.Trimesh) -> Mesh:
    whole = trimesh.util.concatenate(parts)
    return np.array(whole.vertices), np.array(whole.faces, dtype=np.int32)


def surface_of(*parts: trimesh.Trimesh) -> Surface:
    return Surface(Label(1, "mesh"), *mesh_of(*parts))


def pairs(vertices: NDArray[np.float64], triangles: NDArray[np.int32]) -> dict[tuple[int, int], int]:
    found = nesting(vertices, triangles, bodies(vertices, triangles), watertight=True)
    return {(i, o): t for i, o, t in zip(*(each.tolist() for each in found), strict=True)}


def test_shells_in_shells() -> None:
    found = pairs(*mesh_of(ball(20), ball(12, inward=True), ball(6), ball(2, (40, 0, 0))))
    assert found == {(1, 0): 1, (2, 0): 1, (2, 1): -1}


def test_what_lies_in_the_hole_of_a_ring_is_not_in_the_ring() -> None:
    assert pairs(*mesh_of(RING, ball(5))) == {}
    assert pairs(*mesh_of(RING, ball(2, (20, 0, 0)))) == {(1, 0): 1}


def test_rays_along_edges_and_corners_count_once() -> None:
    boxes = [trimesh.creation.box((size, size, size)) for size in (10, 6, 2)]
    assert pairs(*mesh_of(*boxes)) == {(1, 0): 1, (2, 0): 1, (2, 1): 1}


@pytest.mark.slow
def test_two_hundred_shells_lie_where_open3d_finds_them() -> None:
    o3d = pytest.importorskip("open3d")
    random = np.random.default_rng(3)
    centres = random.uniform(-25, 25, (200, 3))
    vertices, triangles = mesh_of(RING, *(ball(0.4, tuple(centre)) for centre in centres))
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(RING.vertices.astype(np.float32), RING.faces.astype(np.uint32))
    inside = scene.compute_occupancy(o3d.core.Tensor(centres.astype(np.float32))).numpy() > 0
    clear = np.abs(scene.compute_distance(o3d.core.Tensor(centres.astype(np.float32))).numpy()) > 0.4
    found = {inner - 1 for inner, outer in pairs(vertices, triangles) if outer == 0}
    assert 10 < np.count_nonzero(inside & clear) < 100
    assert {n for n in found if clear[n]} == set(np.flatnonzero(inside & clear).tolist())


def test_a_body_inside_out_in_the_hole_of_a_ring_is_no_cavity() -> None:
    broken = surface_of(RING, ball(5, inward=True))
    assert not topology(broken.vertices, broken.triangles).outward
    assert topology(*mesh_of(RING, ball(2, (20, 0, 0), inward=True))).outward
    mended = repair(broken, RepairParams())
    assert mended.surface.volume_mm3 == pytest.approx(RING.volume + ball(5).volume, rel=1e-6)


def test_a_cavity_in_the_wall_of_an_open_cup_stays_a_cavity() -> None:
    """Every ray along +z leaves the cup where it is open: it must not be taken for a body outside."""
    cup = trimesh.creation.cylinder(radius=20, height=40, sections=48)
    lid = cup.triangles_center[:, 2] > 19.9
    cup.update_faces(~lid)
    vertices, triangles = mesh_of(cup, ball(5, inward=True))
    _, faces = oriented(vertices, triangles, lambda *_: None)
    assert np.array_equal(faces, triangles)


def test_solids_in_solids_are_told() -> None:
    assert nested_bodies(*mesh_of(ball(20), ball(5, inward=True))) == ()
    (place,) = nested_bodies(*mesh_of(ball(20), ball(5)))
    assert np.linalg.norm(place) == pytest.approx(5, abs=0.3)


def test_joining_bodies_that_overlap_keeps_their_cavities() -> None:
    """Two hollow balls that cross: what lies in the one's cavity and in no other solid stays empty."""
    first, second = ball(20), ball(20, (33.3, 1.7, 2.9))
    cavities = ball(8, inward=True), ball(6, (33.3, 1.7, 2.9), inward=True)
    solid = repair(surface_of(first, second), RepairParams()).surface.volume_mm3
    result = repair(surface_of(first, cavities[0], second, cavities[1]), RepairParams())
    assert result.topology.ok
    assert result.topology.bodies == 3
    assert result.surface.volume_mm3 == pytest.approx(solid + sum(each.volume for each in cavities), rel=1e-5)
    assert "lost-body" not in {finding.check for finding in result.findings}


@pytest.mark.parametrize(
    ("shift", "shells", "volume"),
    [((10, 0, 0), 1, 2000.0), ((10, 10, 0), 2, 2000.0), ((10, 10, 10), 2, 2000.0)],
    ids=["a face", "an edge", "a corner"],
)
def test_boxes_that_touch_are_kept_whole(shift: tuple[int, int, int], shells: int, volume: float) -> None:
    """As an STL gives them: what lies in one place is one vertex, so that the touching edges have four triangles."""
    other = trimesh.creation.box((10, 10, 10))
    other.apply_translation(shift)
    whole = trimesh.util.concatenate([trimesh.creation.box((10, 10, 10)), other])
    whole.merge_vertices()
    given = surface_of(whole)
    assert not topology(given.vertices, given.triangles).ok
    result = repair(given, RepairParams())
    narrow = result.surface.vertices.astype(np.float32)
    assert len(np.unique(narrow, axis=0)) == len(narrow), "another program would fuse them again"
    assert result.topology.ok
    assert result.topology.bodies == shells
    assert result.surface.volume_mm3 == pytest.approx(volume, rel=1e-4)
    assert result.surface.bounds == pytest.approx(np.array(whole.bounds), abs=2e-3)


def test_balls_that_share_corners_and_cross_are_joined() -> None:
    whole = trimesh.util.concatenate([ball(20), ball(20, (20, 0, 0))])
    whole.merge_vertices()
    result = repair(surface_of(whole), RepairParams())
    assert result.topology.ok
    lens = np.pi * (4 * 20 + 20) * (2 * 20 - 20) ** 2 / 12
    assert result.surface.volume_mm3 == pytest.approx(2 * 4 / 3 * np.pi * 20**3 - lens, rel=0.05)


def test_a_loose_triangle_in_a_hole_goes_and_the_hole_is_closed() -> None:
    vertices, triangles = mesh_of(ball(20))
    middle = vertices[triangles[40]].mean(axis=0)
    near = np.linalg.norm(vertices[triangles].mean(axis=1) - middle, axis=1) < 6
    loose = 0.3 * (vertices[triangles[40]] - middle) + middle
    faces = np.concatenate([triangles[~near], [[len(vertices), len(vertices) + 1, len(vertices) + 2]]])
    broken = Surface(Label(1, "mesh"), np.concatenate([vertices, loose]), faces.astype(np.int32))
    result = repair(broken, RepairParams(max_hole_mm=20, max_distance_mm=5))
    assert result.topology.ok
    assert result.topology.bodies == 1
    told = {finding.check: finding for finding in result.findings}
    assert told["scraps"].level is Level.WARN
    assert "rebuild" not in told
