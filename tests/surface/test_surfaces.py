"""Surfaces against analytic truth: distance, volume, topology; and against an independent program."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy import ndimage

from surgplan.errors import BadInput, EmptyLabel
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.surface.contour import contour
from surgplan.surface.fidelity import distance_to, surface_samples
from surgplan.surface.regions import enclosed
from surgplan.surface.stage import SurfaceParams, make_surfaces
from surgplan.surface.topology import topology
from tests.surface.shapes import Distance, scan, shell, shell_volume, torus, torus_volume

SPACINGS = {(0.7, 0.7, 1.0): (0.05, 0.12, 0.005), (0.5, 0.5, 2.0): (0.05, 0.12, 0.006)}
"""Voxel size → allowed mean and 95th percentile of the distance, mm, and share of the volume."""

SHELL_SHARE = 0.002
"""A wall as thin as two coarse slices is as thick as it is: its blurred voxels do not make it seem darker."""

BODIES = {"torus": (torus(), torus_volume(), 1, 1), "shell": (shell(), shell_volume(), 2, 0)}


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", BODIES)
def test_the_surface_lies_where_the_body_ends(name: str, spacing: tuple[float, float, float]) -> None:
    distance, volume_mm3, bodies, genus = BODIES[name]
    volume, labels = scan(distance, spacing)
    result = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.1))
    surface, measures = result.surfaces[0], result.measures[0]
    away = np.abs(distance(surface_samples(surface, 20_000)))
    assert away.mean() <= SPACINGS[spacing][0]
    assert np.percentile(away, 95) <= SPACINGS[spacing][1]
    share = SHELL_SHARE if name == "shell" else SPACINGS[spacing][2]
    assert surface.volume_mm3 == pytest.approx(volume_mm3, rel=share)
    assert measures.topology.ok
    assert (measures.topology.bodies, measures.topology.genus) == (bodies, genus)
    assert max(measures.fidelity.to_contour.maximum, measures.fidelity.from_contour.maximum) <= 0.1
    assert measures.fidelity.to_scan is not None
    assert measures.fidelity.to_scan.mean < 0.05


def test_what_ends_between_coarse_slices_ends_there() -> None:
    """The ends of a ball between two slices: cubics must see two slices beyond on either side."""
    volume, labels = scan(torus(30.0, 9.0), (0.5, 0.5, 2.0), half_mm=42)
    linear = Volume(volume.grid, exact(torus(30.0, 9.0), volume), volume.modality)
    level = labels.with_level("body", 0.0)
    surface = contour(linear, level, level.labels[0])
    steep = np.abs(np.abs(surface.vertices[:, 2]) / 9.0 - 0.875) < 0.075
    assert np.abs(torus(30.0, 9.0)(surface.vertices[steep])).max() < 0.01


def exact(distance: Distance, volume: Volume) -> NDArray[np.float32]:
    """The signed distance itself, as a scan."""
    k, j, i = np.indices(volume.grid.shape)
    points = volume.grid.lps_from_ijk.apply(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    return np.asarray(distance(points).reshape(volume.grid.shape), np.float32)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_an_independent_program_finds_it_watertight(spacing: tuple[float, float, float]) -> None:
    volume, labels = scan(torus(), spacing)
    surface = make_surfaces(volume, labels, SurfaceParams()).surfaces[0]
    mesh = trimesh.Trimesh(surface.vertices, surface.triangles, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.is_volume
    assert mesh.volume == pytest.approx(surface.volume_mm3)


def test_the_contour_separates_the_labels_voxels_from_all_others() -> None:
    volume, labels = scan(torus(), (1.1, 0.9, 1.6))
    surface = contour(volume, labels, labels.labels[0])
    k, j, i = np.nonzero(labels.array)
    inside = labels.grid.lps_from_ijk.apply(np.column_stack([i, j, k]))
    outside = labels.grid.lps_from_ijk.apply(np.argwhere(labels.array == 0)[:, ::-1])
    assert enclosed(inside, surface).all()
    assert not enclosed(outside, surface).any()


def test_a_body_that_the_scan_cuts_off_is_closed_there() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.0), half_mm=18.0)
    assert labels.array[:, 0].any(), "the test wants a body at the border"
    result = make_surfaces(volume, labels, SurfaceParams())
    assert result.measures[0].topology.watertight


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_mask_without_intensities_gets_a_smooth_surface(spacing: tuple[float, float, float]) -> None:
    distance: Distance = torus()
    _, labels = scan(distance, spacing)
    bare = labels.with_level("body", None)
    surface = make_surfaces(None, bare, SurfaceParams()).surfaces[0]
    away = np.abs(distance(surface_samples(surface, 20_000)))
    assert away.mean() < 0.35 * max(spacing)
    assert surface.volume_mm3 == pytest.approx(torus_volume(), rel=0.06)


@pytest.mark.parametrize("spacing", [(0.8, 0.8, 1.2), (2.0, 2.0, 2.5)])
@pytest.mark.parametrize("half_mm", [33.0, 18.0])
@pytest.mark.parametrize("level", [540.0, None])
def test_slabs_give_what_one_piece_gives(
    spacing: tuple[float, float, float], half_mm: float, level: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, labels = scan(torus(), spacing, half_mm=half_mm)
    labels = labels.with_level("body", level)
    whole = contour(volume, labels, labels.labels[0])
    monkeypatch.setattr("surgplan.surface.contour.SLAB_VOXELS", 1)
    monkeypatch.setattr("surgplan.surface.contour.MIN_PLANES", 5)
    pieces = contour(volume, labels, labels.labels[0])
    assert topology(pieces.vertices, pieces.triangles).ok
    assert len(pieces.triangles) == len(whole.triangles)
    assert pieces.volume_mm3 == pytest.approx(whole.volume_mm3, rel=1e-7)
    one, two = (np.sort(np.round(each.vertices, 4) @ [1.0, 1e3, 1e6]) for each in (whole, pieces))
    assert one == pytest.approx(two, rel=0, abs=200)  # within 0.0002 mm along the last axis


def test_specks_are_dropped_and_told() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.0))
    voxels = labels.array.copy()
    voxels[2, 2, 2] = voxels[-3, -3, -3] = 1
    result = make_surfaces(volume, LabelMap(labels.grid, voxels, labels.labels), SurfaceParams(min_body_mm3=5))
    assert result.measures[0].topology.bodies == 1
    told = [finding for finding in result.findings if finding.check == "specks"]
    assert told
    assert told[0].measured.startswith("2 bodies")


def test_fewer_triangles_on_request_and_the_price_is_told() -> None:
    volume, labels = scan(torus(), (0.7, 0.7, 1.0))
    result = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.05, max_triangles=1500))
    assert result.measures[0].topology.triangles <= 1500
    assert result.measures[0].topology.ok
    assert [finding.check for finding in result.findings if finding.check == "tolerance"]
    (told,) = [finding for finding in result.findings if finding.check == "triangles"]
    kept, made = (int(word) for word in re.findall(r"(\d+) triangles lie within .*, (\d+) within", told.measured)[0])
    assert kept > 1500 >= made == result.measures[0].topology.triangles
    assert told.limit == "1500 triangles within 0.05 mm"


def test_walls_that_would_run_through_each_other_keep_their_triangles() -> None:
    noise = np.random.default_rng(7).normal(0, 300, (28, 28, 28))
    field = ndimage.gaussian_filter(noise, 1.2) * 12
    field[0] = field[-1] = field[:, 0] = field[:, -1] = field[:, :, 0] = field[:, :, -1] = -1000
    grid = Grid((28, 28, 28), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    volume = Volume(grid, field.astype(np.float32), Modality.CT)
    labels = LabelMap(grid, (field > 0).astype(np.uint8), (Label(1, "sponge", level=0.0),))
    result = make_surfaces(volume, labels, SurfaceParams(max_triangles=600))
    assert result.measures[0].topology.ok
    (told,) = [finding for finding in result.findings if finding.check == "triangles"]
    assert "cross others" in told.measured
    assert result.measures[0].fidelity.to_contour.maximum <= 0.3


def test_the_same_input_gives_the_same_mesh() -> None:
    volume, labels = scan(shell(), (0.8, 0.8, 1.2))
    one, two = (make_surfaces(volume, labels, SurfaceParams()).surfaces[0] for _ in range(2))
    assert np.array_equal(one.vertices, two.vertices)
    assert np.array_equal(one.triangles, two.triangles)


def test_vertices_are_exact_in_float32() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.2))
    vertices = make_surfaces(volume, labels, SurfaceParams()).surfaces[0].vertices
    assert np.array_equal(vertices, vertices.astype(np.float32))


def test_an_empty_label_is_refused() -> None:
    volume, labels = scan(torus(), (1.0, 1.0, 2.0))
    both = LabelMap(labels.grid, labels.array, (*labels.labels, Label(2, "nothing")))
    with pytest.raises(EmptyLabel, match="nothing"):
        make_surfaces(volume, both, SurfaceParams())


def test_labels_on_another_grid_are_refused() -> None:
    volume, _ = scan(torus(), (1.0, 1.0, 2.0))
    _, labels = scan(torus(), (1.0, 1.0, 1.9))
    with pytest.raises(BadInput, match="grid"):
        make_surfaces(volume, labels, SurfaceParams())


def test_distances_between_surfaces_are_those_of_their_shapes() -> None:
    ball = trimesh.creation.icosphere(subdivisions=5, radius=20)
    surface = Surface(Label(1, "ball"), ball.vertices, ball.faces)
    points = np.random.default_rng(3).normal(size=(500, 3)) * 15
    expected = np.abs(np.linalg.norm(points, axis=1) - 20)
    assert distance_to(points, surface) == pytest.approx(expected, abs=0.02)


def test_samples_are_spread_by_area() -> None:
    box = trimesh.creation.box((10, 20, 40))
    samples = surface_samples(Surface(Label(1, "box"), box.vertices, box.faces), 20_000)
    share = np.isclose(np.abs(samples[:, 0]), 5).mean()
    assert share == pytest.approx(2 * 20 * 40 / box.area, abs=0.02)


@pytest.mark.parametrize(("folder", "level"), [("ct_pelvis_3mm/masks", None)])
def test_real_masks_become_closed_solids(test_data: Path, folder: str, level: float | None) -> None:
    from surgplan.formats.images import read_image

    for name in ("hip_left", "femur_left", "sacrum"):
        path = test_data / folder / f"{name}.nii.gz"
        volume, _ = read_image(path)
        labels = LabelMap(volume.grid, (volume.array > 0).astype(np.uint8), (Label(1, name, level=level),))
        result = make_surfaces(None, labels, SurfaceParams())
        told = topology(result.surfaces[0].vertices, result.surfaces[0].triangles)
        assert told.ok, (name, told)
        voxels = labels.array.sum() * labels.grid.voxel_volume_mm3
        assert result.surfaces[0].volume_mm3 == pytest.approx(voxels, rel=0.08)


def test_a_body_that_the_scan_cuts_off_is_flat_there() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.0), half_mm=18.0)
    for level in (labels.labels[0].level, None):
        surface = contour(volume, labels.with_level("body", level), labels.with_level("body", level).labels[0])
        ijk = labels.grid.ijk_from_lps.apply(surface.vertices)
        assert ijk[:, 1].min() == pytest.approx(-0.5, abs=1e-6)
        assert ijk[:, 1].max() == pytest.approx(labels.grid.size[1] - 0.5, abs=1e-6)


def test_a_structure_darker_than_its_level_is_contoured_too() -> None:
    volume, labels = scan(torus(), (0.7, 0.7, 1.0))
    dark = Volume(volume.grid, (1080 - volume.array).astype(np.int16), volume.modality)
    surface = contour(dark, labels, labels.labels[0])
    away = np.abs(torus()(surface_samples(surface, 20_000)))
    assert away.mean() < 0.05


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (1.25, 1.25, 4.0)])
def test_a_mask_keeps_its_volume_without_intensities(spacing: tuple[float, float, float]) -> None:
    _, labels = scan(shell(), spacing)
    surface = contour(None, labels, labels.labels[0])
    assert surface.volume_mm3 == pytest.approx(labels.array.sum() * labels.grid.voxel_volume_mm3, rel=0.015)


def test_a_volume_that_is_not_the_scan_is_refused() -> None:
    """The label map itself, named as the scan: its values never cross the level of 540."""
    volume, labels = scan(shell(), (2.0, 2.0, 2.0))
    with pytest.raises(BadInput, match="values from 0 to 1, expected values round 540, where body ends"):
        make_surfaces(replace(volume, array=labels.array.astype(np.int16)), labels, SurfaceParams())


def cone(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """12 mm high, of a radius of 4 mm at its foot."""
    away = np.hypot(points[..., 0], points[..., 1])
    return np.asarray(np.minimum((4 - away - (points[..., 2] + 6) / 3) * 0.95, points[..., 2] + 6))


def rod(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Oblique, of a radius of 1.2 mm."""
    along = points @ np.array([0.48, 0.6, 0.64])
    away = np.sqrt(np.maximum((points**2).sum(axis=-1) - along**2, 0))
    return np.asarray(np.minimum(1.2 - away, 8 - np.abs(along)))


THIN = {
    "wall of 1.2 mm": (shell(8.0, 6.8), 0.004),
    "wall of 2 mm": (shell(8.0, 6.0), 0.004),
    "cone": (cone, 0.006),
    "rod": (rod, 0.012),  # 0.007 mm of its radius
}
"""Shape → share of the contour's volume that it may change by."""


@pytest.mark.parametrize("name", THIN)
def test_what_is_thin_stays_as_it_was_contoured(name: str) -> None:
    """Smoothing and simplifying take nothing from walls, ends and rods, and lose no part of them."""
    shape, share = THIN[name]
    volume, labels = scan(shape, (0.5, 0.5, 0.6), half_mm=10.0)
    measures = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.15)).measures[0]
    assert abs(measures.fidelity.volume_change) <= share
    assert measures.fidelity.from_contour.maximum <= 0.15
    assert measures.certificate.lost_share == 0
    assert measures.topology.ok
