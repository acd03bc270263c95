"""Which of a case's structures, and whether its scan, can show a face.

DICOM PS3.15, E.3.2 (Clean Recognizable Visual Features Option, code 113102): what allows an individual to be
recognized, from images or from what is reconstructed from them, is removed or distorted. The skin of a head allows it,
and so does the scan that it can be reconstructed from. What cannot be told to lie elsewhere counts as a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from surgplan.model.anatomy import anatomy_of
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.skin import SAMPLE_MM, find_skin
from surgplan.segment.body import skin_level

SOURCE = "DICOM PS3.15, E.3.2 (113102)"
SKIN = frozenset(["skin", "face", "head", "nose", "external ear"])
"""Names of the table whose surface is the outside of a head, or of a body that may have one."""
SKIN_WORDS = ("skin", "face", "scalp", "body", "soft tissue", "soft-tissue", "outline")
ELSEWHERE = frozenset(
    [
        *("humerus", "radius", "ulna", "metacarpals", "scaphoid", "hand", "hip", "pelvis", "ilium", "ischium"),
        *("acetabulum", "femur", "femoral head", "patella", "tibia", "fibula", "tarsus", "talus", "calcaneus"),
        *("metatarsals", "foot", "sacrum", "coccyx", "meniscus", "L1 vertebra", "L2 vertebra", "L3 vertebra"),
        *("L4 vertebra", "L5 vertebra", "abdominal aorta", "renal artery", "common iliac artery", "femoral artery"),
        *("popliteal artery", "heart", "left ventricle", "right ventricle", "left atrium", "right atrium"),
        *("pericardium", "liver", "spleen", "kidney", "pancreas", "urinary bladder", "prostate", "uterus", "colon"),
    ]
)
"""Names of the table whose scans do not show a head, unless they show the whole body."""
BONE_HU = 250.0
CAVITY_CM2, CAVITY_MM = 60.0, 20.0
"""A ring of bone round so much soft tissue, over such a height, is a skull: that of a newborn has about 80 cm²."""
SOFT_HU = (-20.0, 120.0)
OUTSIDE_SHARE = 0.03
"""A structure that is so much of the body's outside shows the skin, whatever it is called: skin was found to be 95 %
and more of it in scans of heads, a skull 1 % at the most."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Faces:
    """Why the scan may show a face, or "" where it does not; and the structures that would."""

    why: str = ""
    skins: tuple[str, ...] = ()


def find_faces(volume: Volume, labels: LabelMap, methods: Mapping[str, str]) -> Faces:
    """Look at names, methods (structure → method) and voxels.

    A CT in which a skull is found has a head, whatever the names say.
    """
    why = _head_told(volume, labels)
    if not why:
        return Faces()
    outside = _shares_of_outside(volume, labels)
    skins = [
        label.name
        for label in labels.labels
        if _is_skin(label) or methods.get(label.name) == "body" or outside[label.value] >= OUTSIDE_SHARE
    ]
    return Faces(why, tuple(skins))


def _head_told(volume: Volume, labels: LabelMap) -> str:
    named = [found[0].name for label in labels.labels if (found := anatomy_of(label.name))]
    elsewhere = [name for name in named if name in ELSEWHERE]
    if volume.modality is Modality.CT and has_skull(volume):
        return "a skull is in the scan"
    if not elsewhere:
        return "nothing tells that the scan shows no head"
    return ""


def _is_skin(label: Label) -> bool:
    found = anatomy_of(label.name)
    coded = any(label.code and label.code.value == each for each in ("39937001", "89545001", "69536005"))
    words = label.name.casefold().replace("_", " ")
    return coded or (found is not None and found[0].name in SKIN) or any(word in words for word in SKIN_WORDS)


def has_skull(volume: Volume) -> bool:
    """Whether a CT shows rings of bone round soft tissue that are as large and as high as a cranial cavity."""
    samples, steps = _sampled(volume)
    along = 2 - int(np.abs(volume.grid.direction[2]).argmax())  # array axis along the body
    slices, rise = np.moveaxis(samples, along, 0), float(steps[2 - along])
    area = float(np.prod(np.delete(steps, 2 - along))) / 100
    high = best = 0.0
    for each in slices:
        high = high + rise if _cavity(each, area) else 0.0
        best = max(best, high)
    return best >= CAVITY_MM


def _cavity(values: NDArray[np.float32], area: float) -> bool:
    from scipy import ndimage

    bone = values > BONE_HU
    if not bone.any():
        return False
    wide = np.pad(bone, 3)
    ring = ndimage.binary_closing(wide, iterations=2)
    inside = (ndimage.binary_fill_holes(ring) & ~ring)[3:-3, 3:-3]
    parts, count = ndimage.label(inside)
    for number in range(1, count + 1):
        part = parts == number
        if part.sum() * area >= CAVITY_CM2 and SOFT_HU[0] <= float(values[part].mean()) <= SOFT_HU[1]:
            return True
    return False


def _shares_of_outside(volume: Volume, labels: LabelMap) -> NDArray[np.float64]:
    """For each label value, which share of the body's samples beside the air outside it has."""
    from scipy import ndimage

    # what is no CT has no Hounsfield units: its skin is found in its histogram, also where nobody told that it is MR
    level = skin_level(volume if volume.modality is Modality.CT else replace(volume, modality=Modality.MR))
    found = find_skin(volume, level, level)
    skin = ndimage.binary_dilation(found.outside, iterations=1) & found.body
    places = tuple(slice(None, None, step) for step in _strides(volume))
    counts = np.bincount(labels.array[places][skin], minlength=1 + max(each.value for each in labels.labels))
    return np.asarray(counts / max(1, int(skin.sum())))


def _strides(volume: Volume) -> tuple[int, int, int]:
    i, j, k = np.maximum(1, np.rint(SAMPLE_MM / volume.grid.spacing)).astype(int).tolist()
    return k, j, i


def _sampled(volume: Volume) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Every third millimetre of the scan, (k, j, i), and the steps between samples along x, y, z of the grid, mm."""
    strides = _strides(volume)
    places = tuple(slice(None, None, step) for step in strides)
    return volume.array[places].astype(np.float32), volume.grid.spacing * np.array(strides[::-1])
