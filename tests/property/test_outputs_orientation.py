"""No axis order, flip or turn moves a label, a surface or a point: through every format that leaves a case."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.formats.markups import read_points, write_fcsv, write_mrk_json
from surgplan.formats.meshes import read_mesh, write_ply, write_stl
from surgplan.formats.segmentations import read_labels, write_labels
from surgplan.formats.threemf import read_threemf, write_threemf
from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.labels import Label, LabelMap
from surgplan.model.plate import Plate
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.model.volume import right_handed
from surgplan.segment.sides import check_sides
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.property.strategies import AXIS_TURNS, rotations

SIZE, SPACING = (14, 15, 16), np.array((1.1, 1.3, 1.7))
WITHIN_MM = 0.01
PLACES = {"femur_left": (6.0, 2.0, -3.0), "femur_right": (-6.0, 2.0, -3.0)}  # LPS mm


def labelled(axes: np.ndarray) -> LabelMap:
    """Two boxes of 3 mm at their places in the patient, on a grid whose axes lie in any way, left-handed ones too."""
    middle = (np.array(SIZE) - 1) / 2 * SPACING
    grid, array = right_handed(SIZE, SPACING, -axes @ middle, axes, np.zeros(SIZE[::-1], np.uint8))
    kji = np.stack(np.indices(grid.shape)[::-1], axis=-1).reshape(-1, 3)
    places = grid.lps_from_ijk.apply(kji).reshape(*grid.shape, 3)
    array = np.array(array)
    for value, place in enumerate(PLACES.values(), 1):
        array[np.all(np.abs(places - place) <= 3.0, axis=-1)] = value
    return LabelMap(grid, array, tuple(Label(value, name) for value, name in enumerate(PLACES, 1)))


def through_every_output(axes: np.ndarray, folder: Path) -> None:
    labels = labelled(axes)
    write_labels(folder / "labels.seg.nrrd", labels)
    back = read_labels(folder / "labels.seg.nrrd")
    assert np.array_equal(back.array, labels.array)
    assert back.grid.matches(labels.grid)
    check_sides(back, None)  # refuses when left and right are exchanged
    image = sitk.ReadImage(str(folder / "labels.seg.nrrd"))  # an independent reader finds them where they are
    voxels = sitk.GetArrayFromImage(image)
    for value, place in enumerate(PLACES.values(), 1):
        index = np.argwhere(voxels == value).mean(axis=0)[::-1]
        found = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
        assert np.abs(np.array(found) - place).max() < 1.7  # half a voxel's diagonal
    surfaces = make_surfaces(None, back, SurfaceParams()).surfaces
    move = Transform(PRINT, LPS, np.array([[1, 0, 0, 80], [0, 1, 0, 90], [0, 0, 1, 30], [0, 0, 0, 1.0]]))
    write_threemf(folder / "plate.3mf", Plate.together("case", surfaces, move, "generic-fdm", {"case": "case"}))
    plate, _ = read_threemf(folder / "plate.3mf")
    for surface, printed in zip(surfaces, plate.objects, strict=True):
        assert np.linalg.norm(surface.vertices.mean(axis=0) - PLACES[surface.label.name]) < 1.7
        write_ply(folder / "a.ply", surface)
        write_stl(folder / "a.stl", surface)
        for read in (read_mesh(folder / "a.ply")[0], read_mesh(folder / "a.stl")[0], printed):
            assert same_place(read, surface)


def same_place(one: Surface, other: Surface) -> bool:
    """Whether both have the same bounds, and enclose the same volume with the same sign: a mirror changes that."""
    shift = PRINT if one.frame == PRINT else LPS
    offset = np.array((80, 90, 30)) if shift == PRINT else 0
    near = np.abs(one.bounds - offset - other.bounds).max() < WITHIN_MM
    return bool(near and one.volume_mm3 > 0 and abs(one.volume_mm3 / other.volume_mm3 - 1) < 1e-3)


@pytest.mark.parametrize("number", range(0, 48, 9))
def test_labels_and_surfaces_of_axis_orders_and_flips(tmp_path: Path, number: int) -> None:
    through_every_output(AXIS_TURNS[number], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(48))
def test_labels_and_surfaces_of_all_axis_orders_and_flips(tmp_path: Path, number: int) -> None:
    through_every_output(AXIS_TURNS[number], tmp_path)


@settings(max_examples=2, deadline=None)
@given(rotations())
def test_labels_and_surfaces_of_random_oblique_directions(axes: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        through_every_output(axes, Path(folder))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-900, 900)] * 3), min_size=1, max_size=5))
def test_points_keep_their_places(places: list[tuple[float, float, float]]) -> None:
    points = PointSet([Landmark(f"p{number}", np.array(place), LPS) for number, place in enumerate(places)], LPS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_fcsv(folder / "p.fcsv", points)
        write_mrk_json(folder / "p.mrk.json", points)
        for file in ("p.fcsv", "p.mrk.json"):
            assert np.abs(read_points(folder / file).positions - points.positions).max() < WITHIN_MM
