"""Edges in pairs, and fans round vertices, against trimesh and against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.surface.topology import fans
from surgplan.surface.twins import fans_of, twins


def ball() -> np.ndarray:
    """(1280, 3) triangles of a sphere of 642 vertices."""
    return trimesh.creation.icosphere(subdivisions=3).faces.astype(np.int32)


def test_each_edge_of_a_closed_mesh_has_the_one_that_runs_back() -> None:
    triangles = ball()
    twin = twins(triangles, 642)
    assert twin is not None
    edges = np.column_stack([triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()])
    np.testing.assert_array_equal(edges[twin], edges[:, ::-1])
    np.testing.assert_array_equal(twin[twin], np.arange(len(twin)))


@pytest.mark.parametrize("fault", ["hole", "flip", "double", "three sheets", "same corners"])
def test_a_mesh_that_is_not_closed_has_none(fault: str) -> None:
    triangles = ball()
    if fault == "hole":
        triangles = triangles[1:]
    elif fault == "flip":
        triangles[7] = triangles[7][::-1]
    elif fault == "double":
        triangles = np.concatenate([triangles, triangles])
    elif fault == "three sheets":
        triangles = np.concatenate([triangles, [[*triangles[0][:2], 642]]]).astype(np.int32)
    else:
        triangles[3] = triangles[3][0]
    assert twins(triangles, 643) is None


def test_fans_of_bodies_that_touch_in_vertices_are_counted() -> None:
    """Balls that share one vertex: as many fans there as balls; and one longer round with a thousand triangles."""
    balls = [ball() + 642 * number for number in range(3)]
    for number, shared in ((1, 5), (2, 77)):
        balls[number][balls[number] == 642 * number + shared] = 5
    rim = np.arange(1000) + 2000
    cone = np.column_stack([np.full(1000, 3000), rim, np.roll(rim, -1)])
    base = np.column_stack([np.full(1000, 3001), np.roll(rim, -1), rim])
    triangles = np.concatenate([*balls, cone, base]).astype(np.int32)
    twin = twins(triangles, 3002)
    assert twin is not None
    found = fans_of(twin, triangles, 3002)
    np.testing.assert_array_equal(found, fans(triangles, 3002, None))
    assert found[5] == 3
    assert found[3000] == found[3001] == 1
    assert found[642 + 5] == found[2 * 642 + 77] == 0
