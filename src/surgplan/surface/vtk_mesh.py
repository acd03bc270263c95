"""Triangle meshes as VTK's poly data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def in_threads() -> Iterator[None]:
    """Let VTK's filters use every core that this process may use; their results do not depend on the number.

    Only for filters that were tried: vtkImplicitPolyDataDistance, for one, is wrong or crashes in several threads.
    """
    from vtkmodules.vtkCommonCore import vtkSMPTools

    before = vtkSMPTools.GetBackend()
    vtkSMPTools.SetBackend("STDThread")
    vtkSMPTools.Initialize(len(os.sched_getaffinity(0)))
    try:
        yield
    finally:
        vtkSMPTools.SetBackend(before)


def to_polydata(vertices: NDArray[np.floating[Any]], triangles: NDArray[np.int32], precise: bool = False) -> Any:
    """A `vtkPolyData` of the mesh; coordinates in float32 unless `precise`.

    It shares the arrays' memory where their type allows, and keeps them alive: nobody may change them.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(vertices, np.float64 if precise else np.float32)))
    cells = vtkCellArray()
    cells.SetData(
        numpy_to_vtk(np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int32)),
        numpy_to_vtk(np.ascontiguousarray(triangles, np.int32).ravel()),
    )
    mesh = vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetPolys(cells)
    return mesh
