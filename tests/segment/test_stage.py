"""The segmentation stage as a whole: labels, levels, order, findings and refusals."""

import numpy as np
import pytest

from surgplan.errors import BadInput, EmptyLabel, Refused, WrongUsage
from surgplan.findings import Level
from surgplan.model.labels import Code, Side
from surgplan.model.volume import Modality, Volume
from surgplan.segment.stage import SegmentParams, StructureParams, segment
from tests.segment.shapes import ball, blurred_ball, grid, places, scan

BONE = {"name": "bone", "threshold_hu": (250, 3071)}
BODY_GRID = grid((100, 60, 40), (4.0, 4.0, 4.0))


def run(volume, *structures):
    return segment(volume, SegmentParams.model_validate({"structures": structures}))


def told(result, check):
    return [finding for finding in result.findings if finding.check == check]


def body(*lumps, shift=0.0):
    """An elliptic body in air, 260 mm wide, with balls of bone at the given LPS x."""
    x, y, _ = places(BODY_GRID)
    flesh = ((x - shift) / 130) ** 2 + (y / 90) ** 2 <= 1
    bones = np.logical_or.reduce([ball(BODY_GRID, 20, (x, 0, 0)) for x in lumps])
    return scan(BODY_GRID, np.select([bones, flesh], [700, 40], -1000))


def test_a_ball_has_its_volume_its_label_and_its_level():
    volume = blurred_ball(grid((70, 70, 70), (0.5, 0.5, 0.5)), 12, 1000, 0, blur=0.6, noise=10)
    wanted = BONE | {"color": "#102030", "code": ("SCT", "272673000", "Bone")}
    result = run(volume, wanted | {"boundary": "half-maximum"})
    (label,) = result.labels.labels
    assert (label.name, label.value, label.color) == ("bone", 1, (16, 32, 48))
    assert label.code == Code("SCT", "272673000", "Bone")
    assert label.level == pytest.approx(500, abs=10)
    assert result.labels.counts()[1] * 0.125 == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.01)
    assert run(volume, wanted).labels.labels[0].level == 250
    assert result.labels.grid is volume.grid


def test_a_structure_darker_than_its_surroundings_has_no_level():
    where = grid((40, 40, 40))
    ventricle = scan(where, np.select([ball(where, 8), ball(where, 15)], [10, 35], -1000))
    result = run(ventricle, {"name": "ventricle", "threshold_hu": (0, 20)})
    assert result.labels.labels[0].level is None
    assert "brighter than 20 HU" in told(result, "boundary")[0].measured
    brain = run(ventricle, {"name": "brain", "threshold_hu": (25, 50)})
    assert brain.labels.labels[0].level == 25


def test_every_voxel_type_and_both_limits_count():
    where = grid((8, 4, 4))
    steps = np.broadcast_to(np.arange(8) * 10, where.shape)
    for kind in ("uint8", "int16", "int32", "float32"):
        result = run(Volume(where, steps.astype(kind), Modality.CT), {"name": "band", "threshold_hu": (20, 50)})
        np.testing.assert_array_equal(result.labels.array > 0, (steps >= 20) & (steps <= 50))
    fractions = run(scan(where, steps), {"name": "band", "threshold_hu": (19.5, 49.5)})
    np.testing.assert_array_equal(fractions.labels.array > 0, (steps >= 20) & (steps <= 40))


def test_the_result_is_the_same_each_time():
    volume = body(-60, 60)
    first, second = (run(volume, BONE | {"keep_largest": 1, "close_mm": 5.0}) for _ in range(2))
    np.testing.assert_array_equal(first.labels.array, second.labels.array)
    assert first.findings == second.findings


def test_what_two_structures_claim_belongs_to_the_one_named_first():
    volume = body(-60, 60)
    soft = {"name": "soft", "threshold_hu": (0, 3071)}
    first = run(volume, BONE, soft)
    assert (first.labels.mask(first.labels.label("bone")) == (volume.array == 700)).all()
    (overlap,) = told(first, "overlap")
    assert (overlap.subject, overlap.level) == ("soft", Level.WARN)
    with pytest.raises(EmptyLabel, match="all its voxels belong to structures named before it"):
        run(volume, soft, BONE)


def test_dropped_parts_are_told_with_their_place():
    (small,) = told(run(body(-60, 60, 90), BONE | {"keep_largest": 1}), "dropped parts")
    assert small.level is Level.WARN
    assert "(-60, 0, 0) mm LPS" in small.measured
    assert not told(run(body(-60, 60), BONE | {"keep_largest": 2}), "dropped parts")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(1500, 3071, "the scan's lie between -1000 and 700"), (-5000, -4000, "between -5000 and -4000 HU")],
)
def test_an_empty_structure_is_refused_with_the_range_of_the_scan(low, high, words):
    with pytest.raises(EmptyLabel, match=words) as caught:
        run(body(0), {"name": "metal", "threshold_hu": (low, high)})
    assert "`metal`" in caught.value.message
    assert caught.value.exit_code == 3


def test_an_empty_optional_structure_is_a_note():
    metal = {"name": "metal", "threshold_hu": (1500, 3071), "optional": True}
    result = run(body(0), metal, BONE)
    assert [label.name for label in result.labels.labels] == ["bone"]
    assert told(result, "absent")[0].subject == "metal"
    with pytest.raises(EmptyLabel):
        run(body(0), metal)


