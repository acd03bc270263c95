"""Booleans of solids: what is wanted is written down first, and then made at once in a process of its own.

`body - tool`, `part | pin`, `body & box` and `body.beyond(normal, offset)` make no mesh, only a note of it; `built`
makes the meshes. Each boolean is checked by inclusion and exclusion: the volumes of A ∪ B and A ∩ B add up to those of
A and B, those of A − B and A ∩ B to that of A.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.errors import BadInput, FailedCheck, OutOfResources
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.relief import Relief
from surgplan.surface.child import ChildFailed, ChildTookTooLong, in_child
from surgplan.surface.clean import Mesh

TIME_LIMIT_S = 120.0
"""A boolean of two meshes of a million triangles takes seconds."""
VOLUME_SHARE = 1e-5
"""By this share of the volumes concerned inclusion and exclusion may miss: vertices are kept in float32."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A note of a solid. Its `op`: `mesh`, `relief`; of others `union`, `minus`, `both`, `beyond`, `simple`.

    `mesh` are vertices (n, 3) mm and triangles (m, 3), closed and facing outward; `plane` is a normal, (3,), and an
    offset along it.
    """

    op: str
    of: tuple[Solid, ...] = ()
    mesh: Mesh | None = None
    plane: tuple[tuple[float, ...], float] | None = None
    relief: Relief | None = None
    tolerance_mm: float = 0.0

    @classmethod
    def mesh_of(cls, vertices: ArrayLike, triangles: ArrayLike) -> Solid:
        """A closed mesh that faces outward."""
        return cls("mesh", mesh=(np.asarray(vertices, np.float64), np.asarray(triangles, np.int32)))

    @classmethod
    def of_surface(cls, surface: Surface) -> Solid:
        """A surface as a solid."""
        return cls("mesh", mesh=(surface.vertices, surface.triangles))

    def __or__(self, other: Solid) -> Solid:
        return Solid("union", (self, other))

    def __sub__(self, other: Solid) -> Solid:
        return Solid("minus", (self, other))

    def __and__(self, other: Solid) -> Solid:
        return Solid("both", (self, other))

    def beyond(self, normal: ArrayLike, offset: float) -> Solid:
        """What lies where `normal · x > offset`; the normal need not have unit length."""
        across = np.asarray(normal, float)
        length = float(np.linalg.norm(across))
        return Solid("beyond", (self,), plane=(tuple((across / length).tolist()), float(offset) / length))

    def simplified(self, tolerance_mm: float) -> Solid:
        """The same with fewer triangles, nowhere farther away than told."""
        return Solid("simple", (self,), tolerance_mm=tolerance_mm)

    def split(self, normal: ArrayLike, offset: float) -> tuple[Solid, Solid]:
        """What lies beyond a plane, and the rest."""
        flipped = (-np.asarray(normal, float)).tolist()
        return self.beyond(normal, offset), self.beyond(flipped, -float(offset))


def united(solids: Iterable[Solid]) -> Solid:
    """All of them together; `ValueError` when there are none."""
    found = tuple(solids)
    if not found:
        raise ValueError("there is nothing to unite")
    return found[0] if len(found) == 1 else Solid("union", found)


@dataclass(frozen=True, eq=False)
class Built:
    """A solid that was made: its mesh, vertices in float32 exactly, and its volume, mm³."""

    vertices: Array
    triangles: NDArray[np.int32]
    volume_mm3: float

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        return not len(self.triangles)

    def surface(self, like: Surface) -> Surface:
        """As a surface of the same structure."""
        return like.with_mesh(self.vertices, self.triangles)


def built(solids: Sequence[Solid], subject: str, time_limit_s: float = TIME_LIMIT_S) -> list[Built]:
    """Make the solids, in a process of their own; what they have in common is made once. `subject` is for errors.

    Raises
    ------
    BadInput
        A mesh does not bound a solid.
    FailedCheck
        The volumes do not add up.
    OutOfResources
        It took too long, or the process ended.
    """
    try:
        made = in_child("surgplan.printing.solids_child", (list(solids), VOLUME_SHARE), time_limit_s)
    except ChildTookTooLong:
        found = f"its booleans took longer than {time_limit_s:g} s"
        raise OutOfResources(subject, found, advice="Simplify the surface: raise surface.tolerance_mm") from None
    except ChildFailed:
        raise OutOfResources(subject, "the process of its booleans ended", advice="Free memory, or simplify") from None
    kind, told = made
    if kind == "broken":
        raise BadInput(subject, f"does not bound a solid ({told})", advice="Repair it: surgplan repair")
    if kind == "wrong":
        raise FailedCheck(subject, told, f"at most {VOLUME_SHARE:g} of it", "Repair the surface, or change the cut")
    return [Built(vertices, triangles, volume) for vertices, triangles, volume in told]
