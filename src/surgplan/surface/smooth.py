"""Smoothing within a budget: noise goes, and no vertex moves farther than allowed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface

Ints = NDArray[np.int32]


def smooth(surface: Surface, most_mm: float) -> Surface:
    """The surface without its finest ripples; each vertex moves by `most_mm` at the most."""
    if most_mm <= 0 or not len(surface.triangles):
        return surface
    return surface.with_mesh(evened(surface.vertices, surface.triangles, most_mm), surface.triangles)


def evened(vertices: Array, triangles: Ints, most_mm: float, iterations: int = 25, pass_band: float = 0.05) -> Array:
    """(n, 3) mm the vertices of a mesh without its finest ripples; each moves by `most_mm` at the most.

    A windowed-sinc low-pass filter, which does not shrink; then each displacement is cut to the budget.

    Source: Taubin, Zhang and Golub, "Optimal surface smoothing as filter design", ECCV 1996.
    """
    if most_mm <= 0 or not len(triangles):
        return vertices
    step = _windowed_sinc(vertices, triangles, iterations, pass_band) - vertices
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step *= np.minimum(1.0, most_mm / np.maximum(length, 1e-12))
    return np.asarray(vertices + step)


def _windowed_sinc(vertices: Array, triangles: Ints, iterations: int, pass_band: float) -> Array:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    from surgplan.surface.vtk_mesh import in_threads, to_polydata

    # centred: the filter works in float32, which resolves small numbers best
    middle = vertices.mean(axis=0)
    low_pass = vtkWindowedSincPolyDataFilter()
    low_pass.SetInputData(to_polydata(vertices - middle, triangles))
    low_pass.SetNumberOfIterations(iterations)
    low_pass.SetPassBand(pass_band)
    low_pass.BoundarySmoothingOff()
    low_pass.FeatureEdgeSmoothingOff()
    low_pass.NonManifoldSmoothingOff()
    with in_threads():
        low_pass.Update()
    moved: Array = vtk_to_numpy(low_pass.GetOutput().GetPoints().GetData()).astype(np.float64) + middle
    return moved
