"""Analytic bodies as surfaces, and the skull of the example at full size."""

from __future__ import annotations

from functools import cache

import numpy as np
import trimesh
from numpy.typing import NDArray

from surgplan.examples.scenes import skull
from surgplan.examples.shapes import Shape
from surgplan.model.labels import Label
from surgplan.model.surface import Surface

Array = NDArray[np.float64]


def surface(mesh: trimesh.Trimesh) -> Surface:
    return Surface(Label(1, "body"), np.array(mesh.vertices), np.array(mesh.faces))


def sphere(radius: float, centre: tuple[float, float, float] = (0, 0, 0), fineness: int = 4) -> Surface:
    mesh = trimesh.creation.icosphere(fineness, radius)
    mesh.apply_translation(centre)
    return surface(mesh)


def ellipsoid(a: float, b: float, c: float) -> Surface:
    mesh = trimesh.creation.icosphere(5, 1.0)
    mesh.apply_scale([a, b, c])
    return surface(mesh)


def cylinder(radius: float, height: float) -> Surface:
    return surface(trimesh.creation.cylinder(radius, height, sections=128))


def contoured(shape: Shape, step_mm: float) -> Surface:
    """The surface of a field of signed distance."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    low = np.array(shape.low) - 2 * step_mm
    size = np.ceil((np.array(shape.high) - low) / step_mm).astype(int) + 3
    x, y, z = (low[axis] + step_mm * np.arange(size[axis], dtype=np.float32) for axis in range(3))
    field = np.broadcast_to(shape.field(x[None, None, :], y[None, :, None], z[:, None, None]), size[::-1])
    image = vtkImageData()
    image.SetDimensions(*size.tolist())
    image.SetSpacing(step_mm, step_mm, step_mm)
    image.SetOrigin(*low)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(field, np.float32).ravel(), deep=1))
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, 0.0)
    contour.ComputeNormalsOff()
    contour.Update()
    mesh = contour.GetOutput()
    vertices = vtk_to_numpy(mesh.GetPoints().GetData()).astype(float)
    return Surface(Label(1, "body"), vertices, vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3))


@cache
def full_skull(step_mm: float = 1.5) -> Surface:
    """Cranium and jaw of the example, 146 × 180 × 197 mm."""
    parts = {part.name: part.shape for part in skull().parts}
    return contoured(parts["skull"] | parts["jaw"], step_mm)


def touched(body: Surface, count: int, noise_mm: float, seed: int) -> Array:
    """(count, 3) noisy points spread over a surface."""
    mesh = trimesh.Trimesh(body.vertices, body.triangles, process=False)
    return np.asarray(mesh.sample(count, seed=seed)) + np.random.default_rng(seed).normal(0, noise_mm, (count, 3))
