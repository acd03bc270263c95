"""VTK's XML poly data; its field data tell frame, unit and label, as 3D Slicer keeps `SPACE` there.

Source: VTK User's Guide, "XML File Formats".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.formats.mesh_parts import OURS, label_words
from surgplan.model.surface import Surface

DISTANCE = "distance_mm"
"""The array of a value at each point, as programs list it to colour by."""


def vtp_bytes(surface: Surface, assumed: tuple[str, ...] = (), distances: NDArray[np.float32] | None = None) -> bytes:
    """Raw appended arrays: float32 points, int64 triangles; `distances`, (n,) mm, become the scalars of the points."""
    points = surface.vertices.astype("<f4").tobytes()
    corners = surface.triangles.astype("<i8").tobytes()
    offsets = np.arange(3, 3 * len(surface.triangles) + 1, 3, dtype="<i8").tobytes()
    told = {"SPACE": surface.frame.name, "UNIT": "mm"} | ({"ASSUMED": ",".join(sorted(assumed))} if assumed else {})
    told |= {f"{OURS}.{word}": text for word, text in label_words(surface.label).items()}
    fields = "".join(_string(name, text) for name, text in told.items())
    arrays = [points, corners, offsets, *([] if distances is None else [distances.astype("<f4").tobytes()])]
    starts = np.cumsum([0, *(8 + len(array) for array in arrays)]).tolist()
    appended = b"".join(len(array).to_bytes(8, "little") + array for array in arrays)
    scalars = f'<DataArray type="Float32" Name="{DISTANCE}" format="appended" offset="{starts[3]}"/>'
    values = "" if distances is None else f'<PointData Scalars="{DISTANCE}">{scalars}</PointData>\n'
    empty = 'NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0"'
    head = (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f"<PolyData>\n<FieldData>\n{fields}</FieldData>\n"
        f'<Piece NumberOfPoints="{len(surface.vertices)}" {empty} NumberOfPolys="{len(surface.triangles)}">\n'
        f'{values}<Points><DataArray type="Float32" Name="Points" NumberOfComponents="3" format="appended" '
        f'offset="{starts[0]}"/></Points>\n'
        f'<Polys><DataArray type="Int64" Name="connectivity" format="appended" offset="{starts[1]}"/>\n'
        f'<DataArray type="Int64" Name="offsets" format="appended" offset="{starts[2]}"/></Polys>\n'
        '</Piece>\n</PolyData>\n<AppendedData encoding="raw">\n_'
    )
    return head.encode("ascii") + appended + b"\n</AppendedData>\n</VTKFile>\n"


def _string(name: str, text: str) -> str:
    """A field of one string, written as VTK does: its bytes as numbers, ended by a zero."""
    numbers = " ".join(str(byte) for byte in (*text.encode("utf-8"), 0))
    return f'<Array type="String" Name="{name}" NumberOfTuples="1" format="ascii">{numbers}</Array>\n'
