"""Outlines against the circles in which planes cut spheres."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from surgplan.report.outline import outline
from tests.report.cases import sphere

RADIUS = 20.0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("height", [0.0, 0.37, -12.5, 19.9])
def test_a_sphere_is_cut_in_a_circle(axis, height):
    ball = sphere(RADIUS)
    segments = outline(ball.vertices, ball.triangles, axis, height)
    across = np.delete(segments, axis, axis=2)
    assert_allclose(segments[:, :, axis], height, atol=1e-12)
    expected = np.sqrt(RADIUS**2 - height**2)
    # a chord of the mesh's triangles lies within the sphere by its sagitta, at most 0.02 mm here
    off = np.linalg.norm(across, axis=2) - expected
    assert off.max() < 1e-9
    assert off.min() > -0.02 * RADIUS / expected
    length = np.linalg.norm(across[:, 1] - across[:, 0], axis=1).sum()
    assert length == pytest.approx(2 * np.pi * expected, rel=0.02)


@pytest.mark.parametrize("height", [0.0, 0.37, 5.0])
def test_an_outline_is_closed(height):
    """Each end belongs to two segments: nothing is missing, also where corners lie exactly in the plane."""
    ball = sphere(RADIUS)
    segments = outline(ball.vertices, ball.triangles, 2, height)
    segments = segments[np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1) > 0]
    _, counts = np.unique(segments.reshape(-1, 3), axis=0, return_counts=True)
    assert (counts % 2 == 0).all()


@pytest.mark.parametrize("height", [RADIUS + 0.01, -RADIUS - 0.01, 1e9])
def test_a_plane_beside_the_surface_cuts_nothing(height):
    ball = sphere(RADIUS)
    assert outline(ball.vertices, ball.triangles, 1, height).shape == (0, 2, 3)


def test_no_triangles_no_outline():
    assert outline(np.zeros((0, 3)), np.zeros((0, 3), np.int32), 0, 0.0).shape == (0, 2, 3)
