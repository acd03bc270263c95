"""Surfaces with so few triangles that any machine turns them fluently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from surgplan.model.surface import Surface
from surgplan.report.surface_map import Maps
from surgplan.surface.solid import NotManifold, as_solid, from_solid

MOST_TRIANGLES = 500_000
"""Of all structures together."""
FIRST_STEP_MM, COARSER, LAST_STEP_MM = 0.05, 1.5, 2.0
"""How far a step of simplifying may move a surface, growing until there are few enough triangles."""
SMALL = 20_000
"""Surfaces of fewer triangles stay as they are."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A surface for viewing, its maps, and how far it may lie at the most, mm, from the one in the file."""

    surface: Surface
    maps: Maps
    moved_mm: float


def reduced(surfaces: Sequence[Surface], maps: Mapping[int, Maps], full: bool) -> tuple[Reduced, ...]:
    """The surfaces, with fewer triangles where all together have more than `MOST_TRIANGLES`, unless `full`.

    Larger ones are simplified, all by the same steps; one that is no closed solid stays as it is. Corners are some of
    the given ones, so that values of the maps are those of the file.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    kept = [Reduced(surface, maps.get(number, ()), 0.0) for number, surface in enumerate(surfaces)]
    total = sum(len(surface.triangles) for surface in surfaces)
    if full or total <= MOST_TRIANGLES:
        return tuple(kept)
    solids = {n: solid for n, each in enumerate(kept) if (solid := _solid(each)) is not None}
    step, moved = FIRST_STEP_MM, 0.0
    while solids and total > MOST_TRIANGLES and step <= LAST_STEP_MM:
        before = sum(solid.num_tri() for solid in solids.values())
        solids = {n: solid.simplify(step) for n, solid in solids.items()}
        total += sum(solid.num_tri() for solid in solids.values()) - before
        moved += step
        step *= COARSER
    for n, solid in solids.items():
        kept[n] = _from_solid(solid, kept[n], moved)
    return tuple(kept)


def _solid(given: Reduced) -> Any:
    """The surface as a solid; None when it is small, or no closed solid."""
    if len(given.surface.triangles) < SMALL:
        return None
    with suppress(NotManifold):
        return as_solid(given.surface)
    return None


def _from_solid(solid: Any, given: Reduced, moved_mm: float) -> Reduced:
    from scipy.spatial import cKDTree

    surface = from_solid(solid, given.surface)
    if not given.maps:
        return Reduced(surface, (), moved_mm)
    _, nearest = cKDTree(given.surface.vertices, balanced_tree=False, compact_nodes=False).query(surface.vertices)
    return Reduced(surface, tuple(replace(each, values=each.values[nearest]) for each in given.maps), moved_mm)
