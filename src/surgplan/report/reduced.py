"""Surfaces with so few triangles that any machine turns them fluently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from surgplan.model.surface import Surface
from surgplan.report.surface_map import Maps
from surgplan.surface.fidelity import Distances, distance_to, summary, surface_samples
from surgplan.surface.solid import NotManifold, as_solid, from_solid

MOST_TRIANGLES = 500_000
"""Of all structures together."""
FIRST_STEP_MM, COARSER, LAST_STEP_MM = 0.1, 2.0, 0.2
"""How far a step of simplifying may move a surface: growing until there are few enough triangles, but no farther than
this. More triangles turn slower; a surface that is elsewhere would be wrong."""
SAMPLES = 10_000
"""Points of the surface in the file at which its distance to the simplified one is measured."""
SMALL = 20_000
"""Surfaces of fewer triangles stay as they are."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """A surface for viewing, its maps, and how far the one in the file lies from it; None where it is that one."""

    surface: Surface
    maps: Maps
    moved: Distances | None = None


def reduced(surfaces: Sequence[Surface], maps: Mapping[int, Maps], full: bool) -> tuple[Reduced, ...]:
    """The surfaces, with fewer triangles where all together have more than `MOST_TRIANGLES`, unless `full`.

    Larger ones are simplified, all by the same steps; one that is no closed solid stays as it is. Corners are some of
    the given ones, so that values of the maps are those of the file.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    kept = [Reduced(surface, maps.get(number, ())) for number, surface in enumerate(surfaces)]
    total = sum(len(surface.triangles) for surface in surfaces)
    if full or total <= MOST_TRIANGLES:
        return tuple(kept)
    solids = {n: solid for n, each in enumerate(kept) if (solid := _solid(each)) is not None}
    step = FIRST_STEP_MM
    while solids and total > MOST_TRIANGLES and step <= LAST_STEP_MM:
        before = sum(solid.num_tri() for solid in solids.values())
        solids = {n: solid.simplify(step) for n, solid in solids.items()}
        total += sum(solid.num_tri() for solid in solids.values()) - before
        step *= COARSER
    for n, solid in solids.items():
        kept[n] = _from_solid(solid, kept[n])
    return tuple(kept)


def _solid(given: Reduced) -> Any:
    """The surface as a solid; None when it is small, or no closed solid."""
    if len(given.surface.triangles) < SMALL:
        return None
    with suppress(NotManifold):
        return as_solid(given.surface)
    return None


def _from_solid(solid: Any, given: Reduced) -> Reduced:
    from scipy.spatial import cKDTree

    surface = from_solid(solid, given.surface)
    points = surface_samples(given.surface, SAMPLES)
    moved = summary(distance_to(points, surface), points)
    if not given.maps:
        return Reduced(surface, (), moved)
    _, nearest = cKDTree(given.surface.vertices, balanced_tree=False, compact_nodes=False).query(surface.vertices)
    return Reduced(surface, tuple(replace(each, values=each.values[nearest]) for each in given.maps), moved)
