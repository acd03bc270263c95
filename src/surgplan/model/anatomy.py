"""Common anatomical structures: what a name means, as a SNOMED CT code, a side and a colour.

The table lies beside this module, in `anatomy.csv`, which names its sources.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from surgplan.model.labels import Code, Side, rgb_of
from surgplan.model.sides import WORDS, side_told, without_side, words_of


class Category(StrEnum):
    """What kind of thing a structure is (DICOM PS3.16 CID 7150), with the code that 3D Slicer writes for it."""

    TISSUE = "tissue"
    STRUCTURE = "structure"
    MORPHOLOGY = "morphology"
    OBJECT = "object"

    @property
    def code(self) -> Code:
        """The category's own code."""
        return CATEGORY_CODES[self]


CATEGORY_CODES = {
    Category.TISSUE: Code("SCT", "85756007", "Tissue"),
    Category.STRUCTURE: Code("SCT", "123037004", "Anatomical Structure"),
    Category.MORPHOLOGY: Code("SCT", "49755003", "Morphologically Altered Structure"),
    Category.OBJECT: Code("SCT", "260787004", "Physical object"),
}


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One line of the table: a structure, whichever side it is on.

    `color` is red, green, blue from 0 to 255; `paired` tells whether the body has a left and a right one.
    """

    name: str
    code: Code
    category: Category
    paired: bool
    color: tuple[int, int, int]
    source: str
    aliases: tuple[str, ...]


def anatomy_of(name: str) -> tuple[Anatomy, Side] | None:
    """What a structure's name means, and which of the two it is; None when the table does not have it.

    `Left femur`, `femur_left`, `Femur L` and `femurLeft` are one; a side is understood only where the body has two.
    """
    words = words_of(name)
    whole = _known().get(" ".join(words))
    if whole is not None:
        return whole, Side.NONE
    told = [(side, word) for word in words for side, known in WORDS.items() if word in known]
    side = told[0][0] if len(told) == 1 else side_told(name) if not told else Side.NONE
    rest = " ".join(word for word in words if word != told[0][1]) if len(told) == 1 else without_side(name)
    found = _known().get(rest)
    return (found, side) if found is not None and found.paired and side is not Side.NONE else None


def category_of(code: Code) -> Category:
    """The category of a code of the table; an anatomical structure when the table does not have it."""
    return _categories().get((code.scheme, code.value), Category.STRUCTURE)


@cache
def anatomies() -> tuple[Anatomy, ...]:
    """The whole table, in its order."""
    text = resources.files(__package__).joinpath("anatomy.csv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(_entry(row) for row in csv.DictReader(lines))


def _entry(row: dict[str, str]) -> Anatomy:
    code = Code("SCT", row["code"], row["meaning"])
    aliases = tuple(alias.strip() for alias in row["aliases"].split(";") if alias.strip())
    category, paired = Category(row["category"]), row["paired"] == "yes"
    return Anatomy(row["name"], code, category, paired, rgb_of(row["color"]), row["source"], aliases)


@cache
def _known() -> dict[str, Anatomy]:
    return {" ".join(words_of(name)): entry for entry in anatomies() for name in (entry.name, *entry.aliases)}


@cache
def _categories() -> dict[tuple[str, str], Category]:
    return {(entry.code.scheme, entry.code.value): entry.category for entry in anatomies()}
