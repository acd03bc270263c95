"""Hollowing against bodies whose inner volume is known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.errors import BadInput
from surgplan.findings import Level
from tests.printing.bodies import ball, box, mesh_of, prepared, surface

CYLINDER = trimesh.creation.cylinder(15, 40, sections=256)


@pytest.mark.parametrize(
    ("body", "truth"),
    [
        (ball(20), 4 / 3 * np.pi * 18**3),
        (box((40, 30, 20)), 36 * 26 * 16),
        pytest.param(surface(CYLINDER), np.pi * 13**2 * 36, marks=pytest.mark.slow),
    ],
    ids=["ball", "box", "cylinder"],
)
def test_the_hollow_has_the_volume_that_the_wall_leaves(body, truth) -> None:  # type: ignore[no-untyped-def]
    (part,) = prepared(body, {"do": "hollow", "wall_mm": 2.0, "drains": 0}).parts
    shells = mesh_of(part).split(only_watertight=False)
    hollow = -min(shell.volume for shell in shells)
    assert hollow == pytest.approx(truth, rel=0.01)
    assert part.modifications[0].measured["cavity_mm3"] == pytest.approx(hollow, rel=1e-4)
    assert part.modifications[0].measured["wall_mm"] == pytest.approx(2.0, rel=0.07)


def test_drains_lead_into_the_hollow_and_the_outside_stays() -> None:
    made = prepared(ball(20), {"do": "hollow", "wall_mm": 2.0, "drains": 2, "drain_mm": 4.0})
    mesh = mesh_of(made.parts[0])
    assert len(mesh.split(only_watertight=False)) == 1
    assert mesh.euler_number == 0  # a shell with two holes is a torus
    plain = 4 / 3 * np.pi * (20**3 - 18**3)
    assert mesh.volume == pytest.approx(plain - 2 * np.pi * 4 * 2, abs=0.01 * 4 / 3 * np.pi * 18**3)
    assert made.parts[0].modifications[0].outside_mm == pytest.approx(0, abs=1e-5)
    assert not [finding for finding in made.findings if finding.level is not Level.NOTE]


@pytest.mark.slow
def test_a_hollow_without_drains_is_told() -> None:
    made = prepared(ball(20), {"do": "hollow", "wall_mm": 2.0, "drains": 0})
    assert [finding.level for finding in made.findings if finding.check == "drains"] == [Level.WARN]


def test_a_wall_thicker_than_the_part_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a wall of 11 mm leaves no cavity"):
        prepared(box((40, 30, 20)), {"do": "hollow", "wall_mm": 11.0})


def test_walls_are_those_of_the_print() -> None:
    (part,) = prepared(box((40, 30, 20)), {"do": "hollow", "wall_mm": 2.0, "drains": 0}, scale=0.5).parts
    assert 40 * 30 * 20 - mesh_of(part).volume == pytest.approx(32 * 22 * 12, rel=0.01)


@pytest.mark.slow
def test_voids_that_were_there_become_part_of_it() -> None:
    outer, inner = (trimesh.creation.icosphere(subdivisions=4, radius=radius) for radius in (20.0, 5.0))
    inner.invert()
    both = trimesh.util.concatenate([outer, inner])
    made = prepared(surface(both), {"do": "hollow", "wall_mm": 3.0})
    assert len(mesh_of(made.parts[0]).split(only_watertight=False)) == 1
    assert any("1 closed cavities within" in finding.measured for finding in made.findings)
