"""Shapes with known volume and bounds, and what independent programs say about files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from surgplan.model.frames import LPS, Frame
from surgplan.model.labels import Label
from surgplan.model.surface import Surface


def ball(
    label: Label | None = None, radius: float = 17.3, at: tuple[float, float, float] = (100.3, -80.7, 12.9)
) -> Surface:
    """A sphere of 1280 triangles away from the origin, on float32's grid."""
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    vertices = (mesh.vertices + np.array(at)).astype(np.float32).astype(np.float64)
    return Surface(label or Label(1, "ball"), vertices, mesh.faces)


def wedge(label: Label | None = None, frame: Frame = LPS) -> Surface:
    """A solid without any symmetry: mirrored or turned, it has other bounds. Volume 10·20·30/6 = 1000 mm³."""
    vertices = np.array([[1.0, 2, 3], [11, 2, 3], [1, 22, 3], [1, 2, 33]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    return Surface(label or Label(1, "wedge"), vertices, faces, frame)


@dataclass(frozen=True)
class Seen:
    """What a program says of a file."""

    volume: float
    bounds: np.ndarray
    triangles: int


def by_trimesh(path: Path) -> Seen:
    """All objects, with their transforms."""
    mesh = trimesh.load(path, force="mesh", process=False)
    return Seen(float(mesh.volume), np.asarray(mesh.bounds), len(mesh.faces))


def by_vtk(path: Path) -> Seen:
    """VTK's readers for STL, PLY, OBJ and VTP."""
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkMassProperties, vtkTriangleFilter
    from vtkmodules.vtkIOGeometry import vtkOBJReader, vtkSTLReader
    from vtkmodules.vtkIOPLY import vtkPLYReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    readers = {".stl": vtkSTLReader, ".ply": vtkPLYReader, ".obj": vtkOBJReader, ".vtp": vtkXMLPolyDataReader}
    reader = readers[path.suffix]()
    reader.SetFileName(str(path))
    cut, clean, measure = vtkTriangleFilter(), vtkCleanPolyData(), vtkMassProperties()
    cut.SetInputConnection(reader.GetOutputPort())
    clean.SetInputConnection(cut.GetOutputPort())
    measure.SetInputConnection(clean.GetOutputPort())
    measure.Update()
    ends = np.array(clean.GetOutput().GetBounds()).reshape(3, 2).T
    return Seen(measure.GetVolume(), ends, clean.GetOutput().GetNumberOfPolys())
