"""Fewer triangles within a tolerance; the result stays manifold."""

from __future__ import annotations

from collections.abc import Callable

from surgplan.model.surface import Surface
from surgplan.surface.simplifier import Simplifier
from surgplan.surface.solid import as_solid, from_solid

STEPS = (0.2, 0.3, 0.43)
"""Shares of the tolerance, taken one upon the other. Small steps first leave half as many triangles at the same
distance as one step, and add up to about twice the last one."""

MOST_COARSE_MM = 5.0
"""Simplifying to a number of triangles never goes beyond steps of this size."""

COARSER = 1.4
"""Growth of the steps while there are too many triangles."""


def simplify(
    surface: Surface, tolerance_mm: float, max_triangles: int | None, farthest: Callable[[Surface], float]
) -> tuple[Surface, float]:
    """The surface with fewer triangles, and how far, mm, it then lies from what `farthest` measures against.

    The simplifier bounds each of its steps but not their sum, so the result is measured, and the last steps are taken
    back until it keeps `tolerance_mm`. When it still has more than `max_triangles`, steps go on growing without regard
    to the tolerance until it has fewer. Vertices are a subset of the given ones.

    Raises
    ------
    NotManifold
        The mesh is open, or an edge has more than two triangles.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    with Simplifier(surface, [share * tolerance_mm for share in STEPS]) as simplifier:
        for number in reversed(range(len(STEPS))):
            result = simplifier.after(number)
            far = farthest(result)
            if far <= tolerance_mm:
                break
        else:
            result, far = surface, farthest(surface)
    if max_triangles is None or len(result.triangles) <= max_triangles:
        return result, far
    coarse, step = as_solid(result), STEPS[-1] * tolerance_mm
    while coarse.num_tri() > max_triangles and step < MOST_COARSE_MM:
        coarse = coarse.simplify(step)
        step *= COARSER
    result = from_solid(coarse, surface)
    return result, farthest(result)
