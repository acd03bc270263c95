"""The door to all mesh formats: what is read gets its unit and frame, what is written is read back and compared.

Coordinates are stored in float32, as slicer programs keep them; the surface stage makes them exact in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, SurgplanError, WrongUsage, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Bytes, Written, write_bytes
from surgplan.formats.glb import glb_bytes
from surgplan.formats.glb_read import glb_contents
from surgplan.formats.limits import read_whole
from surgplan.formats.mesh_parts import EXPORT_AGAIN, Contents, Part
from surgplan.formats.mesh_units import NOBODY, MeshFile, Told, placed
from surgplan.formats.obj import obj_bytes, obj_contents
from surgplan.formats.off import off_contents
from surgplan.formats.ply import ply_bytes, ply_contents
from surgplan.formats.stl import stl_bytes, stl_contents
from surgplan.formats.vtp import vtp_bytes
from surgplan.formats.vtp_read import vtp_contents
from surgplan.model.frames import Array
from surgplan.model.surface import Surface

THREEMF = ".3mf"
LARGEST_FILE = 16 << 30
"""Bytes: `MOST_TRIANGLES` as text."""
READERS: dict[str, Callable[[Path, bytes], Contents]] = {
    ".stl": stl_contents,
    ".ply": ply_contents,
    ".obj": obj_contents,
    ".vtp": vtp_contents,
    ".glb": glb_contents,
    ".gltf": glb_contents,
    ".off": off_contents,
}
ONE_WRITERS: dict[str, Callable[[Surface, tuple[str, ...]], Bytes]] = {
    ".stl": stl_bytes,
    ".ply": ply_bytes,
    ".vtp": vtp_bytes,
}
"""Formats that hold one object."""
MAPS = {".ply": ply_bytes, ".vtp": vtp_bytes}
"""Formats that hold a number for each vertex."""
MANY_WRITERS: dict[str, Callable[[Sequence[Surface], tuple[str, ...]], bytes]] = {".obj": obj_bytes, ".glb": glb_bytes}
"""Formats that hold several, each with its name."""
READABLE = (*READERS, THREEMF)
WRITABLE = (*ONE_WRITERS, *MANY_WRITERS, THREEMF)

AT_ONCE = 1 << 12
"""Triangles that are compared at once: they stay in the processor's cache."""

SAME_MM = 1e-3
"""Vertices that are read back differ by less than this: float32 keeps 0.03 µm at 500 mm, and loses it beyond 16 m."""

DAMAGED = (IndexError, KeyError, TypeError, UnicodeDecodeError, OverflowError, AttributeError, RecursionError)
"""What Python raises where a damaged file has nothing, or something else, in a place where a reader expects it."""


def write_mesh(path: Path, surface: Surface, assumed: tuple[str, ...] = ()) -> Written:
    """Write one surface as STL, PLY, VTP, OBJ or GLB, by the file's ending."""
    return write_meshes(path, (surface,), assumed)


def write_stl(path: Path, surface: Surface) -> Written:
    """Write binary STL."""
    return _written(path, (surface,), ".stl", stl_bytes(surface))


def write_ply(path: Path, surface: Surface, quality: NDArray[np.float32] | None = None) -> Written:
    """Write binary PLY; `quality`, (n,), is a number for each vertex, such as a distance in mm."""
    return _written(path, (surface,), ".ply", ply_bytes(surface, quality=quality))


def write_map(path: Path, surface: Surface, distances: NDArray[np.float32], assumed: tuple[str, ...] = ()) -> Written:
    """Write one surface with a distance, mm, for each vertex, (n,), as PLY or VTP: programs colour it by that."""
    kind = path.suffix.lower()
    return _written(path, (surface,), kind, MAPS[kind](surface, assumed, distances))


def write_meshes(path: Path, surfaces: Sequence[Surface], assumed: tuple[str, ...] = ()) -> Written:
    """Write surfaces of one frame into one file, by its ending; 3MF has its own writer, since it knows a plate.

    `assumed` tells what nobody stated about them ("unit", "frame"), and the file says so.

    Raises
    ------
    WrongUsage
        An ending that is not written, or several surfaces for a format that holds one.
    BadInput
        The surfaces lie in different frames, or what is read back is not what was meant.
    """
    kind = path.suffix.lower()
    if kind not in ONE_WRITERS and kind not in MANY_WRITERS:
        endings = ", ".join((*ONE_WRITERS, *MANY_WRITERS))
        raise WrongUsage(path, f"ends in `{path.suffix}`", f"one of {endings}", "Choose such a name")
    if len({surface.frame for surface in surfaces}) != 1:
        raise BadInput(path, "would hold surfaces of different frames", "one frame", "Write one file for each")
    if kind in MANY_WRITERS:
        return _written(path, surfaces, kind, MANY_WRITERS[kind](surfaces, assumed))
    if len(surfaces) > 1:
        many = " ".join((*MANY_WRITERS, THREEMF))
        found = f"would hold {len(surfaces)} objects, and {kind} holds one"
        raise WrongUsage(path, found, f"one of {many}", "Choose such a name, or join the objects with --join")
    return _written(path, surfaces, kind, ONE_WRITERS[kind](surfaces[0], assumed))


