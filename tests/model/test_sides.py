"""Sides in names: as people and as TotalSegmentator spell them."""

from __future__ import annotations

import pytest

from surgplan.model.labels import Side
from surgplan.model.sides import is_midline, side_told, without_side

LEFT = [
    *(
        "Left femur",
        "femur left",
        "femur_left",
        "FemurLeft",
        "leftFemur",
        "LEFT-HIP",
        "hip.L",
        "L_hip",
        "kidney (left)",
    ),
    *("kidney lt", "Lt kidney", "Femur links", "linke Niere", "fémur gauche", "tibia_l", "L tibia", "rib_left_12"),
    *("lung_upper_lobe_left", "gluteus_maximus_left", "iliac_vena_left", "scapula_left", "lateral ventricle left"),
    *("common_carotid_artery_left", "rib_left_1", "costal 3 L", "autochthon_left", "rene sinistro"),
]
NONE = [
    *("femur", "skull", "L", "r", "L1", "vertebrae_L5", "vertebra L 5", "L5 vertebra", "disc L", "T 12", "lr", "both"),
    *(
        "left and right kidneys",
        "heart_ventricle_right",
        "heart_atrium_left",
        "left liver lobe",
        "leftover",
        "brightness",
    ),
    *("brachiocephalic_vein_left", "pulmonary artery right", "right coronary artery", "atrial_appendage_left", "upper"),
    *("cleft palate", "R2", "L 5", "tumor"),
]


@pytest.mark.parametrize("name", LEFT)
def test_left_is_told_and_its_counterpart_is_right(name: str) -> None:
    assert side_told(name) is Side.LEFT
    swap = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "lt": "rt", "Lt": "Rt", "links": "rechts"}
    swap |= {"linke": "rechte", "gauche": "droite", "sinistro": "destro"}
    other = name
    for one, two in swap.items():
        if one in name:
            other = name.replace(one, two)
            break
    else:
        other = "".join("R" if c == "L" else "r" if (c == "l" and name.endswith("_l")) else c for c in name)
    assert side_told(other) is Side.RIGHT, other
    assert without_side(other) == without_side(name)


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_side_is_none(name: str) -> None:
    assert side_told(name) is Side.NONE


def test_structures_of_the_middle() -> None:
    assert all(map(is_midline, ("vertebrae_L5", "sacrum", "Skull", "spinal_cord")))
    assert not any(map(is_midline, ("left skull half", "kidney_left", "aorta", "rib_left_12")))
