"""Plate: what goes to the printer together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from surgplan.model.frames import LPS, PRINT, Array, Frame, Transform
from surgplan.model.surface import Surface

SAME_SCALE = 1e-6
"""Places of one plate differ by less than this in their scale, relatively: what rounding leaves."""


@dataclass(frozen=True, eq=False)
class Assembly:
    """Bodies that keep their places relative to each other, and where each copy of them stands.

    Parameters
    ----------
    name:
        What it is called; never a patient's name.
    objects:
        Surfaces in LPS mm at life size.
    places:
        For each copy, the transform that carries LPS to the build plate: turn, scale and shift.
    mirrored:
        Names of those objects that show the other side of the body: no transform leads from the patient to them.

    Raises
    ------
    ValueError
        No objects or no place, an object not in LPS, or a transform that is not a similarity from LPS to PRINT.
    """

    name: str
    objects: tuple[Surface, ...]
    places: tuple[Transform, ...]
    mirrored: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "objects", tuple(self.objects))
        object.__setattr__(self, "places", tuple(self.places))
        object.__setattr__(self, "mirrored", frozenset(self.mirrored))
        if not self.objects or not self.places:
            raise ValueError("a plate needs objects, and a place for each")
        if any(each.frame != LPS for each in self.objects):
            raise ValueError("the objects of a plate lie in LPS")
        if self.mirrored - {each.label.name for each in self.objects}:
            raise ValueError("an assembly has no object of the name that is said to be mirrored")
        for place in self.places:
            if (place.fixed, place.moving) != (PRINT, LPS):
                raise ValueError("a plate needs a transform from LPS to PRINT")
            linear = place.linear / scale_of(place)
            if not np.allclose(linear.T @ linear, np.eye(3), atol=1e-6):
                raise ValueError("the transform to the build plate is sheared or scaled unevenly")

    @property
    def scale(self) -> float:
        """Length on the print per length in the body: 1 for life size."""
        return scale_of(self.places[0])

    def bounds(self, place: Transform) -> Array:
        """(2, 3) lowest and highest coordinates, mm, of the copy that stands at a place."""
        ends = np.array([(place @ each).bounds for each in self.objects])
        return np.array([ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)])


@dataclass(frozen=True, eq=False)
class Plate:
    """Assemblies that are printed in one go, each at its places on the build plate.

    Where nothing else is asked for, all structures of a case are one assembly with one place: `Plate.together`. The
    one transform `print_from_lps` then leads from the patient to the print, and navigation uses it. Parts that stand
    apart have a transform each.

    Parameters
    ----------
    name:
        The case's name; never a patient's.
    assemblies:
        What stands on it; names differ, also those of all objects.
    printer:
        Name of the printer's profile, or "" when nobody chose one.
    metadata:
        Further facts for the file, name → text.

    Raises
    ------
    ValueError
        No assemblies, two of one name, two objects of one name, or places of different scales.
    """

    name: str
    assemblies: tuple[Assembly, ...]
    printer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "assemblies", tuple(self.assemblies))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))
        for names in ([each.name for each in self.assemblies], [each.label.name for each in self.objects]):
            if not names or len(set(names)) != len(names):
                raise ValueError("a plate needs objects, each with a name of its own")
        scales = [scale_of(place) for _, _, place in self.standing()]
        if max(scales) - min(scales) > SAME_SCALE * max(scales):
            raise ValueError(f"things of different scales, {min(scales):g} and {max(scales):g}, share a plate")

    @classmethod
    def together(
        cls,
        name: str,
        objects: Sequence[Surface],
        print_from_lps: Transform,
        printer: str = "",
        metadata: Mapping[str, str] = MappingProxyType({}),
        mirrored: frozenset[str] = frozenset(),
    ) -> Plate:
        """A plate on which all objects keep their places relative to each other."""
        return cls(name, (Assembly(name, tuple(objects), (print_from_lps,), mirrored),), printer, metadata)

    @property
    def objects(self) -> tuple[Surface, ...]:
        """Each surface once, in LPS mm."""
        return tuple(each for assembly in self.assemblies for each in assembly.objects)

    def standing(self) -> Iterator[tuple[Assembly, int, Transform]]:
        """Every copy of every assembly: its number from 1, and where it stands."""
        for assembly in self.assemblies:
            for number, place in enumerate(assembly.places, 1):
                yield assembly, number, place

    @property
    def is_together(self) -> bool:
        """Whether all objects keep their places relative to each other, once."""
        return len(self.assemblies) == 1 and len(self.assemblies[0].places) == 1

    @property
    def print_from_lps(self) -> Transform:
        """Carries LPS to the build plate; `ValueError` where parts stand apart, each with a transform of its own."""
        if not self.is_together:
            raise ValueError("parts stand apart on the plate: each has its own transform")
        return self.assemblies[0].places[0]

    @property
    def scale(self) -> float:
        """Length on the print per length in the body: 1 for life size."""
        return self.assemblies[0].scale

    @property
    def bounds(self) -> Array:
        """(2, 3) lowest and highest coordinates on the build plate, mm."""
        ends = np.array([assembly.bounds(place) for assembly, _, place in self.standing()])
        return np.array([ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)])


def scale_of(place: Transform) -> float:
    """Length on the print per length in the body, of a transform from LPS to PRINT."""
    return round(float(np.cbrt(np.linalg.det(place.linear))), 9)


def placings(plates: Sequence[Plate]) -> tuple[Transform, ...]:
    """From the patient to each print of a part that shows the patient, in order.

    One that holds everything leads to PRINT. Where parts stand apart, each leads to a frame PRINT whose scope names the
    plate, the part and, where there are several, the copy. Mirrored parts have none: a left would become a right.
    """
    if len(plates) == 1 and plates[0].is_together:
        assembly = plates[0].assemblies[0]
        return (plates[0].print_from_lps,) if len(assembly.mirrored) < len(assembly.objects) else ()
    found = []
    for number, plate in enumerate(plates, 1):
        for assembly, copy, place in plate.standing():
            if len(assembly.mirrored) == len(assembly.objects):
                continue
            words = [f"plate {number}"] if len(plates) > 1 else []
            words += [assembly.name] + ([f"copy {copy}"] if len(assembly.places) > 1 else [])
            found.append(Transform(Frame(PRINT.name, " ".join(words)), LPS, place.matrix))
    return tuple(found)
