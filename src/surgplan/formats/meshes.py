"""Meshes as STL and PLY, with unit and frame in the header; foreign meshes read with care.

Coordinates are stored in float32, as slicer programs keep them; the surface stage makes them exact in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, SurgplanError, WrongUsage, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written, write_bytes
from surgplan.model.frames import LPS, PRINT, RAS, Array, Frame
from surgplan.model.labels import Code, Label, Side
from surgplan.model.surface import Surface

STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("extra", "<u2")])
PLY_TRIANGLE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
FRAMES = {frame.name: frame for frame in (LPS, RAS, PRINT)}
EXPORT_AGAIN = "Export the mesh again"
FOREIGN = (".obj", ".off", ".glb", ".gltf")

SAME_MM = 1e-3
"""Bounds that are read back differ by less than this: float32 keeps 0.03 µm at 500 mm."""


def write_mesh(path: Path, surface: Surface) -> Written:
    """Write STL or PLY, by the file's ending."""
    writers = {".stl": write_stl, ".ply": write_ply}
    if path.suffix.lower() not in writers:
        raise WrongUsage(path, f"ends in `{path.suffix}`", " or ".join(writers), "Choose such a name")
    return writers[path.suffix.lower()](path, surface)


def write_stl(path: Path, surface: Surface) -> Written:
    """Binary STL; the header tells frame and unit, since the format has no other place for them.

    Source: 3D Slicer's convention `SPACE=LPS`, extended by `UNIT=mm`.
    """
    header = f"surgplan SPACE={surface.frame.name} UNIT=mm".encode("ascii", "replace")[:80].ljust(80, b" ")
    records = np.zeros(len(surface.triangles), STL_TRIANGLE)
    corners = surface.corners
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records["normal"] = normals / np.where(lengths > 0, lengths, 1)
    records["corners"] = corners
    data = header + len(records).to_bytes(4, "little") + records.tobytes()
    return write_bytes(path, data, lambda written: _compare(written, surface))


def write_ply(path: Path, surface: Surface) -> Written:
    """Binary little-endian PLY; comments keep name, colour, side, code, level, frame and unit."""
    label = surface.label
    comments = [
        f"surgplan SPACE={surface.frame.name} UNIT=mm",
        f"name {label.name}",
        f"color {' '.join(map(str, label.color))}",
        f"side {label.side}",
        f"level {label.level!r}",
    ]
    if label.code:
        comments.append("code " + "\t".join((label.code.scheme, label.code.value, label.code.meaning)))
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    head += [f"element vertex {len(surface.vertices)}", *(f"property float {axis}" for axis in "xyz")]
    head += [f"element face {len(surface.triangles)}", "property list uchar int vertex_indices", "end_header", ""]
    faces = np.empty(len(surface.triangles), PLY_TRIANGLE)
    faces["count"] = 3
    faces["corners"] = surface.triangles
    data = "\n".join(head).encode("utf-8") + surface.vertices.astype("<f4").tobytes() + faces.tobytes()
    return write_bytes(path, data, lambda written: _compare(written, surface))


def _compare(path: Path, surface: Surface) -> None:
    """Read a written mesh back; its frame, place, size and number of triangles must be those that were meant.

    Corners are not welded for that: it takes longer than all the rest, and changes nothing of this.
    """
    data = path.read_bytes()
    if path.suffix.lower() == ".stl":
        corners, told = _stl_corners(path, data)
        triangles = len(corners) // 3
    else:
        found, _ = _read_ply(path, data)
        corners, triangles, told = found.vertices, len(found.triangles), f"SPACE={found.frame.name}"
    same = f"SPACE={surface.frame.name}" in told and triangles == len(surface.triangles)
    if same and triangles:
        bounds = np.array([corners.min(axis=0), corners.max(axis=0)])
        used = surface.vertices if path.suffix.lower() == ".ply" else surface.corners.reshape(-1, 3)
        same = bool(np.abs(bounds - [used.min(axis=0), used.max(axis=0)]).max() < SAME_MM)
    if not same:
        raise BadInput(path, "reading back gives another mesh", advice="Report this as a bug")


