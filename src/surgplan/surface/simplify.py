"""Fewer triangles within a tolerance; the result stays manifold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np

from surgplan.model.surface import Surface
from surgplan.surface.child import Child, ChildFailed, ChildTookTooLong
from surgplan.surface.merging import Floats, Ints, merged, usual_edge
from surgplan.surface.smooth import evened
from surgplan.surface.solid import NotManifold, mesh_of_solid, solid_of_mesh

Mesh = tuple[Floats, Ints]

CELLS = (1.4, 2.8, 5.6)
"""Cells in which vertices are merged first, in lengths of the usual edge: takes most triangles from a contour."""

SHARES = ((0.33, 0.4), (0.2, 0.3), (0.1, 0.2))
"""Shares of the tolerance, tried in turn until it is kept: how far merged vertices may lie beside their common plane,
and what step manifold3d may take. Merging evens out noise: with 0.2 a skull has a third more triangles and lies farther
from the truth; with 0.4 the tolerance is often not kept."""

WORTHWHILE = 0.7
"""With more than this share of the triangles left, a noisy surface stays as it is: mending it would take minutes."""

EVENING = 0.2
"""Share of the tolerance that what merging leaves may be smoothed by: neighbours are farther apart then, so that longer
ripples go."""

WORTH_A_PROCESS = 200_000
"""With more triangles, a process of its own simplifies them, while this one does something else."""

LONGEST_S = 3600.0
"""Then it is given up, and the work is done here."""


@dataclass(frozen=True)
class Order:
    """A mesh, (n, 3) mm and (m, 3); the cells' sizes and how far merged vertices may lie beside their plane; how far
    the rest may be smoothed, and the step that manifold3d may take, mm."""

    points: Floats
    triangles: Ints
    cells_mm: tuple[float, ...]
    most_mm: float
    even_mm: float
    step_mm: float


class Helper:
    """A process that simplifies while this one does something else; none where there are too few triangles for it.

    Use it as `with Helper(triangles) as helper`: it is made ready before the mesh is.
    """

    def __init__(self, triangles: int) -> None:
        self._ends = ExitStack()
        self._child: Child | None = None
        if triangles >= WORTH_A_PROCESS:
            with suppress(ChildFailed):
                self._child = self._ends.enter_context(Child("surgplan.surface.simplify_child"))

    def __enter__(self) -> Helper:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def reduced(self, order: Order, meanwhile: Callable[[], None]) -> Mesh:
        """What `reduced` gives; `meanwhile` is called while it is made."""
        if self._child is None:
            meanwhile()
            return reduced(order)
        child, self._child = self._child, None
        try:
            child.order(order)
            meanwhile()
            made: Mesh | str = child.answer(LONGEST_S)
        except (ChildFailed, ChildTookTooLong):
            return reduced(order)
        if isinstance(made, str):
            raise NotManifold(made)
        return made


def simplify(
    surface: Surface,
    tolerance_mm: float,
    keep: Callable[[Surface], Surface | None],
    even: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
    helper: Helper | None = None,
) -> Surface:
    """The surface with fewer triangles, which keeps the tolerance, as far as `keep` tells.

    Vertices are merged where the surface is flat; what is left is made `even`, if so wished, and manifold3d simplifies
    it. Each step is bounded, but not their sum, so `keep` mends the result; where it cannot, and gives None, it is done
    again with less. `meanwhile` is called once, for work that can be done at the same time.

    Raises
    ------
    NotManifold
        The mesh is open, or an edge has more than two triangles.

    Source: Lalish and others, manifold3d (Apache-2.0), `Manifold.simplify`.
    """
    for points, faces in _attempts(surface, tolerance_mm, even, meanwhile, helper or Helper(0)):
        simple = surface.with_mesh(points.astype(np.float64), faces)
        result = surface if len(faces) > WORTHWHILE * len(surface.triangles) else keep(simple)
        if result is not None:
            return result
    return surface


def _attempts(
    surface: Surface, tolerance_mm: float, even: bool, meanwhile: Callable[[], None], helper: Helper
) -> Iterator[Mesh]:
    """The surface with ever less done to it."""
    edge = usual_edge(surface.vertices, surface.triangles)
    cells = tuple(share * edge for share in CELLS)
    points = surface.vertices.astype(np.float32)
    for number, (merging, step) in enumerate(SHARES):
        shares = (merging, EVENING if even else 0.0, step)
        order = Order(points, surface.triangles, cells, *(share * tolerance_mm for share in shares))
        yield reduced(order) if number else helper.reduced(order, meanwhile)


def reduced(order: Order) -> Mesh:
    """The mesh after merging, smoothing and manifold3d's step."""
    vertices, triangles = merged(order.points, order.triangles, order.cells_mm, order.most_mm)
    vertices = evened(vertices, triangles, order.even_mm)
    return mesh_of_solid(solid_of_mesh(vertices.astype(np.float32), triangles).simplify(order.step_mm))
