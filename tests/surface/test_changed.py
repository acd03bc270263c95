"""What was changed on purpose is left out, and what was changed beside it is found, with its place."""

from __future__ import annotations

from dataclasses import replace

import manifold3d
import numpy as np
import pytest
import trimesh

from surgplan.errors import BadInput
from surgplan.model.frames import RAS
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.certificate import ACCEPTED, REJECTED
from surgplan.surface.changed import certify_changed
from surgplan.surface.regions import beyond_plane, deeper, within_ball, within_slab


def solid(mesh: trimesh.Trimesh) -> manifold3d.Manifold:
    return manifold3d.Manifold(manifold3d.Mesh(np.array(mesh.vertices, np.float32), np.array(mesh.faces, np.uint32)))


def surface(body: manifold3d.Manifold) -> Surface:
    mesh = body.to_mesh()
    return Surface(Label(1, "bone"), np.array(mesh.vert_properties)[:, :3].astype(float), np.array(mesh.tri_verts))


BALL = solid(trimesh.creation.icosphere(subdivisions=4, radius=20))
CORE = solid(trimesh.creation.icosphere(subdivisions=4, radius=17))
DRILL = solid(
    trimesh.creation.cylinder(radius=2, height=50, transform=trimesh.transformations.translation_matrix([0, 0, 15]))
)


def test_a_hollowed_ball_with_a_drain_hole_keeps_its_outside() -> None:
    before, after = surface(BALL), surface(BALL - CORE - DRILL)
    told = certify_changed("hollow", before, after, [deeper(before, 1.5), deeper(surface(DRILL), -0.1)])
    assert told.verdict == ACCEPTED
    assert told.to_before is not None
    assert told.to_before.maximum < 1e-3
    assert told.intended_share == pytest.approx(17**2 / (17**2 + 20**2), abs=0.03)
    assert told.volume_change == pytest.approx((17 / 20) ** 3 * -1, abs=0.01)
    assert not told.findings()


def test_a_hole_that_nobody_meant_is_found_where_it_is() -> None:
    before, after = surface(BALL), surface(BALL - CORE - DRILL)
    told = certify_changed("hollow", before, after, [deeper(before, 1.5)], scan_maximum_mm=0.2)
    assert told.verdict == REJECTED
    assert told.from_before is not None
    assert told.from_before.maximum == pytest.approx(2.0, abs=0.1)  # the drill's radius
    assert told.from_before.place == pytest.approx((0, 0, 20), abs=0.5)
    assert told.lost_places
    assert all(np.hypot(x, y) < 2.1 and z > 19 for x, y, z in told.lost_places)
    assert told.scan_maximum_mm == pytest.approx(0.2 + told.maximum_mm)
    assert "(0." in told.findings()[0].measured or "(-0." in told.findings()[0].measured


def test_a_spike_between_the_samples_is_not_missed() -> None:
    before = surface(BALL)
    vertices = before.vertices.copy()
    vertices[100] *= 1.05
    told = certify_changed("mark", before, before.with_mesh(vertices, before.triangles))
    assert told.verdict == REJECTED
    assert told.maximum_mm == pytest.approx(1.0, abs=0.05)
    assert told.to_before is not None
    assert told.to_before.place == pytest.approx(tuple(vertices[100]), abs=1e-6)


def test_a_body_that_is_gone_is_told_unless_it_was_meant_to_go() -> None:
    small = BALL.scale([0.1] * 3).translate([40, 0, 0])
    before, after = surface(BALL + small), surface(BALL)
    told = certify_changed("cut", before, after, [within_ball((40, 0, 0), 1.9)])
    assert told.verdict == REJECTED
    assert told.lost_bodies[0][0] == pytest.approx(40, abs=2.1)
    assert "1 bodies are gone" in told.findings()[0].measured
    assert certify_changed("cut", before, after, [beyond_plane((30, 0, 0), (1, 0, 0))]).verdict == ACCEPTED


def test_of_a_cut_only_the_plane_and_what_lies_beyond_are_changed() -> None:
    before = surface(BALL)
    after = surface(BALL.trim_by_plane([0, 0, -1], -5))
    beyond = beyond_plane((0, 0, 5), (0, 0, 1), 0.01)
    told = certify_changed("cut", before, after, [beyond])
    assert told.verdict == ACCEPTED
    assert certify_changed("cut", before, after, [within_slab((0, 0, 5), (0, 0, 2), 0.01)]).verdict == REJECTED


def test_frames_and_nothing_are_refused() -> None:
    before = surface(BALL)
    with pytest.raises(BadInput, match="frame"):
        certify_changed("mark", before, replace(before, frame=RAS))
    with pytest.raises(BadInput, match="no triangles"):
        certify_changed("cut", before, before.with_mesh(np.empty((0, 3)), np.empty((0, 3), np.int32)))
