"""Fewer triangles within a tolerance; the result stays manifold."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from surgplan.model.surface import Surface
from surgplan.surface.child import ChildFailed, ChildTookTooLong, in_child
from surgplan.surface.merging import Floats, Ints, merged, usual_edge
from surgplan.surface.solid import NotManifold, as_solid, from_solid, mesh_of_solid, solid_of_mesh

Stage = tuple[Floats, Ints]

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


WORTH_A_PROCESS = 100_000
"""With more triangles after merging, a process of its own simplifies them, while this one does something else."""

LONGEST_S = 3600.0
"""Then it is given up, and the work is done here."""


def simplify(
    surface: Surface,
    tolerance_mm: float,
    max_triangles: int | None,
    farthest: Callable[[Surface], float],
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[Surface, float]:
    """The surface with fewer triangles, and how far, mm, it then lies from what `farthest` measures against.

    Vertices are merged where the surface is flat; then manifold3d simplifies what is left. Each step is bounded, but
    not their sum, so the result is measured, and the last steps are taken back until it keeps `tolerance_mm`. When it
    still has more than `max_triangles`, steps go on growing without regard to the tolerance until it has fewer.
    `meanwhile` is called once, for work that can be done at the same time.

    Raises
    ------
    NotManifold
        The mesh is open, or an edge has more than two triangles.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    cells = [share * usual_edge(surface.vertices, surface.triangles) for share in CELLS]
    vertices, triangles = merged(surface.vertices, surface.triangles, cells, MERGING * tolerance_mm)
    stages = _stages(vertices.astype(np.float32), triangles, [share * tolerance_mm for share in STEPS], meanwhile)
    for points, faces in reversed(stages):
        result = surface.with_mesh(points.astype(np.float64), faces)
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


def _stages(points: Floats, triangles: Ints, steps_mm: list[float], meanwhile: Callable[[], None]) -> list[Stage]:
    """What `stages_of` gives, from another process where that is worth while."""
    if len(triangles) < WORTH_A_PROCESS:
        meanwhile()
        return stages_of(points, triangles, steps_mm)
    with ThreadPoolExecutor(1) as waiting:
        order = (points, triangles, steps_mm)
        made = waiting.submit(in_child, "surgplan.surface.simplify_child", order, LONGEST_S)
        meanwhile()
        try:
            stages = made.result()
        except (ChildFailed, ChildTookTooLong):
            return stages_of(points, triangles, steps_mm)
    if isinstance(stages, str):
        raise NotManifold(stages)
    return list(stages)


def stages_of(points: Floats, triangles: Ints, steps_mm: list[float]) -> list[Stage]:
    """The mesh, (n, 3) mm and (m, 3), and what it is after each of the steps, taken one upon the other."""
    solid = solid_of_mesh(points, triangles)
    stages = [(points, triangles)]
    for step in steps_mm:
        solid = solid.simplify(step)
        stages.append(mesh_of_solid(solid))
    return stages
