"""The table of structures. Truth: DICOM PS3.16 as pydicom carries it, and the class names of TotalSegmentator 2."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydicom.sr._concepts_dict import concepts

from surgplan.model.anatomy import CATEGORY_CODES, Category, anatomies, anatomy_of, category_of
from surgplan.model.labels import Side

CLASSES = """
spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right adrenal_gland_left
lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right esophagus
trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left kidney_cyst_right sacrum
vertebrae_S1 vertebrae_L5 vertebrae_L4 vertebrae_L3 vertebrae_L2 vertebrae_L1 vertebrae_T12 vertebrae_T11 vertebrae_T10
vertebrae_T9 vertebrae_T8 vertebrae_T7 vertebrae_T6 vertebrae_T5 vertebrae_T4 vertebrae_T3 vertebrae_T2 vertebrae_T1
vertebrae_C7 vertebrae_C6 vertebrae_C5 vertebrae_C4 vertebrae_C3 vertebrae_C2 vertebrae_C1 heart aorta pulmonary_vein
brachiocephalic_trunk subclavian_artery_right subclavian_artery_left common_carotid_artery_right
common_carotid_artery_left brachiocephalic_vein_left brachiocephalic_vein_right atrial_appendage_left
superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein iliac_artery_left iliac_artery_right
iliac_vena_left iliac_vena_right humerus_left humerus_right scapula_left scapula_right clavicula_left clavicula_right
femur_left femur_right hip_left hip_right spinal_cord gluteus_maximus_left gluteus_maximus_right gluteus_medius_left
gluteus_medius_right gluteus_minimus_left gluteus_minimus_right autochthon_left autochthon_right iliopsoas_left
iliopsoas_right brain skull rib_left_1 rib_left_2 rib_left_3 rib_left_4 rib_left_5 rib_left_6 rib_left_7 rib_left_8
rib_left_9 rib_left_10 rib_left_11 rib_left_12 rib_right_1 rib_right_2 rib_right_3 rib_right_4 rib_right_5 rib_right_6
rib_right_7 rib_right_8 rib_right_9 rib_right_10 rib_right_11 rib_right_12 sternum costal_cartilages
"""
TOTALSEGMENTATOR = CLASSES.split()
WITH_A_SIDE_OF_THEIR_OWN = {"lung_middle_lobe_right", "atrial_appendage_left"}


def test_every_code_and_meaning_is_that_of_the_standard():
    meanings: dict[str, set[str]] = {}
    for found in concepts["SCT"].values():
        for value, (meaning, groups) in found.items():
            if groups:
                meanings.setdefault(value, set()).add(meaning)
    for entry in anatomies():
        if entry.source == "PS3.16":
            assert entry.code.meaning in meanings.get(entry.code.value, set()), entry
        else:
            assert entry.name.endswith(" rib")
            assert entry.source == "TG-263 map"
    assert sum(entry.source == "PS3.16" for entry in anatomies()) > 180


def test_every_class_of_totalsegmentator_is_known_with_its_side():
    assert len(TOTALSEGMENTATOR) == 117
    for name in TOTALSEGMENTATOR:
        found = anatomy_of(name)
        assert found is not None, name
        wanted = next((side for side in (Side.LEFT, Side.RIGHT) if side in name.split("_")), Side.NONE)
        assert found[1] is (Side.NONE if name in WITH_A_SIDE_OF_THEIR_OWN else wanted), name


def test_names_codes_and_colours_tell_structures_apart():
    names = [name.lower() for entry in anatomies() for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)
    vertebrae = [entry for entry in anatomies() if entry.name[1:].endswith("vertebra") and len(entry.name) > 9]
    assert len(vertebrae) == 24
    assert len({entry.code.value for entry in vertebrae}) == 24
    assert all(one.color != other.color for one, other in pairwise(vertebrae))


@pytest.mark.parametrize(
    ("name", "standard", "side"),
    [
        ("Left femur", "femur", Side.LEFT),
        ("femur.RIGHT", "femur", Side.RIGHT),
        ("Femur_L", "femur", Side.LEFT),
        ("femur", "femur", Side.NONE),
        ("Left atrium", "left atrium", Side.NONE),
        ("vertebrae_L1", "L1 vertebra", Side.NONE),
        ("Rib right 4", "fourth rib", Side.RIGHT),
        ("AORTA", "aorta", Side.NONE),
    ],
)
def test_a_name_is_understood(name, standard, side):
    found = anatomy_of(name)
    assert found is not None
    assert (found[0].name, found[1]) == (standard, side)


@pytest.mark.parametrize("name", ["", "left", "aorta left", "left right femur", "L femur neck", "femur implant", "ä"])
def test_what_is_not_in_the_table_gets_no_meaning(name):
    assert anatomy_of(name) is None


def test_each_category_has_its_code():
    assert set(CATEGORY_CODES) == set(Category)
    found = anatomy_of("stent")
    assert found is not None
    assert category_of(found[0].code).code.value == "260787004"
