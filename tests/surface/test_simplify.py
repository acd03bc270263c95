"""Simplified surfaces stay closed and near, with the bodies and handles that they had."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.contour import contour
from surgplan.surface.fidelity import Contour
from surgplan.surface.keeping import settled
from surgplan.surface.merging import merged, usual_edge
from surgplan.surface.simplify import CELLS, simplify
from surgplan.surface.smooth import smooth
from surgplan.surface.solid import NotManifold
from surgplan.surface.topology import topology
from tests.surface.shapes import Distance, scan, shell, torus


@pytest.fixture(scope="module", params=["torus", "shell", "mask"])
def raw(request: pytest.FixtureRequest) -> Surface:
    volume, labels = scan(shell() if request.param == "shell" else torus(), (0.8, 0.8, 1.2))
    return contour(None if request.param == "mask" else volume, labels.with_level("body", 540.0), labels.labels[0])


def test_the_tolerance_is_kept_with_few_triangles(raw: Surface) -> None:
    contour = Contour(raw)
    result = simplify(raw, 0.15, lambda made: settled(made, contour.everywhere, 0.15))
    assert contour.farthest(result) <= 0.15
    assert len(result.triangles) < 0.5 * len(raw.triangles)
    assert topology(result.vertices, result.triangles).watertight
    assert result.volume_mm3 == pytest.approx(raw.volume_mm3, rel=2e-3)


@pytest.mark.parametrize("most_mm", [0.06, 0.3])
def test_merging_keeps_bodies_handles_and_volume(raw: Surface, most_mm: float) -> None:
    even = smooth(raw, 0.1)
    edge = usual_edge(even.vertices, even.triangles)
    vertices, triangles = merged(even.vertices, even.triangles, [share * edge for share in CELLS], most_mm)
    told, before = topology(vertices, triangles), topology(raw.vertices, raw.triangles)
    assert told.ok
    assert (told.bodies, told.genus) == (before.bodies, before.genus)
    assert len(triangles) < (0.75 if most_mm < 0.1 else 0.2) * len(raw.triangles)
    surface = raw.with_mesh(vertices, triangles)
    assert Contour(even).farthest(surface) < max(0.15, 0.03 + most_mm)
    assert surface.volume_mm3 == pytest.approx(even.volume_mm3, rel=1e-3 if most_mm < 0.1 else 8e-3)


def plate(thick_mm: float) -> Distance:
    """A plate with four holes of 2 mm, oblique to any grid."""
    normal = np.array([0.48, 0.6, 0.64])
    along = np.array([0.8, 0.0, -0.6])
    aside = np.cross(normal, along)

    def distance(points: np.ndarray) -> np.ndarray:
        x, y, z = (points @ axis for axis in (along, aside, normal))
        inside = np.minimum(10 - np.maximum(np.abs(x), np.abs(y)), thick_mm / 2 - np.abs(z))
        return np.minimum(inside, np.hypot(np.abs(x) - 5, np.abs(y) - 5) - 2)

    return distance


def test_the_two_sides_of_a_thin_plate_are_not_merged() -> None:
    volume, labels = scan(plate(1.4), (0.5, 0.5, 0.5), half_mm=14.0)
    thin = smooth(contour(volume, labels, labels.labels[0]), 0.05)
    vertices, triangles = merged(thin.vertices, thin.triangles, [0.7, 1.4, 2.8], 0.1)
    told = topology(vertices, triangles)
    assert told.ok
    assert (told.bodies, told.genus) == (1, 4)
    assert len(triangles) < 0.5 * len(thin.triangles)
    assert thin.with_mesh(vertices, triangles).volume_mm3 == pytest.approx(thin.volume_mm3, rel=0.03)


def test_the_same_surface_gives_the_same_bytes(raw: Surface) -> None:
    one, two = (simplify(raw, 0.15, lambda made: made) for _ in range(2))
    assert np.array_equal(one.vertices, two.vertices)
    assert np.array_equal(one.triangles, two.triangles)


def test_an_open_mesh_is_refused() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=20)
    surface = Surface(Label(1, "ball"), ball.vertices, ball.faces[100:])
    with pytest.raises(NotManifold):
        simplify(surface, 0.15, lambda made: made)
