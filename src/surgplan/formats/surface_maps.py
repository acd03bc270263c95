"""A surface with a value at each vertex, as VTK's legacy polydata: 3D Slicer and ParaView colour it as it is.

Source: VTK file formats, "Simple legacy formats", version 3.0; Slicer reads `SPACE=LPS` from the title line.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written, write_bytes
from surgplan.model.frames import Array
from surgplan.model.surface import Surface


def write_surface_map(path: Path, surface: Surface, name: str, values: Array) -> Written:
    """Write a surface and one value for each vertex.

    Parameters
    ----------
    path:
        Ends in `.vtk`.
    surface:
        The surface, mm.
    name:
        What the values are, without spaces.
    values:
        (n,) one for each vertex.

    Raises
    ------
    BadInput
        Another ending; what was read back is not what was written.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    if path.suffix.lower() != ".vtk":
        raise BadInput(path, f"ends in `{path.suffix[:20]}`", ".vtk", "Choose such a name")
    faces = np.empty((len(surface.triangles), 4), dtype=">i4")
    faces[:, 0], faces[:, 1:] = 3, surface.triangles
    parts = [
        b"# vtk DataFile Version 3.0\n",
        f"surgplan SPACE={surface.frame.name} UNIT=mm {name}\n".encode("ascii", "replace"),
        b"BINARY\nDATASET POLYDATA\n",
        f"POINTS {len(surface.vertices)} float\n".encode(),
        surface.vertices.astype(">f4").tobytes(),
        f"\nPOLYGONS {len(faces)} {faces.size}\n".encode(),
        faces.tobytes(),
        f"\nPOINT_DATA {len(values)}\nSCALARS {name} float 1\nLOOKUP_TABLE default\n".encode(),
        np.asarray(values).astype(">f4").tobytes(),
        b"\n",
    ]
    return write_bytes(path, b"".join(parts), lambda written: _compare(path, written, surface, values))


def _compare(path: Path, written: Path, surface: Surface, values: Array) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader

    reader = vtkPolyDataReader()
    reader.SetFileName(str(written))
    reader.Update()
    found = reader.GetOutput()
    same = found.GetNumberOfPoints() == len(surface.vertices) and found.GetNumberOfPolys() == len(surface.triangles)
    if not same or not np.allclose(vtk_to_numpy(found.GetPointData().GetScalars()), values, rtol=1e-6):
        raise BadInput(path, "reading back gives another map", advice="Report this as a bug")