def read_mesh(path: Path) -> tuple[Surface, tuple[Finding, ...]]:
    """STL, PLY, OBJ, OFF or GLB, welded, in millimetres; a finding where unit or frame had to be assumed.

    Raises
    ------
    BadInput
        Not a mesh, cut short, empty, or with coordinates that are not finite.
    """
    readers = {".stl": _read_stl, ".ply": _read_ply, **dict.fromkeys(FOREIGN, _read_foreign)}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(path, f"ends in `{path.suffix}`", " ".join(readers), "Convert it to one of these")
    try:
        data = path.read_bytes()
        if not data:
            raise BadInput(path, "is empty", "a mesh", EXPORT_AGAIN)
        with blaming(path, EXPORT_AGAIN):
            surface, findings = reader(path, data)
    except SurgplanError:
        raise
    except OSError as error:
        raise BadInput(
            path, f"cannot be read: {(error.strerror or 'unknown').lower()}", advice="Check the file"
        ) from None
    except (IndexError, KeyError, TypeError, UnicodeDecodeError, OverflowError, AttributeError) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a mesh", EXPORT_AGAIN) from None
    if not len(surface.triangles):
        raise BadInput(path, "has no triangles", "a mesh", EXPORT_AGAIN)
    return surface, findings


def _plain_label(path: Path) -> Label:
    name = "".join(letter for letter in path.stem[:64] if letter.isprintable()).strip()
    return Label(1, name or "mesh")


def _assumed(path: Path, told: str) -> tuple[Frame, tuple[Finding, ...]]:
    """Frame and unit from a header's `SPACE=… UNIT=…`, or LPS millimetres with a finding that says so."""
    words = dict(word.split("=", 1) for word in told.split() if word.count("=") == 1)
    findings = []
    if words.get("UNIT", "mm") != "mm":
        raise BadInput(path, f"has the unit {words['UNIT']}", "mm", "Scale it to millimetres first")
    if words.get("SPACE", "LPS") not in FRAMES:
        raise BadInput(path, f"lies in the frame {words['SPACE']}", " or ".join(FRAMES), EXPORT_AGAIN)
    for word, taken in (("SPACE", "LPS"), ("UNIT", "millimetres")):
        if word not in words:
            check = "frame" if word == "SPACE" else "unit"
            measured = f"the file states no {check}; {taken} taken"
            advice = "Make sure that it is so: a wrong one mirrors or scales the model"
            findings.append(Finding(check, Level.WARN, measured, advice=advice, subject=path.name))
    return FRAMES[words.get("SPACE", "LPS")], tuple(findings)


def _read_stl(path: Path, data: bytes) -> tuple[Surface, tuple[Finding, ...]]:
    corners, told = _stl_corners(path, data)
    frame, findings = _assumed(path, told)
    vertices, triangles = _joined(corners.astype(np.float64))
    return Surface(_plain_label(path), vertices, triangles, frame), findings


def _stl_corners(path: Path, data: bytes) -> tuple[NDArray[Any], str]:
    """(3m, 3) corners, and the text of the header."""
    count = int.from_bytes(data[80:84], "little") if len(data) >= 84 else -1
    if count >= 0 and len(data) == 84 + count * STL_TRIANGLE.itemsize:
        records = np.frombuffer(data, STL_TRIANGLE, count, 84)
        return records["corners"].reshape(-1, 3), data[:80].decode("ascii", "replace")
    if data.lstrip()[:5].lower() == b"solid":
        return _ascii_stl(path, data), data.split(b"\n", 1)[0].decode("ascii", "replace")
    expected = 84 + max(count, 0) * STL_TRIANGLE.itemsize
    if len(data) < expected:
        raise BadInput(path, f"holds {len(data)} bytes, cut short", f"{expected} bytes", EXPORT_AGAIN)
    raise BadInput(path, f"declares {count} triangles in {len(data)} bytes", "an STL file", EXPORT_AGAIN)


