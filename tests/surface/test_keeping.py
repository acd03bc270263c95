"""The tolerance is kept at every place, as an independent program measures it, and what breaks it is put back."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.contour import contour
from surgplan.surface.everywhere import Everywhere
from surgplan.surface.fidelity import Contour
from surgplan.surface.keeping import kept, settled
from surgplan.surface.near import Mesh, near
from surgplan.surface.ruler import Ruler
from surgplan.surface.stage import SurfaceParams, make_surfaces
from surgplan.surface.topology import topology
from tests.surface.shapes import Distance, scan, shell, torus

MOST = 0.1


def ball(subdivisions: int, radius: float = 20.0) -> Surface:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Surface(Label(1, "ball"), made.vertices, made.faces)


def seen_from(surface: Surface) -> Everywhere:
    return Everywhere(surface, Ruler(surface.vertices, surface.triangles))


def beside(points: NDArray[np.float64], surface: Surface) -> NDArray[np.float64]:
    """(n,) distances by VTK's implicit distance, which the program itself does not use for this."""
    from vtkmodules.vtkFiltersCore import vtkImplicitPolyDataDistance

    from surgplan.surface.vtk_mesh import to_polydata

    look = vtkImplicitPolyDataDistance()
    look.SetInput(to_polydata(surface.vertices, surface.triangles, precise=True))
    return np.array([abs(look.EvaluateFunction(point)) for point in points.tolist()])


def places(surface: Surface) -> NDArray[np.float64]:
    """Corners, middles of edges and middles of all triangles."""
    corners = surface.corners
    middles = (corners + np.roll(corners, 1, axis=1)) / 2
    return np.concatenate([surface.vertices, corners.mean(axis=1), middles.reshape(-1, 3)])


@pytest.mark.parametrize("enough", [0.0, 0.05])
def test_bounds_are_never_too_small_and_mostly_exact(enough: float) -> None:
    fine, coarse = ball(5), ball(3, 20.1)
    middle = Mesh(coarse.vertices.astype(np.float32), coarse.triangles)
    found = near(fine.vertices.astype(np.float32), middle, 0.7, enough)
    true = beside(fine.vertices, coarse)
    assert (found.away >= true - 1e-4).all()
    assert (np.maximum(found.away, enough) <= np.maximum(true, enough) + 1e-3).mean() > 0.98
    feet = np.einsum("ij,ijk->ik", found.weights, coarse.corners[found.triangle])
    assert np.linalg.norm(feet - fine.vertices, axis=1) == pytest.approx(found.away, abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "spacing"), [(torus(12.0, 5.0), (0.8, 0.8, 1.2)), (shell(15.0, 13.0), (1.0, 1.0, 2.0))]
)
def test_no_place_breaks_the_tolerance(shape: Distance, spacing: tuple[float, float, float]) -> None:
    """Of the noisy surfaces of a whole run: at every vertex of either, and within every triangle of the result."""
    from surgplan.surface.blurred_edge import made_linear
    from surgplan.surface.finish import dropped_specks

    volume, labels = scan(shape, spacing, half_mm=19.0)
    made = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=MOST))
    whole = dropped_specks(contour(*made_linear(volume, labels, labels.labels[0])), 1.0)[0]
    surface, told = made.surfaces[0], made.measures[0].fidelity
    out, back = beside(places(surface), whole), beside(whole.vertices, surface)
    assert max(out.max(), back.max()) <= MOST + 2e-3
    assert told.from_contour.maximum == pytest.approx(back.max(), abs=2e-3)
    assert not [finding for finding in made.findings if finding.check == "tolerance"]


@pytest.mark.parametrize("by", [0.5, -0.5])
@pytest.mark.parametrize("where", ["corner", "edge", "middle"])
def test_what_stands_out_is_put_back_there_alone(by: float, where: str) -> None:
    """A tooth or a dent of the contour that the surface does not have."""
    fine, flat = ball(6), ball(4)
    number = {"corner": 0, "edge": 2000, "middle": 40}[where]
    if where == "middle":
        at = flat.corners[7].mean(axis=0)
        number = int(np.linalg.norm(fine.vertices - at, axis=1).argmin())
    vertices = fine.vertices.copy()
    vertices[number] *= 1 + by / 20
    toothed = fine.with_mesh(vertices, fine.triangles)
    mended = kept(flat, seen_from(toothed), 0.15)
    assert mended is not None
    assert beside(toothed.vertices[[number]], mended)[0] <= 0.15
    assert beside(places(mended), toothed).max() <= 0.15 + 1e-3
    assert topology(mended.vertices, mended.triangles).ok
    assert len(mended.triangles) <= len(flat.triangles) + 60
    far = np.linalg.norm(flat.vertices - vertices[number], axis=1) > 5
    assert np.isin(flat.vertices[far], mended.vertices).all()


def test_a_vertex_that_stands_out_is_drawn_in() -> None:
    fine, flat = ball(6), ball(4)
    vertices = flat.vertices.copy()
    vertices[5] *= 1.04
    mended = kept(flat.with_mesh(vertices, flat.triangles), seen_from(fine), 0.15)
    assert mended is not None
    assert beside(places(mended), fine).max() <= 0.15 + 1e-3


def test_a_surface_that_is_too_coarse_is_not_mended() -> None:
    assert kept(ball(2), seen_from(ball(6)), 0.1) is None


def test_a_polyhedron_amidst_the_points_of_a_ball_has_its_volume() -> None:
    fine, coarse = ball(6), ball(4)
    even = settled(coarse, seen_from(fine), 0.2)
    assert even is not None
    assert coarse.volume_mm3 < (1 - 1.5e-3) * fine.volume_mm3
    assert even.volume_mm3 == pytest.approx(fine.volume_mm3, rel=5e-4)


def test_the_largest_distance_is_that_of_all_vertices() -> None:
    fine, flat = ball(6), ball(4)
    vertices = fine.vertices.copy()
    vertices[12345] *= 1.02
    toothed = fine.with_mesh(vertices, fine.triangles)
    assert Contour(toothed).farthest(flat) == pytest.approx(beside(toothed.vertices, flat).max(), abs=1e-4)
