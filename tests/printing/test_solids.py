"""Booleans against volumes that are known, and what happens to meshes that bound nothing."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

import surgplan.surface.child
from surgplan.errors import BadInput, OutOfResources
from surgplan.printing.shapes import axes_of, box, circle, frustum, rod
from surgplan.printing.solids import Solid, built, united


def test_volumes_of_booleans_are_the_known_ones() -> None:
    one, two = box((0, 0, 0), (10, 10, 10)), box((5, 5, 5), (12, 12, 12))
    low, high = one.split((0, 0, 2), 6)  # the plane z = 3, its normal of length 2
    made = built([one | two, one - two, one & two, low, high, united([one])], "test")
    assert [each.volume_mm3 for each in made] == pytest.approx([1218, 875, 125, 700, 300, 1000], rel=1e-6)
    for each in made:
        mesh = trimesh.Trimesh(each.vertices, each.triangles)
        assert mesh.is_watertight
        assert mesh.volume == pytest.approx(each.volume_mm3)
        assert np.array_equal(each.vertices, each.vertices.astype(np.float32))


def test_round_tools_hold_or_surround_their_circle() -> None:
    inner, outer = built([rod((0, 0, 0), (0, 0, 10), 3), rod((0, 0, 0), (0, 0, 10), 3, around=True)], "test")
    assert inner.volume_mm3 < np.pi * 90 < outer.volume_mm3
    assert inner.volume_mm3 == pytest.approx(np.pi * 90, rel=2e-3)
    (cone,) = built([frustum(circle(3), circle(1), (1, 2, 3), axes_of((1, 1, 1)), 0, 6)], "test")
    assert cone.volume_mm3 == pytest.approx(np.pi * 6 / 3 * (9 + 3 + 1), rel=2e-3)


def test_an_open_mesh_is_refused() -> None:
    mesh = trimesh.creation.box((1, 1, 1))
    with pytest.raises(BadInput, match="does not bound a solid"):
        built([Solid.mesh_of(mesh.vertices, mesh.faces[1:]) | box((0, 0, 0), (1, 1, 1))], "leaky")


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(OutOfResources, match=r"longer than 0\.01 s"):
        built([box((0, 0, 0), (1, 1, 1))], "slow", time_limit_s=0.01)


def test_a_process_that_ends_without_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surgplan.surface.child.sys, "executable", "/bin/false")
    with pytest.raises(OutOfResources, match="ended"):
        built([box((0, 0, 0), (1, 1, 1))], "gone")
