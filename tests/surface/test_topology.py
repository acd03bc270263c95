"""Each fault of a mesh is found, and no other; self-intersections against brute force."""

from __future__ import annotations

import itertools
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgplan.surface.intersections import self_intersections
from surgplan.surface.topology import Topology, topology

Array = NDArray[np.float64]
Ints = NDArray[np.int32]


def ball(subdivisions: int = 2) -> tuple[Array, Ints]:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    return np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int32)


def faults(told: Topology) -> set[str]:
    names = ("watertight", "edge_manifold", "vertex_manifold", "outward")
    found = {name for name in names if not getattr(told, name)}
    return found | {name for name in ("degenerate", "self_intersections") if getattr(told, name)}


def test_a_sound_ball_has_no_fault() -> None:
    told = topology(*ball())
    assert told.ok
    assert faults(told) == set()
    assert (told.bodies, told.genus) == (1, 0)


def test_a_torus_has_one_handle() -> None:
    mesh = trimesh.creation.torus(10, 3)
    assert topology(np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int32)).genus == 1


def test_a_hole() -> None:
    vertices, triangles = ball()
    assert faults(topology(vertices, triangles[1:])) == {"watertight"}


def test_a_triangle_turned_round() -> None:
    vertices, triangles = ball()
    triangles = triangles.copy()
    triangles[7] = triangles[7, ::-1]
    assert faults(topology(vertices, triangles)) == {"outward"}


def test_inside_out() -> None:
    vertices, triangles = ball()
    assert faults(topology(vertices, triangles[:, ::-1])) == {"outward"}


def test_a_cavity_faces_inward_and_that_is_right() -> None:
    vertices, triangles = ball()
    both = np.concatenate([vertices, 0.5 * vertices])
    assert topology(both, np.concatenate([triangles, triangles[:, ::-1] + len(vertices)])).ok
    wrong = np.concatenate([triangles[:, ::-1], triangles + len(vertices)])
    assert faults(topology(both, wrong)) == {"outward"}


def test_a_fin_on_an_edge() -> None:
    vertices, triangles = ball()
    a, b, _ = triangles[0]
    more = np.concatenate([vertices, [3 * vertices[a]]])
    told = topology(more, np.concatenate([triangles, [[a, b, len(vertices)]]]).astype(np.int32))
    assert {"watertight", "edge_manifold"} <= faults(told)


def test_two_bodies_that_share_a_vertex() -> None:
    vertices, triangles = ball()
    top = int(vertices[:, 2].argmax())
    other = 2 * vertices[top] - vertices
    faces = triangles[:, ::-1] + len(vertices)
    faces[faces == len(vertices) + top] = top
    told = topology(np.concatenate([vertices, other]), np.concatenate([triangles, faces]).astype(np.int32))
    assert "vertex_manifold" in faults(told)
    assert "edge_manifold" not in faults(told)


def test_a_triangle_without_area() -> None:
    vertices, triangles = ball()
    told = topology(vertices, np.concatenate([triangles, [[0, 0, 1]]]).astype(np.int32))
    assert "degenerate" in faults(told)


def test_two_balls_that_cross() -> None:
    vertices, triangles = ball()
    both = np.concatenate([vertices, vertices + np.array([0.9, 0.1, 0.2])])
    told = topology(both, np.concatenate([triangles, triangles + len(vertices)]))
    assert faults(told) == {"self_intersections"}
    assert told.places
    assert all(abs(np.linalg.norm(place) - 1) < 0.5 for place in told.places)


def test_nothing() -> None:
    assert not topology(np.empty((0, 3)), np.empty((0, 3), np.int32)).ok


def pierces(p: Array, q: Array, a: Array, b: Array, c: Array) -> bool:
    """Whether the segment from p to q meets the triangle, by signs of volumes."""

    def side(*points: Array) -> float:
        return float(np.linalg.det(np.array(points[1:]) - points[0]))

    if side(a, b, c, p) * side(a, b, c, q) > 0:
        return False
    turns = [side(p, q, a, b), side(p, q, b, c), side(p, q, c, a)]
    return all(turn >= 0 for turn in turns) or all(turn <= 0 for turn in turns)


