"""Fewer triangles than the tolerance leaves, when so many are all that is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.model.surface import Surface
from surgplan.surface.intersections import self_intersections
from surgplan.surface.merging import Ints, usual_edge
from surgplan.surface.simplify import CELLS, SHARES, Order, reduced

COARSER, FAR_OFF = 1.4, 2
"""Growth of the steps; it is 2 while there are `FAR_OFF` times too many triangles."""

MOST_COARSE_MM = 50.0
"""Steps never grow beyond this tolerance: manifold3d then takes steps of 20 mm."""

LOOKED_AT = 200_000
"""So many triangles tell whether walls have begun to run through each other."""

FEW, MOST_CROSSING = 20, 1e-3
"""So many triangles, or such a share of those that are looked at, may cross others: they can be mended."""


@dataclass(frozen=True)
class Fewer:
    """A surface of which fewer triangles were wanted than the tolerance leaves, and whether it has few `enough`.

    `crossing` of the triangles that were `looked_at` cross others; when these are many, it is not `sound`.
    """

    surface: Surface
    enough: bool
    sound: bool
    crossing: int
    looked_at: int


def fewer(surface: Surface, tolerance_mm: float, max_triangles: int) -> Fewer:
    """The surface with at most so many triangles, by steps that grow beyond the tolerance.

    They end without success where walls of a noisy structure begin to run through each other: that could not be mended.
    """
    points, faces = surface.vertices.astype(np.float32), surface.triangles
    step = tolerance_mm
    while True:
        step *= 2 if len(faces) > FAR_OFF * max_triangles else COARSER
        edge = usual_edge(points.astype(np.float64), faces)
        merging, coarse = SHARES[0]
        points, faces = reduced(
            Order(points, faces, tuple(share * edge for share in CELLS), merging * step, 0.0, coarse * step)
        )
        result = surface.with_mesh(points.astype(np.float64), faces)
        looked_at = _a_part(result)
        crossing = len(np.unique(self_intersections(result.vertices, looked_at)))
        enough, sound = len(faces) <= max_triangles, crossing <= max(FEW, MOST_CROSSING * len(looked_at))
        if enough or not sound or step > MOST_COARSE_MM:
            return Fewer(result, enough, sound, crossing, len(looked_at))


def _a_part(surface: Surface) -> Ints:
    """(k, 3) the triangles of the surface's middle along its longest side: at most `LOOKED_AT` of them."""
    axis = int((surface.bounds[1] - surface.bounds[0]).argmax())
    order = np.argsort(np.take(surface.vertices[:, axis], surface.triangles[:, 0]), kind="stable")
    first = max(0, (len(order) - LOOKED_AT) // 2)
    return np.take(surface.triangles, order[first : first + LOOKED_AT], axis=0)