def _written(path: Path, surfaces: Sequence[Surface], kind: str, data: Bytes) -> Written:
    def check(written: Path) -> None:
        # the file has been compared with `data` by then: reading that is as good, and faster
        compare(path, READERS[kind](written, cast("bytes", data)), surfaces)

    return write_bytes(path, data, check)


def compare(path: Path, found: Contents, surfaces: Sequence[Surface]) -> None:
    """What was read back from a file must be what was meant: frame, unit, triangles, places and signed volume.

    Corners are not welded for that: it takes longer than all the rest, and changes nothing of this.

    Raises
    ------
    BadInput
        It is not; nothing stays under the file's name.
    """
    counts = [len(part.triangles) for part in found.parts], [len(each.triangles) for each in surfaces]
    if (found.stated.unit, found.stated.frame) != ("mm", surfaces[0].frame.name) or counts[0] != counts[1]:
        raise BadInput(path, "reading back gives another mesh", advice="Report this as a bug")
    for part, meant in zip(found.parts, surfaces, strict=True):
        far, error = _difference(part, meant)
        if far > SAME_MM or error > SAME_MM * meant.area_mm2:
            advice = "Move the mesh nearer to the origin"
            raise BadInput(path, f"moves a corner by {far:.3g} mm", f"at most {SAME_MM} mm", advice)


def _difference(part: Part, meant: Surface) -> tuple[float, float]:
    """The farthest that a corner lies from where it was meant, mm, and the error of the signed volume, mm³."""
    far = error = 0.0
    middle = meant.vertices.mean(axis=0) if len(meant.vertices) else np.zeros(3)
    for start in range(0, len(meant.triangles), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        corners = np.take(part.vertices, part.triangles[some], axis=0) - middle
        there = np.take(meant.vertices, meant.triangles[some], axis=0) - middle
        far = max(far, float(np.abs(corners - there).max()))
        error += _volume(corners) - _volume(there)
    return far, abs(error)


def _volume(corners: Array) -> float:
    a, b, c = corners.transpose(1, 2, 0)
    return float(sum(a[n] @ (b[n - 2] * c[n - 1] - b[n - 1] * c[n - 2]) for n in range(3)) / 6.0)


def read_mesh(path: Path, told: Told = NOBODY) -> tuple[Surface, tuple[Finding, ...]]:
    """The one surface of a mesh file, in millimetres; several objects are joined, and told. See `read_meshes`."""
    surface, findings, _ = read_one(path, told)
    return surface, findings


def read_one(path: Path, told: Told = NOBODY) -> tuple[Surface, tuple[Finding, ...], tuple[str, ...]]:
    """As `read_mesh`, with what had to be assumed, for whoever writes the surface again."""
    found = read_meshes(path, told)
    if len(found.surfaces) == 1:
        return found.surfaces[0], found.findings, found.assumed
    measured = f"{len(found.surfaces)} objects taken as one"
    note = Finding("objects", Level.WARN, measured, advice="surgplan convert keeps them apart", subject=path.name)
    return merged(found.surfaces), (*found.findings, note), found.assumed


def merged(surfaces: Sequence[Surface]) -> Surface:
    """All surfaces as one mesh, labelled as the first; points that coincide stay apart."""
    starts = np.cumsum([0, *(len(each.vertices) for each in surfaces)])
    vertices = np.concatenate([each.vertices for each in surfaces])
    triangles = np.concatenate([each.triangles + start for each, start in zip(surfaces, starts, strict=False)])
    return surfaces[0].with_mesh(vertices, triangles.astype(np.int32))


def read_meshes(path: Path, told: Told = NOBODY) -> MeshFile:
    """The objects of STL, PLY, OBJ, OFF, VTP, glTF or 3MF, welded, in LPS millimetres, each with its name.

    `told` is what the user states about unit and frame. What nobody states is assumed, with a finding that holds the
    evidence; nothing is taken silently.

    Raises
    ------
    BadInput
        Not a mesh, cut short, empty, or with coordinates that are not finite.
    """
    kind = path.suffix.lower()
    if kind not in READABLE:
        raise BadInput(path, f"ends in `{path.suffix}`", " ".join(READABLE), "Convert it to one of these")
    try:
        with blaming(path, EXPORT_AGAIN):
            if kind == THREEMF:
                from surgplan.formats.threemf_read import threemf_contents

                return placed(path, threemf_contents(path), told)
            data = read_whole(path, LARGEST_FILE)
            if not data:
                raise BadInput(path, "is empty", "a mesh", EXPORT_AGAIN)
            return placed(path, READERS[kind](path, data), told)
    except SurgplanError:
        raise
    except OSError as error:
        raise BadInput(
            path, f"cannot be read: {(error.strerror or 'unknown').lower()}", advice="Check the file"
        ) from None
    except DAMAGED as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a mesh", EXPORT_AGAIN) from None
