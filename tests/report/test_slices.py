"""Slices: outlines where the structure is, sides where the letters say, windows that fit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from surgplan.model.frames import LPS_FROM_RAS
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Modality, Volume
from surgplan.report.slices import PIXELS, VIVID, outline_colors, slice_pictures
from surgplan.report.windows import BONE, CONTRAST, LUNG, SOFT, window_for
from tests.report.cases import BONE as BONE_COLOR
from tests.report.cases import RED, all_orientations, blobs, grid, small_case, sphere
from tests.report.pixels import letter_at, near, opened

RADIUS = 15.0


def case_of(volume, surfaces):
    """A label map whose labels bear the surfaces' names."""
    array = np.zeros(volume.grid.shape, np.uint8)
    return LabelMap(volume.grid, array, tuple(Label(n, s.label.name) for n, s in enumerate(surfaces, 1)))


def pictures_of(volume, surfaces, single=10):
    return {picture.name: picture for picture in slice_pictures(volume, case_of(volume, surfaces), surfaces, single)}


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_the_outline_lies_within_a_pixel_of_the_circle(plane):
    """A ball in the middle of the picture: its outline is a circle whose radius is known."""
    volume = blobs(grid(), [((0, 0, 0), RADIUS)], value=40)  # invisible: only the outline is bright
    made = pictures_of(volume, [sphere(RADIUS)])[f"slice-ball-{plane}.png"]
    picture = opened(made.png)
    line = near(picture, VIVID[0], 70)
    rows, columns = np.nonzero(line)
    pixels_per_mm = PIXELS / 80.0  # the least field is 80 mm
    middle = volume.grid.ijk_from_lps.apply((0, 0, 0))
    at = {"axial": 2, "coronal": 1, "sagittal": 0}[plane]
    off = (round(middle[at]) - middle[at]) * volume.grid.spacing[at]
    expected = np.sqrt(RADIUS**2 - off**2) * pixels_per_mm
    found = np.hypot(columns + 0.5 - PIXELS / 2, rows + 0.5 - PIXELS / 2)
    assert np.abs(found - expected).max() < 1.9  # the line is two pixels wide
    assert found.mean() == pytest.approx(expected, abs=0.3)
    angles = np.degrees(np.arctan2(rows - PIXELS / 2, columns - PIXELS / 2))
    assert np.histogram(angles, 72, (-180, 180))[0].min() > 0, "the outline has a gap"


@pytest.mark.parametrize("direction", list(all_orientations())[::3])
def test_a_marker_on_the_left_is_on_the_side_marked_l(direction):
    """Told from its mirror image: a small ball lies to the left, in front and above of the structure."""
    where = grid((64, 64, 64), (1.0, 1.0, 1.0), direction)
    volume = blobs(where, [((0, 0, 0), 8.0), ((18, -14, 12), 5.0)])
    surfaces = [sphere(8.0), sphere(5.0, (18, -14, 12), "pea", RED)]
    made = pictures_of(volume, surfaces)
    sides = {
        "axial": ((18, "left", "right", "R", "L"), (-14, "top", "bottom", "A", "P")),
        "coronal": ((18, "left", "right", "R", "L"), (-12, "top", "bottom", "S", "I")),
        "sagittal": ((-14, "left", "right", "A", "P"), (-12, "top", "bottom", "S", "I")),
    }
    for plane, ((right_mm, *across), (down_mm, *down)) in sides.items():
        picture = opened(made[f"slice-pea-{plane}.png"].png)
        for first, second, low, high in (across, down):
            assert letter_at(picture, first) == low, plane
            assert letter_at(picture, second) == high, plane
        # the field of 80 mm is larger than the scan, so that the scan's middle, the ball's, is the picture's
        pea = _middle_of_line(picture, outline_colors([surface.label for surface in surfaces])[1])
        away_mm = (pea - PIXELS / 2) * 80 / PIXELS
        assert away_mm == pytest.approx((right_mm, down_mm), abs=0.6), plane


def test_bright_voxels_lie_on_the_side_of_their_letter():
    """The scan itself, not only the outlines: bone on the patient's left is bright at the picture's right."""
    volume = blobs(grid((64, 64, 64), (1.0, 1.0, 1.0)), [((0, 0, 0), 6.0), ((16, -12, 0), 7.0)])
    picture = opened(pictures_of(volume, [sphere(6.0)])["slice-ball-axial.png"].png)
    bright = picture.min(axis=2) > 180
    bright[:40], bright[-40:], bright[:, :40], bright[:, -40:] = False, False, False, False  # the letters
    rows, columns = np.nonzero(bright)
    heavy = columns > PIXELS * 0.6
    assert heavy.sum() > 0.4 * len(columns)
    assert columns[heavy].mean() == pytest.approx((16 / 80 + 0.5) * PIXELS, abs=4)
    assert rows[heavy].mean() == pytest.approx((-12 / 80 + 0.5) * PIXELS, abs=4)


