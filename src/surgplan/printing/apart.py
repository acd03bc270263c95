"""How near parts are to each other: measured on their triangles, not on what the packer saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.model.frames import Array, Transform
from surgplan.model.plate import Assembly, Plate
from surgplan.printing.shadow import solid_of


@dataclass(frozen=True)
class Gap:
    """Two things on a plate and the distance between them, mm; 0 where they touch or overlap."""

    one: str
    other: str
    gap_mm: float


def gaps(plate: Plate, below_mm: float) -> Iterator[Gap]:
    """All pairs of assemblies, copies counted, that are nearer to each other than `below_mm`.

    A body that bounds no solid counts as its convex hull.
    """
    standing = [(_told(*each), _solid(each[0], each[2])) for each in plate.standing()]
    yield from near(standing, below_mm)


def near(named: Sequence[tuple[str, Any]], below_mm: float) -> Iterator[Gap]:
    """All pairs of named solids that are nearer to each other than `below_mm`."""
    boxes = [_box(solid) for _, solid in named]
    for number, (one, solid) in enumerate(named):
        for other in range(number):
            if (np.maximum(boxes[number][0] - boxes[other][1], boxes[other][0] - boxes[number][1]) >= below_mm).any():
                continue
            gap = solid.min_gap(named[other][1], below_mm)
            if gap < below_mm:
                yield Gap(named[other][0], one, float(gap))


def _told(assembly: Assembly, copy: int, place: Transform) -> str:
    return f"{assembly.name} (copy {copy})" if len(assembly.places) > 1 else assembly.name


def _solid(assembly: Assembly, place: Transform) -> Any:
    from manifold3d import Manifold, OpType

    parts = [solid_of(place @ each) for each in assembly.objects]
    return parts[0] if len(parts) == 1 else Manifold.batch_boolean(parts, OpType.Add)


def _box(solid: Any) -> Array:
    return np.array(solid.bounding_box(), np.float64).reshape(2, 3)
