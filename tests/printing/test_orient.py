"""Turning parts: bodies whose best direction is known, and what may never happen to left and right."""

from __future__ import annotations

import manifold3d
import numpy as np
import pytest
import trimesh

from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.plate import Plate
from surgplan.printing.estimate import estimate
from surgplan.printing.orient import support_room_mm3, turned
from surgplan.printing.printers import find_printer
from tests.printing.shapes import body, box, joined

FDM, BED = find_printer("generic-fdm"), find_printer("mjf")
TURN = trimesh.transformations.rotation_matrix(2.2, [1, 0.3, 0.2])


def test_a_cone_stands_on_its_base_and_lies_where_it_shall_be_low() -> None:
    cone = trimesh.creation.cone(20, 40, sections=48).apply_transform(TURN)
    turn, told = turned([body(cone)], "support", (), FDM, 1.0)
    assert told.support_mm3 == 0
    assert told.height_mm == pytest.approx(40, abs=0.1)
    assert turn @ TURN[:3, 2] == pytest.approx([0, 0, 1], abs=0.01), "its tip is up"
    _, low = turned([body(cone)], "height", (), FDM, 1.0)
    assert low.height_mm == pytest.approx(2 * 20 * np.cos(np.arctan(0.5)), abs=0.5)
    assert low.support_mm3 > 0


def test_overhangs_spare_the_faces_that_are_named() -> None:
    solid = manifold3d.Manifold.sphere(20, 48).trim_by_plane((0, 1, 0), 0).to_mesh()  # round towards posterior
    half = trimesh.Trimesh(np.asarray(solid.vert_properties)[:, :3], np.asarray(solid.tri_verts), process=False)
    for side, up in (("posterior", (0, 1, 0)), ("anterior", (0, -1, 0))):
        turn, told = turned([body(half)], "faces", (side,), FDM, 1.0)
        assert told.spared_mm2 == 0
        if side == "posterior":
            assert turn @ np.array(up) == pytest.approx([0, 0, 1], abs=0.05)


@pytest.mark.parametrize("aim", ["support", "height"])
def test_a_turn_is_proper_and_the_same_again(aim) -> None:  # type: ignore[no-untyped-def]
    part = body(joined(box((0, 0, 0), (40, 9, 9)), box((0, 0, 0), (9, 25, 9)), box((0, 0, 0), (9, 9, 17))))
    (one, first), (two, second) = (turned([part], aim, (), FDM, 1.0) for _ in range(2))
    assert np.linalg.det(one) == pytest.approx(1.0)
    assert one.T @ one == pytest.approx(np.eye(3), abs=1e-9)
    assert np.array_equal(one, two)
    assert first == second


def test_a_rod_that_is_taller_than_the_printer_is_laid_down() -> None:
    rod = body(box((0, 0, 0), (10, 10, 240)))
    assert turned([rod], "support", (), FDM, 1.0)[1].height_mm <= 210
    assert turned([rod], "support", (), BED, 1.0)[1].support_mm3 == 0


def test_the_room_below_an_overhang_is_measured_down_to_the_plate_or_the_part() -> None:
    table = joined(box((0, 0, 0), (30, 30, 4)), box((0, 0, 0), (4, 30, 24)), box((0, 0, 20), (30, 30, 24)))
    places = [Transform.translation(PRINT, LPS, (0, 0, 0))] * 2
    assert support_room_mm3([body(table)], places, FDM) == pytest.approx(2 * 26 * 30 * 16, rel=0.03)
    half = [Transform(PRINT, LPS, np.diag([0.5, 0.5, 0.5, 1.0]))]
    assert support_room_mm3([body(table)], half, FDM) == pytest.approx(26 * 30 * 16 / 8, rel=0.03)


def test_estimates_follow_the_profile() -> None:
    cube = Plate.together("x", [body(box((0, 0, 0), (40, 40, 40)))], Transform.identity(PRINT, LPS))
    told = estimate(cube, FDM)
    assert told.layers == 200
    assert told.solid_mm3 == pytest.approx(64_000)
    # PrusaSlicer 2.5.0 states 19.16 cm³ for this cube at these settings
    assert told.material_mm3 == pytest.approx(19_160, rel=0.05)
    assert told.cost == pytest.approx(told.mass_g / 1000 * 25.4)
    assert any("25.4" in each for each in told.assumptions)
    powder = estimate(cube, BED)
    assert (powder.material_mm3, powder.support_mm3, powder.cost) == (pytest.approx(64_000), 0, None)
