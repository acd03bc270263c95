"""Label and LabelMap: which voxels belong to which structure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Grid, checked_voxels

LONGEST_NAME = 64
BONE_COLOR = (232, 220, 192)
"""Of structures for which nobody chose one."""


class Side(StrEnum):
    """The patient's side to which a structure belongs."""

    NONE = ""
    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept, for example `Code("SCT", "89546000", "Skull")` (DICOM PS3.3 8.8)."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Label:
    """What one structure is called and how it is shown.

    `color` is red, green, blue from 0 to 255. `level` is the intensity (HU for CT) at which the structure's boundary
    lies between voxels, or None for masks that have no intensities behind them.
    """

    value: int
    name: str
    color: tuple[int, int, int] = BONE_COLOR
    side: Side = Side.NONE
    code: Code | None = None
    level: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", Side(self.side))
        object.__setattr__(self, "color", tuple(int(channel) for channel in self.color))
        if not 1 <= self.value <= 65535:
            raise ValueError(f"label value {self.value} is not between 1 and 65535")
        if not self.name.strip() or len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise ValueError(f"a structure's name has 1 to {LONGEST_NAME} printable characters")
        if len(self.color) != 3 or not all(0 <= channel <= 255 for channel in self.color):
            raise ValueError(f"color {self.color} is not three numbers from 0 to 255")

    @property
    def file_stem(self) -> str:
        """The name as a safe file name: ASCII letters, digits, `.`, `_` and `-`."""
        return file_stem(self.name)


def rgb_of(color: str) -> tuple[int, int, int]:
    """Red, green, blue from 0 to 255 of a colour written as `#rrggbb`."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def file_stem(name: str) -> str:
    """Any name as a safe file name without ending: `Left femur` gives `left-femur`, never empty, never hidden."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9._-]+", "-", plain.lower()).strip(".-_")
    return stem[:LONGEST_NAME] or "structure"


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A grid on which each voxel belongs to one structure or to none (0).

    Parameters
    ----------
    grid:
        Where its voxels lie.
    array:
        (k, j, i), uint8 or uint16, values 0 or one of the labels'. It is made read-only.
    labels:
        At least one; values, names and file stems are unique.

    Raises
    ------
    ValueError
        Shape or type do not fit, labels collide, or a voxel has a value that no label has.
    """

    grid: Grid
    array: NDArray[Any]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "array", checked_voxels(self.grid, self.array, ("uint8", "uint16")))
        if not self.labels:
            raise ValueError("a label map needs a label")
        for what in ("value", "name", "file_stem"):
            seen = [getattr(label, what) for label in self.labels]
            if len(set(seen)) != len(seen):
                raise ValueError(f"two labels share the {what.replace('_', ' ')} {max(seen, key=seen.count)!r}")
        known = {label.value for label in self.labels}
        if known == set(range(1, len(known) + 1)) and self.array.max(initial=0) <= len(known):
            return  # no need to count every voxel
        unknown = set(np.flatnonzero(self.counts())) - {0} - known
        if unknown:
            raise ValueError(f"voxels have the values {sorted(map(int, unknown))}, which no label has")

    def counts(self) -> NDArray[np.int64]:
        """How many voxels have the value 0, 1, 2, …"""
        top = int(self.array.max(initial=0))
        total = np.zeros(top + 1, dtype=np.int64)
        for plane in self.array:  # plane by plane: bincount widens to 8 bytes a voxel
            total += np.bincount(plane.ravel(), minlength=top + 1)
        return total

    def label(self, name: str) -> Label:
        """The label of that name; `KeyError` when there is none."""
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(name)

    def mask(self, label: Label) -> NDArray[np.bool_]:
        """(k, j, i) which voxels are the label's."""
        return np.asarray(self.array == label.value)

    def with_level(self, name: str, level: float | None) -> LabelMap:
        """The same map, with another boundary level for one label."""
        chosen = self.label(name)
        labels = tuple(replace(label, level=level) if label is chosen else label for label in self.labels)
        return LabelMap(self.grid, self.array, labels)
