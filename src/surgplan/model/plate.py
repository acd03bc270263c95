"""Plate: what goes to the printer together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from surgplan.model.frames import LPS, PRINT, Array, Transform
from surgplan.model.surface import Surface


@dataclass(frozen=True, eq=False)
class Plate:
    """Surfaces that belong together, and where they stand on the build plate.

    Parameters
    ----------
    name:
        The case's name; never a patient's.
    objects:
        Surfaces in LPS mm; all of them keep their places relative to each other.
    print_from_lps:
        Carries LPS to the build plate: turn, scale and shift, no mirroring and no shear.
    printer:
        Name of the printer's profile, or "" when nobody chose one.
    metadata:
        Further facts for the file, name → text.

    Raises
    ------
    ValueError
        No objects, two of one name, an object not in LPS, or a transform that is not a similarity from LPS to PRINT.
    """

    name: str
    objects: tuple[Surface, ...]
    print_from_lps: Transform
    printer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(self.objects))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        names = [each.label.name for each in self.objects]
        if not names or len(set(names)) != len(names):
            raise ValueError("a plate needs objects, each with a name of its own")
        if any(each.frame != LPS for each in self.objects):
            raise ValueError("the objects of a plate lie in LPS")
        if (self.print_from_lps.fixed, self.print_from_lps.moving) != (PRINT, LPS):
            raise ValueError("a plate needs a transform from LPS to PRINT")
        linear = self.print_from_lps.linear / self.scale
        if not np.allclose(linear.T @ linear, np.eye(3), atol=1e-6):
            raise ValueError("the transform to the build plate is sheared or scaled unevenly")

    @property
    def scale(self) -> float:
        """Length on the print per length in the body: 1 for life size."""
        return round(float(np.cbrt(np.linalg.det(self.print_from_lps.linear))), 9)

    @property
    def bounds(self) -> Array:
        """(2, 3) lowest and highest coordinates on the build plate, mm."""
        ends = np.array([(self.print_from_lps @ each).bounds for each in self.objects])
        return np.array([ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)])
