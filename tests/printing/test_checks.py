"""The checks of a plate on bodies whose faults are known: where, how large, and by whose limit."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.findings import Level
from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.labels import Label
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface
from surgplan.printing.checks import Spot, check_plates
from surgplan.printing.printers import find_printer
from tests.printing.shapes import body, box, joined

FDM, BED = find_printer("generic-fdm"), find_printer("mjf")
SHIFT = (100.0, 90.0, 0.0)


def found(*bodies: Surface, printer=FDM, scale: float = 1.0) -> dict[str, Spot]:  # type: ignore[no-untyped-def]
    matrix = np.diag([scale, scale, scale, 1.0])
    matrix[:3, 3] = SHIFT
    plate = Plate.together("x", bodies, Transform(PRINT, LPS, matrix), printer.name)
    spots, _ = check_plates([plate], printer)
    assert len({(spot.finding.check, spot.finding.subject) for spot in spots}) == len(spots)
    for spot in spots:
        assert spot.finding.source or not spot.limit
        if spot.lps is not None:
            assert np.array(spot.print) == pytest.approx(scale * np.array(spot.lps) + SHIFT, abs=0.01)
    return {spot.finding.check: spot for spot in spots}


def hollow(outer: float, inner: float, at: tuple[float, ...] = (0, 0, 20)) -> Surface:
    one, two = (trimesh.creation.icosphere(3, radius) for radius in (outer, inner))
    vertices = np.vstack([one.vertices, two.vertices]) + np.array(at)
    return Surface(Label(1, "x"), vertices, np.vstack([one.faces, two.faces[:, ::-1] + len(one.vertices)]))


def test_a_solid_block_is_without_a_finding() -> None:
    assert found(body(box((0, 0, 0), (30, 30, 20)))) == {}


def test_a_bridge_is_told_with_its_width_and_place() -> None:
    table = joined(box((0, 0, 0), (5, 10, 20)), box((25, 0, 0), (30, 10, 20)), box((0, 0, 20), (30, 10, 24)))
    spots = found(body(table))
    assert spots["span"].value == pytest.approx(20, abs=1.0)
    assert spots["span"].limit == 10
    assert np.array(spots["span"].lps)[[0, 2]] == pytest.approx([15, 20], abs=1.0)
    assert spots["overhang"].value == pytest.approx(20 * 10, rel=1e-3)
    assert "island" not in spots
    narrow = joined(box((0, 0, 0), (5, 10, 20)), box((13, 0, 0), (18, 10, 20)), box((0, 0, 20), (18, 10, 24)))
    assert "span" not in found(body(narrow))


def test_a_balcony_is_an_overhang_and_no_span() -> None:
    spots = found(body(joined(box((0, 0, 0), (5, 10, 20)), box((0, 0, 20), (30, 10, 24)))))
    assert spots["overhang"].value == pytest.approx(25 * 10, rel=1e-3)
    assert not {"span", "island"} & set(spots)


def test_what_begins_in_the_air_is_an_island_on_filament_and_none_in_powder() -> None:
    drop = joined(
        box((0, 0, 0), (5, 10, 20)),
        box((25, 0, 0), (30, 10, 20)),
        box((0, 0, 20), (30, 10, 24)),
        box((12, 2, 12), (16, 6, 20)),
    )
    spot = found(body(drop))["island"]
    assert spot.value == pytest.approx(16, rel=0.1)
    assert spot.lps == pytest.approx((14, 4, 12), abs=0.4)
    assert not {"island", "span", "overhang"} & set(found(body(drop), printer=BED))


@pytest.mark.parametrize(("printer", "level"), [(FDM, Level.NOTE), (BED, Level.WARN)])
def test_a_closed_cavity_traps_what_is_in_it(printer, level: Level) -> None:  # type: ignore[no-untyped-def]
    spots = found(hollow(20, 15), printer=printer)
    assert spots["trapped"].finding.level is level
    assert spots["trapped"].value == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.03)
    assert spots["trapped"].lps == pytest.approx((0, 0, 20), abs=0.01)


def test_a_mouth_that_is_too_narrow_traps_too() -> None:
    import manifold3d

    for wide, told in ((3.0, True), (6.0, False)):
        shell = manifold3d.Manifold.sphere(20, 64) - manifold3d.Manifold.sphere(15, 64)
        mesh = (shell - manifold3d.Manifold.cylinder(30, wide / 2, wide / 2, 32)).translate((0, 0, 20)).to_mesh()
        pot = Surface(
            Label(1, "pot"), np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts).astype(np.int32)
        )
        spots = found(pot, printer=BED)
        assert ("trapped" in spots) is told
        if told:
            assert spots["trapped"].value == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.1)
            assert spots["trapped"].lps == pytest.approx((0, 0, 20), abs=2.0)


def test_thin_walls_and_pins_are_told_apart() -> None:
    wall = found(body(joined(box((0, 0, 0), (30, 30, 3)), box((0, 10, 3), (30, 10.6, 13)))))
    assert wall["wall"].value == pytest.approx(0.6, abs=0.01)
    assert "feature" not in wall, "a wall is thin in one direction only"
    pin = found(body(joined(box((0, 0, 0), (30, 30, 3)), box((14, 14, 3), (15.2, 15.4, 13)))))
    assert 1.1 < pin["feature"].value < 1.5
    assert np.array(pin["feature"].lps)[:2] == pytest.approx([14.6, 14.7], abs=1.0)
    assert "feature" not in found(body(joined(box((0, 0, 0), (30, 30, 3)), box((14, 14, 3), (17, 17, 13)))))


def test_sizes_are_those_of_the_print() -> None:
    plate = body(box((0, 0, 0), (30, 30, 1.6)))
    assert "wall" not in found(plate)
    assert found(plate, scale=0.5)["wall"].value == pytest.approx(0.8, abs=1e-3)


def test_crumbs_are_told() -> None:
    crumbs = trimesh.util.concatenate([box((0, 0, 0), (30, 30, 3)), box((10, 10, 8), (11, 11, 9))])
    assert found(body(crumbs))["small-body"].value == pytest.approx(1)


def test_two_bodies_that_fuse_are_told_and_two_that_touch_are_one() -> None:
    low = body(box((0, 0, 0), (20, 20, 5)), "low")
    for gap, told in ((0.2, True), (0.8, False), (0.0, False)):
        high = body(box((0, 0, 5 + gap), (20, 20, 10)), "high")
        spots = found(low, high)
        assert ("clearance" in spots) is told
        if told:
            assert spots["clearance"].value == pytest.approx(gap, abs=1e-3)


def test_triangles_finer_than_the_printer_are_told() -> None:
    ball = trimesh.creation.icosphere(4, 1.0)
    assert "fine" not in found(body(ball.copy().apply_translation((0, 0, 1))))
    assert (
        found(body(ball.apply_translation((0, 0, 1))), printer=find_printer("material-jetting"), scale=0.5)[
            "fine"
        ].limit
        == 0.042
    )
