"""OFF in text: vertices and polygons, nothing else. Only read.

Source: Geomview manual, "OFF Files".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surgplan.errors import BadInput
from surgplan.formats.mesh_parts import EXPORT_AGAIN, Contents, Part, check_count, ignored, plain_name
from surgplan.formats.polygons import triangulated
from surgplan.model.labels import Label

KINDS = (b"OFF", b"COFF", b"NOFF", b"CNOFF")
"""With colours, normals or both behind the coordinates of each vertex."""


def off_contents(path: Path, data: bytes) -> Contents:
    """The mesh of an OFF.

    Raises
    ------
    BadInput
        Not OFF in text, or cut short.
    """
    lines = [line.partition(b"#")[0].split() for line in data.splitlines()]
    rows = [words for words in lines if words]
    kind = rows[0][0] if rows else b""
    if kind not in KINDS or (len(rows[0]) > 1 and rows[0][1] == b"BINARY"):
        raise BadInput(path, "has no OFF header", "an OFF file in text", EXPORT_AGAIN)
    head = rows[0][1:] or rows[1]
    body = rows[1 if len(rows[0]) > 1 else 2 :]
    points, faces = int(head[0]), int(head[1])
    check_count(path, "vertices and faces", points + faces, len(data), 2)
    if points < 0 or faces < 0 or len(body) < points + faces or data[-1:] not in (b"\n", b"\r"):
        raise BadInput(path, f"has {len(body)} rows: cut short", f"{points + faces}", EXPORT_AGAIN)
    vertices = np.array([row[:3] for row in body[:points]], dtype="S32").astype(np.float64).reshape(-1, 3)
    polygons = [[int(word) for word in row[: 1 + int(row[0])]] for row in body[points : points + faces]]
    if any(len(polygon) != polygon[0] + 1 for polygon in polygons):
        raise BadInput(path, "has a face with fewer corners than it declares", "", EXPORT_AGAIN)
    counts = np.array([polygon[0] for polygon in polygons], np.int64)
    indices = np.array([corner for polygon in polygons for corner in polygon[1:]], np.int64)
    triangles, findings = triangulated(path, vertices, counts, indices)
    colored = any(len(row) > 3 for row in body[:points]) or any(len(row) > 1 + int(row[0]) for row in body[points:])
    part = Part(Label(1, plain_name(path.stem)), vertices, triangles)
    return Contents((part,), findings=(*findings, *ignored(path, ["colours and normals"] if colored else [])))
