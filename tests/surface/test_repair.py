"""Repairs change little, lose nothing, and are refused when they would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.errors import BadInput
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.repair import RepairParams, repair
from surgplan.surface.topology import topology


def surface_of(mesh: trimesh.Trimesh) -> Surface:
    return Surface(Label(1, "mesh"), np.array(mesh.vertices), np.array(mesh.faces, dtype=np.int32))


@pytest.fixture
def ball() -> Surface:
    return surface_of(trimesh.creation.icosphere(subdivisions=4, radius=20))


def test_a_sound_mesh_stays_as_it_is(ball: Surface) -> None:
    result = repair(ball, RepairParams())
    assert result.topology.ok
    assert result.surface.volume_mm3 == pytest.approx(ball.volume_mm3, rel=1e-12)
    assert len(result.surface.triangles) == len(ball.triangles)


def test_holes_flips_and_doubles_are_mended(ball: Surface) -> None:
    faces = ball.triangles.copy()
    faces[50:90] = faces[50:90, ::-1]
    broken = ball.with_mesh(ball.vertices, np.concatenate([faces[3:], faces[200:210]]))
    result = repair(broken, RepairParams())
    assert result.topology.ok
    assert result.surface.volume_mm3 == pytest.approx(ball.volume_mm3, rel=1e-3)
    checks = {finding.check for finding in result.findings}
    assert {"orientation", "doubled", "meshfix"} <= checks


def test_a_soup_of_triangles_is_welded(ball: Surface) -> None:
    soup = ball.with_mesh(
        ball.corners.reshape(-1, 3), np.arange(3 * len(ball.triangles), dtype=np.int32).reshape(-1, 3)
    )
    result = repair(soup, RepairParams())
    assert result.topology.ok
    assert len(result.surface.vertices) == len(ball.vertices)


def test_no_body_is_lost(ball: Surface) -> None:
    small = trimesh.creation.icosphere(subdivisions=2, radius=3)
    count = len(ball.vertices)
    both = ball.with_mesh(
        np.concatenate([ball.vertices, small.vertices + np.array([40, 0, 0])]),
        np.concatenate([ball.triangles[1:], small.faces[1:] + count]).astype(np.int32),
    )
    result = repair(both, RepairParams())
    assert result.topology.ok
    assert result.topology.bodies == 2


def test_a_repair_beyond_its_budget_is_refused(ball: Surface) -> None:
    half = ball.with_mesh(ball.vertices, ball.triangles[ball.corners[:, :, 2].mean(axis=1) > -10])
    with pytest.raises(BadInput, match="mm"):
        repair(half, RepairParams(max_distance_mm=0.5))


def test_nothing_cannot_be_repaired() -> None:
    with pytest.raises(BadInput, match="no triangles"):
        repair(Surface(Label(1, "none"), np.empty((0, 3)), np.empty((0, 3), np.int32)), RepairParams())


def test_every_real_mesh_ends_sound_or_is_refused(test_data: Path) -> None:
    from surgplan.formats.meshes import read_mesh

    sound = 0
    for path in sorted((test_data / "meshes").iterdir()):
        try:
            surface, _ = read_mesh(path)
            result = repair(surface, RepairParams(max_distance_mm=5.0))
        except BadInput:
            continue
        assert topology(result.surface.vertices, result.surface.triangles).ok, path.name
        sound += 1
    assert sound >= 6
