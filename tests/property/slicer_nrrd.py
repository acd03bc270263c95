"""A minimal NRRD reader of its own, by the rules that 3D Slicer reads volumes by; it shares no code with surgplan.

Source: Kindlmann, "Definition of NRRD File Format", teem.sourceforge.net/nrrd/format.html; 3D Slicer's
vtkTeemNRRDReader: world coordinates become RAS, i is the fastest axis, and `space origin` is the first voxel's centre.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

RAS_FROM = {
    "left-posterior-superior": np.diag([-1.0, -1.0, 1.0]),
    "right-anterior-superior": np.eye(3),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0]),
}
TYPES = {"short": "<i2", "int16": "<i2", "float": "<f4", "uint8": "u1", "int8": "i1", "uint16": "<u2", "int32": "<i4"}


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels, indexed [i, j, k], and (i, j, k, 3) where each lies in RAS millimetres."""
    header, _, data = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines()[1:] if ": " in line)
    assert fields["encoding"] == "raw"
    assert fields["dimension"] == "3"
    assert fields.get("endian", "little") == "little"
    assert set(fields["space units"].split()) == {'"mm"'}
    sizes = [int(size) for size in fields["sizes"].split()]
    voxels = np.frombuffer(data, TYPES[fields["type"]])
    assert len(voxels) == np.prod(sizes)
    directions = [[float(part) for part in axis.strip("()").split(",")] for axis in fields["space directions"].split()]
    origin = [float(part) for part in fields["space origin"].strip("()").split(",")]
    turn = RAS_FROM[fields["space"]]
    ijk = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1)
    return voxels.reshape(sizes, order="F"), (ijk @ np.array(directions) + origin) @ turn.T