def brute_force(vertices: Array, triangles: Ints) -> set[tuple[int, int]]:
    """Every pair of triangles, edge by edge; pairs with a common edge are left out."""
    found = set()
    for one, two in itertools.combinations(range(len(triangles)), 2):
        shared = set(triangles[one]) & set(triangles[two])
        a, b = vertices[triangles[one]], vertices[triangles[two]]
        if not shared:
            edges = [(a, b, k) for k in range(3)] + [(b, a, k) for k in range(3)]
            hit = any(pierces(x[k], x[(k + 1) % 3], *y) for x, y, k in edges)
        elif len(shared) == 1:
            k = next(k for k in range(3) if triangles[one][k] in shared)
            n = next(n for n in range(3) if triangles[two][n] in shared)
            hit = pierces(a[(k + 1) % 3], a[(k + 2) % 3], *b) or pierces(b[(n + 1) % 3], b[(n + 2) % 3], *a)
        else:
            continue
        if hit:
            found.add((one, two))
    return found


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 0.05, 0.15, 0.4]))
def test_self_intersections_are_those_of_brute_force(seed: int, noise: float) -> None:
    check_against_brute_force(seed, noise)


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_self_intersections_of_one_ball_are_those_of_brute_force(noise: float) -> None:
    check_against_brute_force(7, noise)


def check_against_brute_force(seed: int, noise: float) -> None:
    vertices, triangles = ball()
    vertices = vertices + np.random.default_rng(seed).normal(0, noise or 1e-12, vertices.shape)
    assert {tuple(pair) for pair in self_intersections(vertices, triangles).tolist()} == brute_force(
        vertices, triangles
    )


def test_triangles_folded_flat_onto_each_other_cross() -> None:
    vertices = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0.5, 1.0, 0]], dtype=float)
    assert len(self_intersections(vertices, np.array([[0, 1, 2], [0, 1, 3]], np.int32))) == 1
    vertices[3, 1] = -1.0
    assert len(self_intersections(vertices, np.array([[0, 1, 2], [1, 0, 3]], np.int32))) == 0


def test_coplanar_triangles_that_overlap_cross_and_others_do_not() -> None:
    triangle = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], dtype=float)
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    assert len(self_intersections(np.concatenate([triangle, triangle + np.array([0.3, 0.3, 0])]), faces)) == 1
    assert len(self_intersections(np.concatenate([triangle, triangle + np.array([3, 0, 0])]), faces)) == 0
    assert len(self_intersections(np.concatenate([triangle, triangle + np.array([0, 0, 1])]), faces)) == 0


def test_a_flat_face_with_corners_that_point_inward_does_not_cross_itself() -> None:
    """As on letters and on every cut face: many triangles of one plane meet in one corner, side by side."""
    random = np.random.default_rng(0)
    for count in range(6, 46):
        angles = (np.arange(count) + random.uniform(0, 0.8, count)) / count * 2 * np.pi
        outline = (random.uniform(2, 10, count) * [np.cos(angles), np.sin(angles)]).T
        face = np.asarray(manifold3d.triangulate([outline], -1.0)).astype(np.int32)
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        for places in (np.eye(3), turn):
            vertices = np.column_stack([outline, np.zeros(count)]) @ places.T + 5
            assert len(self_intersections(vertices, face)) == 0


def test_the_calibration_cube_with_letters_is_sound(test_data: Path) -> None:
    """Its faces round the letters are triangulated with long fans; PrusaSlicer and trimesh find no fault in it."""
    from surgplan.formats.meshes import read_mesh

    surface, _ = read_mesh(test_data / "meshes" / "20mm-xyz-cube.stl")
    assert topology(surface.vertices, surface.triangles).ok


def test_every_real_mesh_is_judged(test_data: Path) -> None:
    """Watertightness and number of bodies as trimesh finds them."""
    from surgplan.errors import BadInput
    from surgplan.formats.meshes import read_mesh

    judged = 0
    for path in sorted((test_data / "meshes").iterdir()):
        try:
            surface, _ = read_mesh(path)
        except BadInput:
            continue
        told = topology(surface.vertices, surface.triangles)
        mesh = trimesh.Trimesh(surface.vertices, surface.triangles, process=False)
        assert (told.watertight and told.edge_manifold) == mesh.is_watertight, path.name
        judged += 1
    assert judged >= 10
