"""Distances to the triangles near some points are those to all triangles. Truth: a ball, and all triangles."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.surface import ruler
from surgplan.surface.ruler import Ruler, distances_of_few


def bodies() -> tuple[np.ndarray, np.ndarray]:
    """A fine ball, and a box of twelve triangles, each larger than the ball."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=10.0)
    box = trimesh.creation.box((90.0, 80.0, 70.0))
    box.apply_translation((120.0, 0.0, 0.0))
    both = trimesh.util.concatenate([ball, box])
    return np.asarray(both.vertices, np.float64), both.faces.astype(np.int32)


@pytest.mark.parametrize("with_box", [True, False])
@pytest.mark.parametrize("spread_mm", [0.1, 5.0, 300.0])
def test_few_points_have_the_distances_that_all_triangles_give(
    monkeypatch: pytest.MonkeyPatch, with_box: bool, spread_mm: float
) -> None:
    monkeypatch.setattr(ruler, "WORTH_CHOOSING", 0)
    vertices, triangles = bodies()
    triangles = triangles if with_box else triangles[:-12]
    rng = np.random.default_rng(4)
    points = vertices[rng.integers(0, len(vertices) - 8, 60)] + rng.normal(0, spread_mm, (60, 3))
    found = distances_of_few(points, vertices, triangles)
    np.testing.assert_array_equal(found, Ruler(vertices, triangles)(points))
    if not with_box:
        np.testing.assert_allclose(found, np.abs(np.linalg.norm(points, axis=1) - 10.0), atol=0.03)


def test_only_what_is_near_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruler, "WORTH_CHOOSING", 0)
    vertices, triangles = bodies()
    made: list[int] = []

    class Counting(Ruler):
        def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
            made.append(len(triangles))
            super().__init__(vertices, triangles)

    monkeypatch.setattr(ruler, "Ruler", Counting)
    assert distances_of_few(np.array([[10.1, 0.0, 0.0]]), vertices, triangles[:-12])[0] == pytest.approx(0.1, abs=0.03)
    assert len(made) == 1
    assert made[0] < len(triangles) / 20


def test_triangles_without_extent_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruler, "WORTH_CHOOSING", 0)
    vertices, triangles = np.full((3, 3), 7.0), np.array([[0, 1, 2]], np.int32)
    points = np.array([[7.0, 7.0, 9.0], [7.0, 7.0, 7.0]])
    np.testing.assert_array_equal(distances_of_few(points, vertices, triangles), Ruler(vertices, triangles)(points))
