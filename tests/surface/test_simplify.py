"""Simplified surfaces stay closed and near, in one piece or in parts."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.contour import contour
from surgplan.surface.fidelity import Contour
from surgplan.surface.parts import CannotBeCut, cut_out, opened, parted, put_together
from surgplan.surface.simplifier import Simplifier
from surgplan.surface.simplify import simplify
from surgplan.surface.solid import NotManifold, simplified_part, solid_of_part
from surgplan.surface.topology import topology
from tests.surface.shapes import scan, shell, torus


@pytest.fixture(scope="module", params=["torus", "shell", "mask"])
def raw(request: pytest.FixtureRequest) -> Surface:
    volume, labels = scan(shell() if request.param == "shell" else torus(), (0.8, 0.8, 1.2))
    return contour(None if request.param == "mask" else volume, labels.with_level("body", 540.0), labels.labels[0])


def test_the_tolerance_is_kept_with_few_triangles(raw: Surface) -> None:
    result, far = simplify(raw, 0.15, None, Contour(raw).farthest)
    assert far <= 0.15
    assert len(result.triangles) < 0.5 * len(raw.triangles)
    assert topology(result.vertices, result.triangles).watertight
    assert result.volume_mm3 == pytest.approx(raw.volume_mm3, rel=2e-3)


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_give_what_one_piece_gives(raw: Surface, parts: int) -> None:
    steps = [0.03, 0.05]
    with Simplifier(raw, steps) as whole, Simplifier(raw, steps, parts) as apart:
        one, several = whole.after(1), apart.after(1)
        assert apart.in_parts == parts
    told = topology(several.vertices, several.triangles)
    assert told.watertight
    assert told.edge_manifold
    assert told.vertex_manifold
    assert told.outward
    expected = topology(one.vertices, one.triangles)
    assert (told.bodies, told.genus) == (expected.bodies, expected.genus)
    assert len(several.triangles) == pytest.approx(len(one.triangles), rel=0.1)
    assert Contour(raw).farthest(several) < 0.15


def test_parts_keep_their_borders_and_fit_together_again(raw: Surface) -> None:
    parts = parted(raw.vertices, raw.triangles, 2, 0.1)
    pieces = [opened(part, *simplified_part(solid_of_part(part).simplify(0.05))) for part in parts]
    for part, (vertices, _) in zip(parts, pieces, strict=True):
        kept = {point.tobytes() for point in vertices}
        assert all(point.tobytes() in kept for point in part.border_points)
    vertices, triangles, _ = put_together(pieces, np.concatenate([part.border_points for part in parts]))
    told = topology(vertices.astype(np.float64), triangles)
    assert told.watertight
    assert told.outward


def test_any_piece_of_a_mesh_can_be_cut_out_and_put_back() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=20)
    points, faces = ball.vertices.astype(np.float32), ball.faces.astype(np.int32)
    cap = points[faces].mean(axis=1) @ np.array([0.6, 0.0, 0.8]) > 12
    part, rest = cut_out(points, faces, cap, 0.0)
    piece = opened(part, part.vertices, part.triangles.astype(np.int32), part.faces)
    vertices, triangles, seam = put_together([piece, (points, rest)], np.tile(part.border_points, (2, 1)))
    assert len(triangles) == len(faces)
    assert seam.sum() == len(part.border)
    assert topology(vertices.astype(np.float64), triangles).ok


def test_parts_that_do_not_fit_are_not_put_together() -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=20)
    parts = parted(ball.vertices, ball.faces.astype(np.int32), 2, 0.0)
    pieces = [opened(part, part.vertices, part.triangles.astype(np.int32), part.faces) for part in parts]
    pieces[0][0][0] += 1.0
    pieces[1][0][:] += 1.0
    with pytest.raises(CannotBeCut):
        put_together(pieces, np.concatenate([part.border_points for part in parts]))


def test_what_cannot_be_cut_is_simplified_in_one_piece(raw: Surface) -> None:
    with Simplifier(raw, [60.0], 2) as simplifier:  # no border edge is that long
        assert simplifier.in_parts == 1
    with Simplifier(raw, [0.05], 2) as simplifier:
        assert topology(simplifier.after(0).vertices, simplifier.after(0).triangles).watertight


def test_the_same_surface_gives_the_same_bytes(raw: Surface) -> None:
    made = []
    for _ in range(2):
        with Simplifier(raw, [0.05], 2) as simplifier:
            made.append(simplifier.after(0))
    assert np.array_equal(made[0].vertices, made[1].vertices)
    assert np.array_equal(made[0].triangles, made[1].triangles)


@pytest.mark.parametrize("parts", [1, 2])
def test_an_open_mesh_is_refused(parts: int) -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=20)
    surface = Surface(Label(1, "ball"), ball.vertices, ball.faces[100:])
    with Simplifier(surface, [0.05], parts) as simplifier, pytest.raises(NotManifold):
        simplifier.after(0)
