"""Fewer triangles within a tolerance; the result stays manifold."""

from __future__ import annotations

from collections.abc import Callable

from surgplan.model.surface import Surface
from surgplan.surface.merging import merged, usual_edge
from surgplan.surface.solid import as_solid, from_solid

CELLS = (1.4, 2.8)
"""Cells in which vertices are merged first, in lengths of the usual edge: takes most triangles from a contour."""

MERGING = 0.2
"""Share of the tolerance that merged vertices may lie beside their common plane."""

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

    Vertices are merged where the surface is flat; then manifold3d simplifies what is left. Each step is bounded, but
    not their sum, so the result is measured, and the last steps are taken back until it keeps `tolerance_mm`. When it
    still has more than `max_triangles`, steps go on growing without regard to the tolerance until it has fewer.

    Raises
    ------
    NotManifold
        The mesh is open, or an edge has more than two triangles.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    cells = [share * usual_edge(surface.vertices, surface.triangles) for share in CELLS]
    fewer = surface.with_mesh(*merged(surface.vertices, surface.triangles, cells, MERGING * tolerance_mm))
    stages = [as_solid(fewer)]
    for share in STEPS:
        stages.append(stages[-1].simplify(share * tolerance_mm))
    for solid in reversed(stages):
        result = from_solid(solid, surface)
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