def _ascii_stl(path: Path, data: bytes) -> Array:
    """(3m, 3) corners of an STL in text."""
    if not data.rstrip().lower().split(b"\n")[-1].lstrip().startswith(b"endsolid"):
        raise BadInput(path, "does not end in `endsolid`: cut short", "a whole STL", EXPORT_AGAIN)
    lines = [line.split()[1:4] for line in data.splitlines() if line.lstrip()[:6].lower() == b"vertex"]
    corners = np.array(lines, dtype=np.float64).reshape(-1, 3)
    if len(corners) % 3:
        raise BadInput(path, f"has {len(corners)} corners", "three for each triangle", EXPORT_AGAIN)
    return corners


def _joined(corners: Array) -> tuple[Array, NDArray[np.int32]]:
    """Vertices and triangles of a soup of corners, (3m, 3): equal positions become one vertex, first come first."""
    rows = np.ascontiguousarray(corners + 0.0)
    keys = rows.view([("", rows.dtype)] * 3).ravel()
    _, first, joined = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rows[first[order]], rank[joined].reshape(-1, 3)


def _read_ply(path: Path, data: bytes) -> tuple[Surface, tuple[Finding, ...]]:
    """Our own layout is read directly; any other through trimesh."""
    end = data.find(b"end_header\n")
    if data[:4] not in (b"ply\n", b"ply\r") or end < 0:
        raise BadInput(path, "has no PLY header", "a PLY file", EXPORT_AGAIN)
    head = data[:end].decode("utf-8", "replace").splitlines()
    comments = [line.removeprefix("comment ") for line in head if line.startswith("comment ")]
    if not any(line.startswith("surgplan ") for line in comments):
        return _read_foreign(path, data)
    counts = {words[1]: int(words[2]) for words in map(str.split, head) if words[:1] == ["element"]}
    start, vertices = end + len(b"end_header\n"), counts["vertex"]
    expected = start + 12 * vertices + PLY_TRIANGLE.itemsize * counts["face"]
    if len(data) != expected:
        raise BadInput(path, f"holds {len(data)} bytes", f"{expected} bytes", EXPORT_AGAIN)
    points = np.frombuffer(data, "<f4", 3 * vertices, start).reshape(-1, 3).astype(np.float64)
    faces = np.frombuffer(data, PLY_TRIANGLE, counts["face"], start + 12 * vertices)
    frame, findings = _assumed(path, comments[0])
    return Surface(_stored_label(path, comments), points, faces["corners"], frame), findings


def _stored_label(path: Path, comments: list[str]) -> Label:
    told = {words[0]: words[2] for words in (line.partition(" ") for line in comments)}
    code = told.get("code", "").split("\t")
    level = told.get("level", "None")
    return Label(
        1,
        told.get("name") or _plain_label(path).name,
        tuple(int(channel) for channel in told.get("color", "232 220 192").split()),  # type: ignore[arg-type]
        Side(told.get("side", "")),
        Code(*code) if len(code) == 3 else None,
        None if level == "None" else float(level),
    )


def _read_foreign(path: Path, data: bytes) -> tuple[Surface, tuple[Finding, ...]]:
    """Anything that trimesh reads; it raises many kinds of errors on broken files."""
    import io

    import trimesh

    try:
        loaded: Any = trimesh.load(io.BytesIO(data), file_type=path.suffix[1:].lower(), force="mesh", process=False)
        corners = np.asarray(loaded.vertices, np.float64)[np.asarray(loaded.faces)].reshape(-1, 3)
    except MemoryError:
        raise
    except Exception as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a mesh", EXPORT_AGAIN) from None
    frame, findings = _assumed(path, "")
    vertices, triangles = _joined(corners)
    return Surface(_plain_label(path), vertices, triangles, frame), findings
