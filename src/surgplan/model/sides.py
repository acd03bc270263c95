"""Sides in names: what `Left femur`, `kidney_right`, `hip.L` and `femurLinks` say of the side of the body."""

from __future__ import annotations

import re

from surgplan.model.labels import Side


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WORDS = {
    Side.LEFT: _words("left lt lft sinister sinistra sinistro links linke linker gauche"),
    Side.RIGHT: _words("right rt rgt dexter destra destro rechts rechte rechter droite"),
}
LETTERS = {"l": Side.LEFT, "r": Side.RIGHT}
OF_AN_ORGAN = _words(
    "heart cardiac atrium atrial ventricle ventricular myocardium valve cusp leaflet coronary aortic bundle liver"
    " hepatic brachiocephalic pulmonary portal duct"
)
"""With these words, left and right name a part of an organ, wherever it lies: the right ventricle is in front of the
left one, the left lobe of the liver reaches to the right. `lateral` makes a ventricle one of the brain's."""
NO_SIDE_AFTER = _words("vertebra vertebrae lumbar level spine disc disk")
MIDLINE = _words("vertebra vertebrae sacrum coccyx sternum spine skull brain atlas axis spinal cranium brainstem")
"""Structures whose centre lies in the plane that parts left from right."""


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: parted at spaces, signs, digits and humps (`femurLeft`)."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+|\d+", spaced.lower())


def side_told(name: str) -> Side:
    """The side of the body that a structure's name tells, or `Side.NONE`: for both, or a part of an organ.

    A single letter counts at the beginning or the end of a name, when it is no vertebra's (`L`, `vertebra L 5`).
    """
    words = words_of(name)
    if OF_AN_ORGAN & set(words) and "lateral" not in words:
        return Side.NONE
    told = {side for side, known in WORDS.items() if known & set(words)}
    if not told and len(words) > 1 and not NO_SIDE_AFTER & set(words):
        ends = [words[-1]] if not words[1].isdigit() or len(words) > 2 else []
        ends += [words[0]] if not words[1].isdigit() else []
        told = {LETTERS[word] for word in ends if word in LETTERS}
    return told.pop() if len(told) == 1 else Side.NONE


def without_side(name: str) -> str:
    """The name without its side: equal for the two of a pair."""
    side = side_told(name)
    letter = {Side.LEFT: "l", Side.RIGHT: "r"}.get(side, "")
    drop = WORDS.get(side, frozenset()) | {letter}
    return " ".join(word for word in words_of(name) if word not in drop)


def is_midline(name: str) -> bool:
    """Whether a structure of that name lies in the middle of the body."""
    return side_told(name) is Side.NONE and bool(MIDLINE & set(words_of(name)))
