"""Straight looks at a mesh: where a ray first meets it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface

TOUCH_MM = 1e-6
"""How near a ray must pass. With 0, VTK 9.7 misses whole sides of a box that lies along the axes."""


class Rays:
    """A surface made ready once for many rays."""

    def __init__(self, surface: Surface) -> None:
        from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator

        from surgplan.surface.vtk_mesh import to_polydata

        self._locator = vtkStaticCellLocator()
        self._locator.SetDataSet(to_polydata(surface.vertices, surface.triangles, precise=True))
        self._locator.BuildLocator()
        self.reach = float(np.linalg.norm(surface.bounds[1] - surface.bounds[0])) + 1.0

    def first(self, starts: Array, directions: Array, reach: float | None = None) -> tuple[Array, NDArray[np.int64]]:
        """(n,) length, mm, to the first triangle along each ray, NaN where there is none, and that triangle, or −1.

        `starts`, (n, 3) mm; `directions`, (n, 3) or (3,), of length 1.
        """
        from vtkmodules.vtkCommonCore import reference

        far = self.reach if reach is None else reach
        at: Any = reference(0.0)
        part: Any = reference(0)
        cell: Any = reference(0)
        place, inner = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        lengths = np.full(len(starts), np.nan)
        hit = np.full(len(starts), -1, np.int64)
        intersect: Any = self._locator.IntersectWithLine
        ends = (starts + far * directions).tolist()
        for number, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
            if intersect(start, end, TOUCH_MM, at, place, inner, part, cell):
                lengths[number] = far * at.get()
                hit[number] = cell.get()
        return lengths, hit
