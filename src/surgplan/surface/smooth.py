"""Smoothing within a budget: noise goes, and no vertex moves farther than allowed."""

from __future__ import annotations

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.surface import Surface


def smooth(surface: Surface, most_mm: float, iterations: int = 20, pass_band: float = 0.1) -> Surface:
    """The surface without its finest ripples; each vertex moves by `most_mm` at the most.

    A windowed-sinc low-pass filter, which does not shrink; then each displacement is cut to the budget.

    Source: Taubin, Zhang and Golub, "Optimal surface smoothing as filter design", ECCV 1996.
    """
    if most_mm <= 0 or not len(surface.triangles):
        return surface
    moved = _windowed_sinc(surface, iterations, pass_band)
    step = moved - surface.vertices
    length = np.linalg.norm(step, axis=1, keepdims=True)
    step *= np.minimum(1.0, most_mm / np.maximum(length, 1e-12))
    return surface.with_mesh(surface.vertices + step, surface.triangles)


def _windowed_sinc(surface: Surface, iterations: int, pass_band: float) -> Array:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    from surgplan.surface.vtk_mesh import in_threads, to_polydata

    # centred: the filter works in float32, which resolves small numbers best
    middle = surface.vertices.mean(axis=0)
    low_pass = vtkWindowedSincPolyDataFilter()
    low_pass.SetInputData(to_polydata(surface.vertices - middle, surface.triangles))
    low_pass.SetNumberOfIterations(iterations)
    low_pass.SetPassBand(pass_band)
    low_pass.BoundarySmoothingOff()
    low_pass.FeatureEdgeSmoothingOff()
    low_pass.NonManifoldSmoothingOff()
    with in_threads():
        low_pass.Update()
    moved: Array = vtk_to_numpy(low_pass.GetOutput().GetPoints().GetData()).astype(np.float64) + middle
    return moved
