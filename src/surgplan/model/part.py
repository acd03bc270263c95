"""Part: one printable solid, with all that was done to it on the way from the body to the printer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from surgplan.model.changes import ChangedStep
from surgplan.model.frames import LPS, Array
from surgplan.model.labels import Label
from surgplan.model.surface import Surface


@dataclass(frozen=True)
class Modification:
    """One thing that was done to a part on purpose.

    Parameters
    ----------
    kind:
        The operation's name in the recipe: `hollow`, `cut`, `text` …
    what:
        What was done, in words, with its values and units.
    measured:
        What was measured on the result: name with its unit (`wall_mm`, `pins`) → value.
    volume_before_mm3, volume_after_mm3:
        The part's volume before and after, mm³ at life size.
    held:
        What was measured outside of the places where the surface was meant to change; None where that has no meaning:
        a mirrored part lies elsewhere.
    """

    kind: str
    what: str
    measured: Mapping[str, float] = field(default_factory=dict)
    volume_before_mm3: float = 0.0
    volume_after_mm3: float = 0.0
    held: ChangedStep | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "measured", MappingProxyType(dict(self.measured)))
        if not self.kind or not self.what:
            raise ValueError("a modification needs its kind and what was done")

    @property
    def outside_mm(self) -> float | None:
        """The farthest that the surface moved where it was not meant to, mm at life size."""
        return None if self.held is None else self.held.maximum_mm


@dataclass(frozen=True, eq=False)
class Part:
    """One printable solid in its anatomical place.

    Parameters
    ----------
    surface:
        In LPS mm at life size, watertight and facing outward. Its label is that of the structure it comes from.
    structure:
        Name of that structure, or "" for what comes from none: a stand, a reference cube.
    name:
        The part's own name, which no other part of a print has; the stem of its file names.
    colour:
        Red, green, blue from 0 to 255.
    mirrored:
        Whether it shows the other side of the body: left is right.
    modifications:
        What was done to it, in order.
    group:
        Parts of one group keep their places relative to each other on the plate, since they are printed as one: bone
        and the tumour in it. "" for a part that may stand anywhere.

    Raises
    ------
    ValueError
        No name, or a surface that is not in LPS.
    """

    surface: Surface
    structure: str
    name: str
    colour: tuple[int, int, int]
    mirrored: bool = False
    modifications: tuple[Modification, ...] = ()
    group: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "modifications", tuple(self.modifications))
        if self.surface.frame != LPS:
            raise ValueError(f"part {self.name!r} lies in {self.surface.frame}, not in LPS")
        self.label  # noqa: B018  a name or colour that no label may have is refused here

    @classmethod
    def of(cls, surface: Surface) -> Part:
        """A structure's surface as it is."""
        label = surface.label
        return cls(surface, label.name, label.name, label.color)

    @property
    def label(self) -> Label:
        """The structure's label with the part's own name and colour."""
        return replace(self.surface.label, name=self.name, color=self.colour)

    @property
    def body(self) -> Surface:
        """The surface under the part's own name and colour."""
        return Surface(self.label, self.surface.vertices, self.surface.triangles, self.surface.frame)

    def changed(self, surface: Surface, done: Modification) -> Part:
        """The part with another surface, and what was done to it noted."""
        return replace(self, surface=surface, modifications=(*self.modifications, done))


@dataclass(frozen=True, eq=False)
class Caliper:
    """A distance to be measured on the print with calipers, and what it should be.

    `ends` are two points, (2, 3) LPS mm at life size, on the part `part`; `expected_mm` is the length on the print.
    """

    name: str
    part: str
    ends: Array
    expected_mm: float


def unique_names(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, numbered where two have one name."""
    taken: set[str] = set()
    named = []
    for part in parts:
        name, number = part.name, 2
        while name in taken:
            name, number = f"{part.name} {number}", number + 1
        taken.add(name)
        named.append(part if name == part.name else replace(part, name=name))
    return tuple(named)


def parts_of(surfaces: Iterable[Surface]) -> tuple[Part, ...]:
    """Each surface that has triangles as a part of its own."""
    return unique_names([Part.of(surface) for surface in surfaces if len(surface.triangles)])
