"""Where slices put the patient's sides: the same in all 24 ways in which a scan can be stored."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from surgplan.report.slice_view import SliceView, letters, patient_axes
from tests.report.cases import all_orientations, blobs, grid, turned

ORIENTATIONS = list(all_orientations())
SAGITTAL, CORONAL, AXIAL = 0, 1, 2


def view_of(where, plane, pixels=300, field_mm=150.0):
    axis = patient_axes(where)[plane]
    return SliceView(where, plane, where.size[axis] // 2, (np.array(where.size) - 1) / 2, field_mm, pixels)


def shown(where, plane, lps):
    """Pixel of a point of the patient."""
    return view_of(where, plane).project(where.ijk_from_lps.apply(np.asarray(lps, float)))


@pytest.mark.parametrize("direction", ORIENTATIONS)
def test_radiological_convention_however_the_scan_is_stored(direction):
    """The patient's left is at the right, anterior at the top of axial slices and at the left of sagittal ones."""
    where = grid(direction=direction)
    for plane in (AXIAL, CORONAL):
        assert shown(where, plane, (10, 0, 0))[0] == pytest.approx(150 + 20)
        assert shown(where, plane, (-10, 0, 0))[0] == pytest.approx(150 - 20)
    assert shown(where, AXIAL, (0, -10, 0))[1] == pytest.approx(150 - 20)
    assert shown(where, CORONAL, (0, 0, 10))[1] == pytest.approx(150 - 20)
    assert shown(where, SAGITTAL, (0, -10, 0))[0] == pytest.approx(150 - 20)
    assert shown(where, SAGITTAL, (0, 0, 10))[1] == pytest.approx(150 - 20)


@pytest.mark.parametrize("direction", ORIENTATIONS)
def test_letters_name_the_sides_however_the_scan_is_stored(direction):
    where = grid(direction=direction)
    assert view_of(where, AXIAL).letters == ("R", "L", "A", "P")
    assert view_of(where, CORONAL).letters == ("R", "L", "S", "I")
    assert view_of(where, SAGITTAL).letters == ("A", "P", "S", "I")
    assert [view_of(where, plane).name for plane in (0, 1, 2)] == ["sagittal", "coronal", "axial"]


@pytest.mark.parametrize("direction", [*ORIENTATIONS[::5], turned(20), turned(25, "x"), turned(-30, "y")])
@pytest.mark.parametrize("plane", [SAGITTAL, CORONAL, AXIAL])
def test_voxels_lie_where_points_are_drawn(direction, plane):
    """The brightest spot of the sampled picture is where `project` puts the ball's centre."""
    where = grid((40, 44, 30), (1.0, 0.8, 2.0), direction)
    target = where.lps_from_ijk.apply([25.0, 12.0, 18.0])
    volume = blobs(where, [(target, 4.0)])
    ijk = where.ijk_from_lps.apply(target)
    view = SliceView(where, plane, round(ijk[patient_axes(where)[plane]]), (np.array(where.size) - 1) / 2, 80.0, 400)
    picture = view.sampled(volume.array, 40.0) - 40
    rows, columns = np.indices(picture.shape) + 0.5
    centre = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
    assert_allclose(centre, view.project(ijk), atol=0.6)


@pytest.mark.parametrize("plane", [SAGITTAL, CORONAL, AXIAL])
def test_balls_are_round_in_thick_slices(plane):
    """4 mm slices are not squeezed: a ball of 40 mm is 40 mm wide and high."""
    where = grid((64, 64, 16), (1.0, 1.0, 4.0))
    picture = view_of(where, plane, 280, 70.0).sampled(blobs(where, [((0, 0, 0), 20.0)]).array, 40.0) > 520
    for axis in (0, 1):
        assert picture.any(axis=axis).sum() * 70 / 280 == pytest.approx(40, abs=1.5)


def test_finer_sampling_shows_the_same_place():
    volume = blobs(grid(), [((10, 5, 0), 12.0)])
    view = view_of(volume.grid, AXIAL, 100, 60.0)
    fine = view.sampled(volume.array, 0.0, finer=2)
    assert fine.shape == (200, 200)
    coarse = fine.reshape(100, 2, 100, 2).mean(axis=(1, 3))
    assert np.abs(coarse - view.sampled(volume.array, 0.0)).max() < 150  # at the ball's edge; its step is 960


def test_beyond_the_scan_is_the_outside():
    volume = blobs(grid((20, 20, 20), (1.0, 1.0, 1.0)), [((0, 0, 0), 5.0)])
    picture = view_of(volume.grid, CORONAL, 100, 50.0).sampled(volume.array, -5000.0)
    assert (picture == -5000).mean() == pytest.approx(1 - (20 / 50) ** 2, abs=0.01)
    assert (picture[32:68, 32:68] > 0).all()


def test_a_scan_of_one_slice_is_shown():
    volume = blobs(grid((30, 30, 1), (1.0, 1.0, 1.0)), [((0, 0, 0), 5.0)])
    for plane in (SAGITTAL, CORONAL, AXIAL):
        assert np.isfinite(view_of(volume.grid, plane).sampled(volume.array, 0.0)).all()


def test_tilted_slices_say_so():
    where = grid(direction=turned(18, "x"))
    assert view_of(where, AXIAL).name == "axial, tilted 18°"
    assert view_of(where, SAGITTAL).name == "sagittal"
    assert view_of(where, AXIAL).letters == ("R", "L", "AI", "PS")


def test_a_scan_turned_by_half_a_right_angle_has_each_plane_once():
    for direction in (turned(45), turned(45, "x") @ turned(45, "y")):
        assert sorted(patient_axes(grid(direction=direction))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [((1, 0, 0), "L"), ((-1, 0.05, 0), "R"), ((0, -1, 0), "A"), ((0, 0.7, -0.6), "PI"), ((-0.5, 0.6, 0.62), "SPR")],
)
def test_letters_of_directions(direction, expected):
    assert letters(np.array(direction) / np.linalg.norm(direction)) == expected
