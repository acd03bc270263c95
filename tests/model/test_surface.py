"""Volume, area and bounds of shapes that geometry knows."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import FrameMismatch
from surgplan.model.frames import LPS, PRINT, RAS_FROM_LPS, Transform
from surgplan.model.labels import Label
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface

LABEL = Label(1, "bone")
CORNERS = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], dtype=float)
FACES = np.array(
    [
        *([0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6]),  # down, up
        *([0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7]),  # front, back
        *([0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]),  # sides
    ]
)


def box(size: tuple[float, ...], at: tuple[float, ...] = (0, 0, 0)) -> Surface:
    return Surface(LABEL, CORNERS * size + at, FACES)


def sphere(radius: float, steps: int = 100) -> Surface:
    """A globe of `steps` parallels and twice as many meridians."""
    theta = np.pi * np.arange(1, steps) / steps
    phi = np.pi * np.arange(2 * steps) / steps
    ring = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), phi * 0 + 1),
        ],
        axis=-1,
    ).reshape(-1, 3)
    around = 2 * steps
    here = np.arange((steps - 2) * around)
    right = here + 1 - around * (here % around == around - 1)
    sides = np.r_[np.c_[here, here + around, right], np.c_[right, here + around, right + around]]
    top, bottom = len(ring), len(ring) + 1
    turn = np.arange(around)
    after = (turn + 1) % around
    caps = np.r_[
        np.c_[np.full(around, top), turn, after],
        np.c_[np.full(around, bottom), after + (steps - 2) * around, turn + (steps - 2) * around],
    ]
    vertices = np.r_[ring, [[0, 0, 1], [0, 0, -1]]] * radius
    return Surface(LABEL, vertices, np.r_[sides, caps])


@pytest.mark.parametrize("at", [(0, 0, 0), (1000, -2000, 300)])
def test_a_box(at: tuple[float, ...]) -> None:
    surface = box((10, 20, 30), at)
    assert surface.volume_mm3 == pytest.approx(6000)
    assert surface.area_mm2 == pytest.approx(2 * (200 + 300 + 600))
    np.testing.assert_allclose(surface.bounds, np.array([[0, 0, 0], [10, 20, 30]]) + at)


def test_a_sphere() -> None:
    surface = sphere(40.0)
    assert surface.volume_mm3 == pytest.approx(4 / 3 * np.pi * 40**3, rel=1e-3)
    assert surface.area_mm2 == pytest.approx(4 * np.pi * 40**2, rel=1e-3)
    assert surface.volume_mm3 < 4 / 3 * np.pi * 40**3, "the triangles lie within the sphere"


def test_inside_out_is_a_negative_volume() -> None:
    surface = box((1, 2, 3))
    assert surface.with_mesh(surface.vertices, surface.triangles[:, ::-1]).volume_mm3 == pytest.approx(-6)


def test_a_turned_surface_keeps_volume_and_sense() -> None:
    moved = RAS_FROM_LPS @ box((10, 20, 30))
    assert moved.volume_mm3 == pytest.approx(6000)
    np.testing.assert_allclose(moved.bounds, [[-10, -20, 0], [0, 0, 30]])
    with pytest.raises(FrameMismatch):
        RAS_FROM_LPS @ moved


def test_vertices_that_no_triangle_uses_do_not_count() -> None:
    surface = Surface(LABEL, np.r_[CORNERS, [[99, 99, 99]]], FACES)
    np.testing.assert_array_equal(surface.bounds, [[0, 0, 0], [1, 1, 1]])
    with pytest.raises(ValueError, match="no bounds"):
        _ = Surface(LABEL, CORNERS, np.zeros((0, 3), np.int32)).bounds


@pytest.mark.parametrize(
    ("vertices", "triangles", "told"),
    [
        (CORNERS[:, :2], FACES, r"vertices must have the shape \(n, 3\)"),
        (CORNERS, FACES[:, :2], r"triangles must have the shape \(n, 3\)"),
        (CORNERS * np.nan, FACES, "not finite"),
        (CORNERS[:7], FACES, "does not exist"),
        (CORNERS, FACES - 1, "does not exist"),
    ],
)
def test_what_is_no_surface(vertices: np.ndarray, triangles: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Surface(LABEL, vertices, triangles)


def test_a_plate_carries_its_surfaces_to_the_printer() -> None:
    half = Transform(PRINT, LPS, [[0, -0.5, 0, 50], [0.5, 0, 0, 60], [0, 0, 0.5, 0], [0, 0, 0, 1]])
    plate = Plate.together("case", (box((10, 20, 30)),), half)
    assert plate.scale == 0.5
    np.testing.assert_allclose(plate.bounds, [[40, 60, 0], [50, 65, 15]])


@pytest.mark.parametrize(
    ("objects", "transform", "told"),
    [
        ((), Transform.identity(PRINT, LPS), "needs objects"),
        ((box((1, 1, 1)), box((2, 2, 2))), Transform.identity(PRINT, LPS), "name of its own"),
        ((RAS_FROM_LPS @ box((1, 1, 1)),), Transform.identity(PRINT, LPS), "lie in LPS"),
        ((box((1, 1, 1)),), Transform.identity(LPS, PRINT), "from LPS to PRINT"),
        ((box((1, 1, 1)),), Transform(PRINT, LPS, np.diag([1, 1, 2, 1.0])), "sheared or scaled unevenly"),
    ],
)
def test_what_is_no_plate(objects: tuple[Surface, ...], transform: Transform, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Plate.together("case", objects, transform)
