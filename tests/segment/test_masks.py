"""Structures from masks: names, sides, colours, overlaps, and every mask at once."""

from __future__ import annotations

import numpy as np
import pytest

from surgplan.errors import BadInput, EmptyLabel, Refused, WrongUsage
from surgplan.findings import Level
from surgplan.model.labels import Code, Side
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Modality, Volume
from surgplan.segment.mask_params import GIVEN
from surgplan.segment.stage import Given, SegmentParams, StructureParams, segment
from tests.segment.shapes import ball, grid

WHERE = grid((60, 40, 30), (4, 4, 4))
SCAN = Volume(WHERE, np.where(ball(WHERE, 70), 40, -1000).astype(np.int16), Modality.CT)


def mask(name, radius=10.0, centre=(0, 0, 0), **told):
    return NamedMask.cut(name, WHERE, ball(WHERE, radius, centre), source=f"{name}.nii.gz", **told)


def run(masks, *structures, volume=SCAN):
    given = Given(masks={(GIVEN, each.name): each for each in masks})
    return segment(volume, SegmentParams.model_validate({"structures": structures}), given)


def structure(name, **keys):
    return {"name": name, "method": "mask", **keys}


def told(result, check):
    return [finding for finding in result.findings if finding.check == check]


def test_a_name_of_the_table_gives_code_colour_and_side():
    result = run([mask("femur_left", centre=(40, 0, 0))], structure("femur_left"))
    (label,) = result.labels.labels
    assert (label.side, label.code) == (Side.LEFT, Code("SCT", "71341001", "Femur"))
    assert label.color != (232, 220, 192)
    assert label.level is None
    np.testing.assert_array_equal(result.labels.mask(label), ball(WHERE, 10, (40, 0, 0)))


def test_the_recipe_comes_before_the_file_and_the_file_before_the_table():
    own = mask("liver", color=(1, 2, 3), code=Code("99LAB", "7", "Liver, ours"))
    (label,) = run([own], structure("liver")).labels.labels
    assert (label.color, label.code) == ((1, 2, 3), Code("99LAB", "7", "Liver, ours"))
    (label,) = run([own], structure("liver", color="#0a0b0c", code=("SCT", "10200004", "Liver"))).labels.labels
    assert (label.color, label.code) == ((10, 11, 12), Code("SCT", "10200004", "Liver"))


@pytest.mark.parametrize("name", ["Left femur", "Femur L", "femurLeft"])
def test_a_mask_is_found_under_another_of_its_names(name):
    result = run([mask("femur_left", centre=(40, 0, 0)), mask("hip", 5)], structure(name))
    assert [label.name for label in result.labels.labels] == [name]


def test_one_of_a_pair_is_not_taken_for_either():
    with pytest.raises(WrongUsage, match=r"needs the mask `femur`, which is not given\. Did you mean `femur_left`"):
        run([mask("femur_left")], structure("femur"))


def test_a_structure_may_name_its_mask():
    result = run([mask("seg 7")], structure("tumor", mask={"name": "seg 7"}))
    assert [label.name for label in result.labels.labels] == ["tumor"]
    assert result.labels.labels[0].code == Code("SCT", "108369006", "Neoplasm")


def test_all_masks_become_structures_and_the_first_keeps_shared_voxels():
    masks = [
        mask("aorta", 12),
        mask("kidney_left", 12, (50, 0, 0)),
        mask("vertebra", 12, (8, 0, 0)),
        mask("nothing", -1),
    ]
    result = run(masks, structure("aorta", fill_holes=True), structure("*"))
    assert [label.name for label in result.labels.labels] == ["aorta", "kidney_left", "vertebra"]
    shared = np.count_nonzero(masks_of(masks[0]) & masks_of(masks[2])) * 64 / 1000
    (overlap,) = told(result, "overlap")
    assert overlap.subject == "vertebra"
    assert overlap.measured.startswith(f"{shared:.4g} cm³")
    assert [finding.subject for finding in told(result, "empty mask")] == ["nothing"]


def masks_of(each):
    whole = np.zeros(WHERE.shape, bool)
    block = tuple(slice(a, a + n) for a, n in zip(each.start, each.array.shape, strict=True))
    whole[block] = each.array
    return whole


def test_what_lies_within_another_mask_keeps_its_voxels():
    result = run([mask("liver", 14), mask("tumor", 8)], structure("*"))
    assert [label.name for label in result.labels.labels] == ["tumor", "liver"]
    assert result.labels.counts()[1] == np.count_nonzero(ball(WHERE, 8))
    (overlap,) = told(result, "overlap")
    assert overlap.subject == "liver"


def test_a_mask_that_an_earlier_one_covers_is_a_warning():
    result = run([mask("aorta", 12), mask("lumen", 12)], structure("*"))
    (absent,) = told(result, "absent")
    assert (absent.subject, absent.level) == ("lumen", Level.WARN)
    assert "belong to structures named before it" in absent.measured


def test_a_mask_on_the_wrong_side_is_refused():
    with pytest.raises(Refused, match=r"`femur_left`: its centre lies 80\.0 mm right of `femur_right`"):
        run([mask("femur_right", centre=(40, 0, 0)), mask("femur_left", centre=(-40, 0, 0))], structure("*"))


@pytest.mark.parametrize(
    ("masks", "name", "error", "words"),
    [
        ([], "liver", WrongUsage, "Pass --masks FOLDER"),
        ([], "*", WrongUsage, "takes all masks, and none are given"),
        (["lvier"], "liver", WrongUsage, "Did you mean `lvier`"),
        (["Femur L", "femur_left"], "left femur", WrongUsage, "could be any of the masks"),
        (["A b", "a-b"], "*", BadInput, "would share the file name 'a-b'"),
    ],
)
def test_what_is_not_given_or_not_clear_is_told(masks, name, error, words):
    with pytest.raises(error, match=words):
        run([mask(each) for each in masks], structure(name))


def test_an_empty_mask_is_an_empty_structure():
    with pytest.raises(EmptyLabel, match=r"its mask `rib` in rib\.nii\.gz is empty"):
        run([mask("rib", -1)], structure("rib"))
    result = run([mask("rib", -1), mask("hip")], structure("rib", optional=True), structure("hip"))
    assert [label.name for label in result.labels.labels] == ["hip"]


def test_masks_need_no_hounsfield_units():
    scan = Volume(WHERE, SCAN.array, Modality.MR)
    assert run([mask("hip")], structure("hip"), volume=scan).labels.counts()[1] > 0


def test_refinements_follow_the_mask():
    result = run([mask("hip", 10)], structure("hip", refine=[{"op": "grow", "by_mm": 4.0}]))
    assert result.labels.counts()[1] > np.count_nonzero(ball(WHERE, 10))


def test_a_table_of_another_method_is_refused():
    with pytest.raises(WrongUsage, match="table `network` is given, but the method is `mask`"):
        StructureParams.from_table(structure("x", network={"model": "y"}), "recipe")
