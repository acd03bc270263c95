"""The certificate tells the distances that analytic bodies have, rejects what is wrong, and finds what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from surgplan.case.certificates import certificate_schema
from surgplan.case.steps import surface_step
from surgplan.formats.meshes import read_mesh
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Grid, Volume
from surgplan.surface.certificate import ACCEPTED, REJECTED, Certificate, Certifier
from surgplan.surface.contour import contour
from surgplan.surface.fidelity import level_distances, surface_samples
from surgplan.surface.scan_boundary import scan_boundary
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.surface.shapes import Array, Distance, scan, shell, torus

SPACING = (0.7, 0.7, 1.0)


def test_the_boundary_in_the_scan_is_that_of_the_body() -> None:
    volume, labels = scan(torus(), SPACING)
    boundary = scan_boundary(volume, labels, labels.labels[0])
    assert boundary.decided.all()
    assert np.abs(torus()(boundary.points)).mean() < 0.04
    assert not boundary.slack_mm.any()


def test_a_boundary_of_the_label_alone_is_known_to_half_a_voxel() -> None:
    _, labels = scan(torus(), SPACING)
    boundary = scan_boundary(None, labels, labels.labels[0])
    assert not boundary.decided.any()
    assert np.unique(boundary.slack_mm) == pytest.approx([0.35, 0.5])
    assert (np.abs(torus()(boundary.points)) < boundary.slack_mm + 0.15).all()


def certified(surface: Surface, volume: Volume | None, labels: LabelMap) -> Certificate:
    certifier = Certifier(volume, labels, labels.labels[0])
    certifier.add("finish", surface, last=True)
    return certifier.certificate(0.25)


@pytest.mark.parametrize("by_mm", [0.1, 0.4])
def test_a_surface_that_is_too_large_is_told_by_how_much(by_mm: float) -> None:
    volume, labels = scan(shell(), SPACING)
    surface = make_surfaces(volume, labels, SurfaceParams()).surfaces[0]
    middle = labels.grid.centre * 0
    away = surface.vertices - middle
    length = np.linalg.norm(away, axis=1, keepdims=True)
    moved = surface.with_mesh(surface.vertices + by_mm * away / length, surface.triangles)
    told = certified(moved, volume, labels)
    last = told.steps[-1]
    assert last.from_scan is not None
    assert last.to_scan is not None
    assert last.from_scan.mean == pytest.approx(by_mm, abs=0.03)
    assert last.to_scan.mean == pytest.approx(by_mm, abs=0.1)
    assert told.verdict == (ACCEPTED if by_mm < 0.25 else REJECTED)


def test_a_good_surface_is_accepted_and_each_step_is_told() -> None:
    volume, labels = scan(torus(), SPACING)
    result = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=0.1))
    told = result.measures[0].certificate
    assert told.verdict == ACCEPTED
    assert [step.step for step in told.steps] == ["contour", "smooth", "simplify", "finish"]
    assert told.decided_share == 1.0
    assert told.p95_mm <= 0.12
    assert not told.lost_places
    assert result.distances[0].shape == (len(result.surfaces[0].vertices),)
    assert np.percentile(result.distances[0], 95) <= 0.12


def test_a_coarse_surface_is_rejected() -> None:
    volume, labels = scan(torus(), SPACING)
    result = make_surfaces(volume, labels, SurfaceParams(max_triangles=150))
    assert result.measures[0].certificate.verdict == REJECTED
    told = [finding for finding in result.findings if finding.check == "certificate"]
    assert told[0].level == "refuse"


def test_a_limit_of_half_the_largest_voxel_edge() -> None:
    volume, labels = scan(torus(8.0, 3.0), (0.3, 0.4, 0.4), half_mm=12.5)
    certifier = Certifier(volume, labels, labels.labels[0])
    certifier.add("finish", make_surfaces(volume, labels, SurfaceParams()).surfaces[0], last=True)
    assert certifier.certificate(0.25).limit_p95_mm == pytest.approx(0.2)


def test_a_part_that_is_missing_is_found() -> None:
    volume, labels = scan(torus(), SPACING)
    whole = make_surfaces(volume, labels, SurfaceParams()).surfaces[0]
    half = whole.with_mesh(whole.vertices, whole.triangles[whole.corners[:, :, 0].mean(axis=1) > 0])
    told = certified(half, volume, labels)
    assert told.lost_share == pytest.approx(0.47, abs=0.05)
    assert all(place[0] < 0.5 for place in told.lost_places)
    assert [finding.check for finding in told.findings()] == ["certificate", "thin parts"]


def test_dropped_specks_are_not_lost() -> None:
    volume, labels = scan(torus(), (0.8, 0.8, 1.0))
    voxels, intensities = labels.array.copy(), volume.array.copy()
    voxels[2, 2, 2], intensities[2, 2, 2] = 1, 1040
    labels = LabelMap(labels.grid, voxels, labels.labels)
    volume = replace(volume, array=intensities)
    certifier = Certifier(volume, labels, labels.labels[0])
    from surgplan.surface.finish import dropped_specks

    kept, gone, _ = dropped_specks(contour(volume, labels, labels.labels[0]), 1.0)
    certifier.leave_out(gone)
    certifier.add("finish", kept, last=True)
    told = certifier.certificate(0.25)
    assert told.dropped_share > 0
    assert not told.lost_places


def test_dropped_specks_of_a_mask_are_not_lost() -> None:
    array = np.zeros((14, 14, 14), np.uint8)
    array[4:10, 4:10, 2:8] = 1
    array[6, 6, 11] = 1
    grid = Grid((14, 14, 14), (0.9, 0.9, 0.9), (0, 0, 0))
    made = make_surfaces(None, LabelMap(grid, array, (Label(1, "block"),)), SurfaceParams())
    assert [finding.check for finding in made.findings] == ["specks"]
    assert made.measures[0].certificate.dropped_share == pytest.approx(6 / (6 * 36 + 6), rel=0.2)


def test_a_mask_without_intensities_is_certified_within_a_voxel() -> None:
    _, labels = scan(torus(), SPACING)
    bare = labels.with_level("body", None)
    told = make_surfaces(None, bare, SurfaceParams()).measures[0].certificate
    assert told.boundary == "label"
    assert told.decided_share == 0.0
    assert told.verdict == ACCEPTED


def test_the_flat_end_of_a_mask_that_the_scan_cuts_is_not_held_against_it() -> None:
    grid = Grid((40, 40, 20), (1.0, 1.0, 1.5), (-19.5, -19.5, 0.0))
    k, j, i = np.ogrid[:20, :40, :40]
    tube = ((j - 19.5) ** 2 + (i - 19.5) ** 2 < 12**2) & (k >= 0)  # from the scan's first slice to its last
    labels = LabelMap(grid, tube.astype(np.uint8), (Label(1, "aorta"),))
    result = make_surfaces(None, labels, SurfaceParams())
    assert result.surfaces[0].bounds[0][2] == pytest.approx(-0.75, abs=0.12)  # the rim: smoothing swings there
    assert [finding for finding in result.findings if finding.check == "certificate"] == []


def test_the_files_hold_it(tmp_path: Path) -> None:
    volume, labels = scan(torus(), (1.0, 1.0, 1.5))
    surface_step(volume, labels, SurfaceParams(), tmp_path)
    stored = json.loads((tmp_path / "certificate.json").read_text("utf-8"))
    jsonschema.validate(stored, json.loads(certificate_schema()))
    assert stored["structures"][0]["name"] == "body"
    header, _, body = (tmp_path / "body.ply").read_bytes().partition(b"end_header\n")
    assert b"property float quality" in header
    surface, _ = read_mesh(tmp_path / "body.ply")
    quality = np.frombuffer(body, "<f4", 4 * len(surface.vertices)).reshape(-1, 4)[:, 3]
    assert np.percentile(quality, 95) == pytest.approx(stored["structures"][0]["p95_mm"], abs=0.05)


def test_other_programs_read_the_distances(tmp_path: Path) -> None:
    import trimesh
    from vtkmodules.vtkIOPLY import vtkPLYReader

    volume, labels = scan(torus(), (1.0, 1.0, 1.5))
    surface = surface_step(volume, labels, SurfaceParams(), tmp_path).noun.surfaces[0]
    mesh = trimesh.load(tmp_path / "body.ply", process=False)
    assert mesh.volume == pytest.approx(surface.volume_mm3)
    assert len(mesh.metadata["_ply_raw"]["vertex"]["data"]["quality"]) == len(surface.vertices)
    reader = vtkPLYReader()
    reader.SetFileName(str(tmp_path / "body.ply"))
    reader.Update()
    assert reader.GetOutput().GetNumberOfPolys() == len(surface.triangles)


def test_the_map_of_distances_opens_in_vtk(tmp_path: Path) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    from surgplan.case.convert import convert

    volume, labels = scan(torus(), (1.0, 1.0, 1.5))
    made = surface_step(volume, labels, SurfaceParams(), tmp_path).noun
    _, findings = convert((tmp_path / "body.ply",), tmp_path / "body.vtp")
    assert not findings
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "body.vtp"))
    reader.Update()
    scalars = reader.GetOutput().GetPointData().GetScalars()
    assert scalars.GetName() == "distance_mm"
    assert np.array_equal(vtk_to_numpy(scalars), made.distances[0])
    assert np.array_equal(vtk_to_numpy(reader.GetOutput().GetPoints().GetData()), made.surfaces[0].vertices)
    assert [finding.measured for finding in convert((tmp_path / "body.ply",), tmp_path / "body.glb")[1]] == [
        ".glb has no place for: the distance of each vertex"
    ]


def test_an_empty_label_has_no_boundary() -> None:
    volume, labels = scan(torus(), (1.0, 1.0, 2.0))
    from surgplan.errors import EmptyLabel

    with pytest.raises(EmptyLabel):
        scan_boundary(volume, labels, Label(2, "nothing"))


def test_the_crest_of_a_thin_wall_is_not_told_to_be_far() -> None:
    """Where the scan hardly rises above the level, its gradient vanishes: to first order, 0.15 mm would be told."""
    volume, labels = scan(crest(), (0.6, 0.6, 0.6), half_mm=14.0)
    surface = contour(volume, labels, labels.labels[0])
    told, away = level_distances(surface_samples(surface, 20_000), volume, labels, labels.labels[0])
    assert len(told) > 15_000
    assert away.max() < 0.12


def crest() -> Distance:
    """A disc that becomes thinner outward, until its blurred intensity no longer reaches the level."""

    def distance(points: Array) -> Array:
        away = np.hypot(points[..., 0], points[..., 1])
        return np.asarray(np.minimum(1.6 * (1 - away / 12) - np.abs(points[..., 2]), 12 - away))

    return distance