def test_parts_that_are_all_too_small_are_refused_with_the_largest():
    with pytest.raises(EmptyLabel, match=r"the largest has 3\.\d+e\+04 mm³"):
        run(body(0), BONE | {"min_volume_mm3": 1e6})


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_a_side_that_contradicts_the_body_is_refused(side):
    there, elsewhere = (60, -60) if side is Side.LEFT else (-60, 60)  # LPS x grows to the patient's left
    for shift in (0.0, 25.0):
        result = run(body(there + shift, shift=shift), BONE | {"side": side})
        assert result.labels.labels[0].side is side
        assert told(result, "side")[0].level is Level.NOTE
        with pytest.raises(Refused, match=f"expected on the {side} side") as caught:
            run(body(elsewhere + shift, shift=shift), BONE | {"side": side})
        assert caught.value.exit_code == 8


def test_a_side_near_the_middle_or_in_a_narrow_scan_is_left_to_a_person():
    assert told(run(body(5), BONE | {"side": "left"}), "side")[0].level is Level.WARN
    narrow = grid((30, 30, 30), (2.0, 2.0, 2.0))
    volume = scan(narrow, np.where(ball(narrow, 10, (-15, 0, 0)), 700, 40))
    assert "flank" in told(run(volume, BONE | {"side": "left"}), "side")[0].measured


@pytest.mark.parametrize("flip", [1, -1])
def test_the_side_is_told_in_the_patient_not_in_the_array(flip):
    direction = np.diag([flip, flip, 1.0])
    where = grid((100, 60, 40), (4.0, 4.0, 4.0), direction=direction)
    x, y, _ = places(where)
    bone = ball(where, 20, (60, 0, 0))
    volume = scan(where, np.select([bone, (x / 130) ** 2 + (y / 90) ** 2 <= 1], [700, 40], -1000))
    run(volume, BONE | {"side": "left"})
    with pytest.raises(Refused):
        run(volume, BONE | {"side": "right"})


def test_what_the_scan_cuts_is_told_with_its_end():
    where = grid((20, 30, 40), (1.0, 2.0, 3.0))
    bone = np.zeros(where.shape)
    bone[:10, 10:20, 5:15] = 700  # touches the lower end with 10 × 10 voxels of 1 × 2 mm
    (cut,) = told(run(scan(where, bone), BONE), "field of view")
    assert "200 mm² at its lower end" in cut.measured
    assert "upper" not in cut.measured
    bone[0] = 0
    assert not told(run(scan(where, bone), BONE), "field of view")


def test_metal_is_told():
    where = grid((40, 40, 40))
    screw = np.where(ball(where, 3), 3071, np.where(ball(where, 10), 700, 0))
    assert told(run(scan(where, screw), BONE), "metal")[0].level is Level.WARN
    assert not told(run(scan(where, np.minimum(screw, 2000)), BONE), "metal")


def test_closing_and_filling_are_told():
    where = grid((60, 40, 40))
    bone = np.where(ball(where, 15), 700, 0)
    bone[ball(where, 4)] = 0
    bone[:, :, 38] = 0  # a crack one voxel wide beside the cavity
    result = run(scan(where, bone), BONE | {"close_mm": 1.0, "fill_holes_mm3": 400})
    assert told(result, "closed gaps")
    assert "1 cavity of " in told(result, "filled cavities")[0].measured
    assert ((result.labels.array > 0) ^ ball(where, 15)).sum() <= 20  # the crack's ends on the ball's surface stay
    unfilled = run(scan(where, bone), BONE | {"close_mm": 1.0, "fill_holes_mm3": 100})
    assert not told(unfilled, "filled cavities")


def test_only_ct_has_hounsfield_units():
    array = body(0).array
    with pytest.raises(BadInput, match="MR scan"):
        run(Volume(BODY_GRID, array, Modality.MR), BONE)
    assert told(run(Volume(BODY_GRID, array), BONE), "scale")[0].level is Level.NOTE
    assert told(run(Volume(BODY_GRID, array + np.int16(1000)), BONE), "scale")[0].level is Level.WARN


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"treshold_hu": [1, 2]}, "Did you mean `threshold_hu`?"),
        ({"threshold_hu": [300, 200]}, "the lower threshold 300 is not below the upper one, 200"),
        ({"threshold_hu": [1, 2], "close_mm": -1}, "close gaps up to this wide, in mm"),
        ({"threshold_hu": [1, 2], "color": "red"}, "as #rrggbb"),
        ({"threshold_hu": [1, 2], "side": "port"}, "left, right, or empty"),
        ({}, "`threshold_hu` is missing"),
    ],
)
def test_wrong_parameters_are_explained(table, words):
    with pytest.raises(WrongUsage) as caught:
        StructureParams.from_table({"name": "bone"} | table, "recipe.toml")
    assert words in caught.value.message


def test_two_structures_of_one_name_are_refused():
    with pytest.raises(WrongUsage, match="share that file name"):
        SegmentParams.from_table({"structures": [BONE, BONE | {"name": "Bone"}]}, "recipe.toml")


def test_importing_the_parameters_loads_nothing_heavy():
    import subprocess
    import sys

    heavy = "[name for name in ('scipy', 'SimpleITK', 'vtkmodules') if name in sys.modules]"
    code = f"import sys, surgplan.segment.stage; print({heavy})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