def _middle_of_line(picture, color):
    line = near(picture, color, 80)
    line[:40], line[-40:], line[:, :40], line[:, -40:] = False, False, False, False
    rows, columns = np.nonzero(line)
    return np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2


def test_a_surface_in_the_wrong_frame_would_be_seen():
    """The test above can fail: the same surface in RAS lies on the other side."""
    volume = blobs(grid((64, 64, 64), (1.0, 1.0, 1.0)), [((0, 0, 0), 8.0)])
    pea = sphere(5.0, (12, -9, 0), "pea", RED)
    wrong = sphere(5.0, LPS_FROM_RAS.apply((12.0, -9.0, 0.0)), "pea", RED)
    color = outline_colors([sphere(8).label, pea.label])[1]
    right, mirrored = (
        _middle_of_line(opened(pictures_of(volume, [sphere(8.0), each])["slice-ball-axial.png"].png), color)
        for each in (pea, wrong)
    )
    assert right[0] > PIXELS / 2 > mirrored[0]


def test_a_hollow_middle_moves_the_slice_to_the_structure():
    """Two balls far apart: the slice half way between them would show neither."""
    import trimesh

    from surgplan.model.surface import Surface

    mesh = trimesh.util.concatenate(
        [trimesh.creation.icosphere(3, 5.0).apply_translation((x, 0, 0)) for x in (-20, 20)]
    )
    surface = Surface(Label(1, "pair"), mesh.vertices, mesh.faces)
    volume = blobs(grid(), [((-20, 0, 0), 5.0), ((20, 0, 0), 5.0)])
    made = pictures_of(volume, [surface])
    for picture in made.values():
        assert near(opened(picture.png), VIVID[0], 70).sum() > 50, picture.name


def test_names_captions_and_the_number_of_pictures():
    given = small_case()
    made = list(slice_pictures(given.volume, given.labels, given.surfaces, 1))
    assert [picture.name for picture in made] == [f"slice-ball-{p}.png" for p in ("axial", "coronal", "sagittal")]
    # the middle of 40 slices lies between two of them
    assert re.fullmatch(r"ball, axial slice 2[01] of 40, bone window \(level 400, width 1800 HU\)", made[0].caption)
    assert all(picture.size == (PIXELS, PIXELS) for picture in made)


def test_a_surface_without_triangles_has_no_slices():
    from surgplan.model.surface import Surface

    empty = Surface(Label(1, "none"), np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    assert not pictures_of(blobs(grid(), [((0, 0, 0), 5.0)]), [empty])


def test_the_same_slices_twice():
    given = small_case()
    first, second = (list(slice_pictures(given.volume, given.labels, given.surfaces, 2)) for _ in range(2))
    assert [picture.png for picture in first] == [picture.png for picture in second]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [((1000, 1200), BONE), ((250, 350, 400), CONTRAST), ((30, 60), SOFT), ((-850, -800), LUNG), ((), SOFT)],
)
def test_windows_of_ct(inside, expected):
    assert window_for(Modality.CT, np.array(inside), np.array([0.0])) is expected


def test_a_scan_without_hounsfield_units_is_stretched_to_what_it_holds():
    around = np.linspace(200, 1200, 1001)
    window = window_for(Modality.MR, around[:5], around)
    grey = window.grey(around.astype(np.float32))
    assert (grey[0], grey[-1]) == (0, 255)
    assert window.level == pytest.approx(700, abs=10)
    flat = Volume(grid((8, 8, 8), (1, 1, 1)), np.full((8, 8, 8), 7, np.int16), Modality.MR)
    assert np.isfinite(window_for(Modality.MR, np.array([7]), flat.array).grey(np.float32([7.0]))).all()


def test_outlines_of_pale_structures_have_colours_of_their_own():
    labels = [Label(1, "a", BONE_COLOR), Label(2, "b", (128, 128, 128)), Label(3, "c", RED)]
    pale, grey, red = outline_colors(labels)
    assert (pale, grey) == VIVID[:2]
    assert red[0] == 255
    assert max(red[1:]) < 90
