"""Masks on other grids. Truth: where each voxel's centre lies in the patient, and shapes of known volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Grid, Modality, Volume, right_handed
from surgplan.segment.placing import place
from tests.property.strategies import AXIS_TURNS, rotations
from tests.segment.shapes import ball, grid

RIGHT_HANDED = [turn for turn in AXIS_TURNS if np.linalg.det(turn) > 0]


def scan(where: Grid, frame: str = "") -> Volume:
    return Volume(where, np.zeros(where.shape, np.int16), Modality.CT, frame)


def centres(where: Grid, start, mask) -> set[tuple[float, ...]]:
    """LPS places of a mask's voxels, to a hundredth of a millimetre: what no exchange of axes may change."""
    ijk = np.argwhere(mask)[:, ::-1] + np.array(start)[::-1]
    return {tuple(place) for place in np.round(where.lps_from_ijk.apply(ijk), 2) + 0.0}


@given(
    st.sampled_from(AXIS_TURNS),
    st.sampled_from(RIGHT_HANDED),
    st.sampled_from([np.eye(3)]) | rotations(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_order_of_axes_lands_on_the_same_voxels(theirs, ours, oblique, seed):
    random = np.random.default_rng(seed)
    axes = oblique @ ours
    where = Grid(random.integers(2, 7, 3), random.uniform(0.4, 4, 3), random.uniform(-200, 200, 3), axes)
    voxels = random.random(where.shape) < 0.4
    voxels[0, 0, 0] = True
    # the same voxels, written with other axes, left-handed ones too: as a NIfTI file in RAS, LAS or PIR holds them
    turn = np.rint(np.linalg.inv(ours) @ theirs)
    order = [int(np.abs(column).argmax()) for column in turn.T]
    signs = [int(turn[axis, b]) for b, axis in enumerate(order)]
    moved = voxels.transpose(2, 1, 0).transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    first = [0 if sign > 0 else where.size[axis] - 1 for axis, sign in zip(order, signs, strict=True)]
    corner = where.lps_from_ijk.apply(np.array(first)[np.argsort(order)])
    size, steps = np.array(where.size)[order], where.spacing[order]
    other, array = right_handed(size, steps, corner, axes @ turn, moved.transpose(2, 1, 0))
    mask = NamedMask.cut("x", other, array)
    region, findings = place(mask, scan(where))
    whole = np.zeros(where.shape, bool)
    whole[region.box.slices] = region.mask
    np.testing.assert_array_equal(whole, voxels)
    assert findings == ()
    assert centres(where, region.box.start, region.mask) == centres(other, mask.start, mask.array)


def test_a_mask_of_a_larger_scan_is_cut_and_told():
    large, small = grid((20, 20, 20), (1, 1, 1)), grid((20, 20, 20), (1, 1, 1)).cropped((5, 0, 0), (10, 20, 20))
    region, (told,) = place(NamedMask.cut("x", large, ball(large, 8)), scan(small))
    assert told.check == "mask beyond the scan"
    lost = 1 - region.voxels / np.count_nonzero(ball(large, 8))
    assert f"{100 * lost:.1f} %" in told.measured
    assert region.box.start[2] == 0


@pytest.mark.parametrize("spacing", [(1.7, 1.3, 2.2), (0.3, 0.35, 0.9), (3.0, 3.0, 3.0)])
def test_a_ball_on_another_grid_keeps_its_volume_and_its_place(spacing):
    size = np.ceil(50 / np.array(spacing)).astype(int)
    turn = np.array(
        [[0.9553365, -0.0587108, 0.2896295], [0.0, 0.9800666, 0.1986693], [-0.2955202, -0.1897961, 0.9362934]]
    )
    u, _, v = np.linalg.svd(turn)
    theirs = Grid(size, spacing, (0, 0, 0), u @ v)
    theirs = Grid(size, spacing, -(theirs.centre), theirs.direction)
    where = grid((60, 60, 60), (0.9, 0.9, 0.9))
    mask = NamedMask.cut("ball", theirs, ball(theirs, 15))
    region, (told,) = place(mask, scan(where))
    assert told.check == "mask resampled"
    assert region.volume_mm3 == pytest.approx(mask.volume_mm3, rel=0.03)
    np.testing.assert_allclose(region.centre, (0, 0, 0), atol=0.2)
    voxels = np.zeros(where.shape, bool)
    voxels[region.box.slices] = region.mask
    truth = ball(where, 15)
    dice = 2 * np.count_nonzero(voxels & truth) / (np.count_nonzero(voxels) + np.count_nonzero(truth))
    assert dice > 0.94
    assert "linear interpolation at one half" in told.measured


def test_a_thin_plate_that_a_coarse_scan_loses_is_a_warning():
    fine, coarse = grid((40, 40, 40), (0.5, 0.5, 0.5)), grid((10, 10, 10), (2.1, 2.1, 2.1))
    plate = np.zeros(fine.shape, bool)
    plate[18:22] = True
    _, (told,) = place(NamedMask.cut("plate", fine, plate), scan(coarse))
    assert told.level is Level.WARN
    assert "mm³ (" in told.measured


def test_a_mask_of_another_frame_of_reference_is_refused():
    where = grid((9, 9, 9))
    mask = NamedMask.cut("x", where, ball(where, 3), frame_of_reference="1.2.3.111")
    with pytest.raises(BadInput, match=r"frame of reference …1\.2\.3\.111, the scan …1\.2\.3\.222"):
        place(mask, scan(where, "1.2.3.222"))
    assert place(mask, scan(where, "1.2.3.111"))[0].voxels == mask.voxels
    assert place(mask, scan(where))[0].voxels == mask.voxels


@pytest.mark.parametrize(
    ("signs", "words"),
    [
        ((-1, -1, 1), "x and y negated; as it stands, the centres lie 223.6 mm apart"),
        ((-1, 1, 1), "left and right are exchanged"),
    ],
)
def test_a_mirrored_mask_is_refused_with_its_distance(signs, words):
    where = Grid((12, 10, 8), (2, 2, 2), (89, 41, -300))
    corner = where.origin * signs
    axes = np.diag(np.array(signs, dtype=float))
    other, array = right_handed(where.size, where.spacing, corner, axes, ball_at(where))
    with pytest.raises(BadInput, match=words) as caught:
        place(NamedMask.cut("x", other, array), scan(where))
    assert caught.value.exit_code == 3


def ball_at(where: Grid) -> np.ndarray:
    k, j, i = np.ogrid[tuple(slice(0, count) for count in where.shape)]
    return (k - 3) ** 2 + (j - 4) ** 2 + (i - 5) ** 2 < 8


@pytest.mark.parametrize("shift", [(0.4, 0, 0), (37.3, 0, 0), (5000, 0, 0)])
def test_a_mask_outside_of_the_scan_is_refused_with_both_places(shift):
    where = grid((20, 20, 20), (2, 2, 2))
    other = Grid(where.size, where.spacing, where.origin + shift, where.direction)
    mask = NamedMask.cut("bone", other, ball(where, 17), source="bone.nii.gz")
    if shift[0] < 1:
        assert place(mask, scan(where))[0].voxels == pytest.approx(mask.voxels, rel=0.05)
        return
    with pytest.raises(
        BadInput, match=r"mask `bone` of bone\.nii\.gz: .* outside of the scan: it reaches x "
    ) as caught:
        place(mask, scan(where))
    assert "the scan x -20 to 20" in caught.value.message


def test_a_mask_on_voxels_that_lie_wholly_beyond_is_refused():
    where = grid((10, 10, 10), (2, 2, 2))
    beyond = where.cropped((10, 0, 0), (10, 10, 10))
    with pytest.raises(BadInput, match="100 % of it lie outside"):
        place(NamedMask.cut("x", beyond, np.ones(beyond.shape, bool)), scan(where))


def test_an_empty_mask_stays_empty():
    where = grid((10, 10, 10))
    assert place(NamedMask.cut("x", where, np.zeros(where.shape, bool)), scan(where))[0].voxels == 0
