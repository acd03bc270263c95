"""What is at fault in a mesh cut out and the holes closed; bodies that overlap joined. The rest stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from surgplan.findings import Level
from surgplan.surface.clean import Ints, Mesh, Note, compact
from surgplan.surface.holes import Widest, hole_patches
from surgplan.surface.intersections import intersections_after
from surgplan.surface.nesting import nesting
from surgplan.surface.topology import bodies, body_volumes, faulty

if TYPE_CHECKING:
    from manifold3d import Manifold

ROUNDS = 4
"""How often it is cut, each time one ring of triangles farther, before it is given up."""


def patched(mesh: Mesh, crossing: Ints, note: Note) -> tuple[Mesh, Ints]:
    """The mesh with faulty places cut out and closed, and the crossings that are left.

    Crossing triangles and those at edges or vertices where sheets meet go, and the next time their neighbours too.
    """
    cut = filled = 0
    widest = Widest()
    for turn in range(ROUNDS):
        vertices, triangles = mesh
        bad = faulty(triangles, len(vertices), _within(mesh, crossing))
        if not bad.any():
            break
        for _ in range(turn):
            near = np.zeros(len(vertices), dtype=bool)
            near[triangles[bad]] = True
            bad |= near[triangles].any(axis=1)
        if 2 * np.count_nonzero(bad) > len(triangles):
            break  # nothing would be left to hold on to
        mesh, crossing, more, wide = _filled(*_without(mesh, crossing, bad), np.inf)
        cut, filled, widest = cut + int(np.count_nonzero(bad)), filled + more, max(widest, wide)
    if cut:
        note("cut", f"{cut} faulty triangles cut out, {filled} put in; the widest place {widest}", Level.WARN)
    return mesh, crossing


def closed(mesh: Mesh, crossing: Ints, max_hole_mm: float, note: Note) -> tuple[Mesh, Ints]:
    """The mesh with small holes closed, and its crossings; nothing is cut out."""
    mesh, crossing, filled, widest = _filled(mesh, crossing, max_hole_mm)
    if filled:
        note("holes", f"holes closed with {filled} triangles, the widest {widest}", Level.WARN)
    return mesh, crossing


def _within(mesh: Mesh, crossing: Ints) -> Ints:
    """The crossings within one body: where bodies cross each other, cutting would harm both."""
    body = bodies(*mesh)
    return np.asarray(crossing[body[crossing[:, 0]] == body[crossing[:, 1]]])


def _filled(mesh: Mesh, crossing: Ints, max_hole_mm: float) -> tuple[Mesh, Ints, int, Widest]:
    vertices, triangles = mesh
    patches, widest = hole_patches(vertices, triangles, max_hole_mm)
    if not len(patches):
        return mesh, crossing, 0, widest
    together = np.concatenate([triangles, patches])
    new = np.arange(len(together)) >= len(triangles)
    return (vertices, together), intersections_after(vertices, together, crossing, new), len(patches), widest


def _without(mesh: Mesh, crossing: Ints, bad: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[Mesh, Ints]:
    number = (np.cumsum(~bad) - 1).astype(np.int32)
    left = crossing[~bad[crossing].any(axis=1)]
    return compact(mesh[0], mesh[1][~bad]), number[left]


def united(mesh: Mesh, crossing: Ints, note: Note) -> tuple[Mesh, Ints]:
    """Closed bodies that overlap made one, each with its cavities; the mesh as it was where that is not possible."""
    from manifold3d import Error, Manifold, OpType

    from surgplan.surface.intersections import self_intersections

    solids = _solids(mesh)
    if not solids:
        return mesh, crossing
    whole = Manifold.batch_boolean(solids, OpType.Add)
    if whole.status() != Error.NoError or whole.is_empty():
        return mesh, crossing
    found = whole.to_mesh()
    made = np.asarray(found.vert_properties, np.float64)[:, :3], np.asarray(found.tri_verts).astype(np.int32)
    before = sum(solid.volume() for solid in solids)
    text = f"{len(solids)} bodies overlap: joined, {before:.1f} mm³ counted apart and {whole.volume():.1f} mm³ together"
    note("joined", text, Level.WARN)
    return made, self_intersections(*made)


def _solids(mesh: Mesh) -> list[Manifold]:
    """Each shell that faces outward, less the cavities within it; none when a cavity lies in no solid."""
    from manifold3d import Manifold
    from manifold3d import Mesh as Given

    vertices, triangles = mesh
    body = bodies(vertices, triangles)
    volumes = body_volumes(vertices, triangles, body)

    def solid(number: int) -> Manifold:
        faces = triangles[body == number]
        points, faces = compact(vertices, faces if volumes[number] > 0 else faces[:, ::-1])
        return Manifold(Given(points.astype(np.float32), faces.astype(np.uint32)))

    inner, outer, _ = nesting(vertices, triangles, body, watertight=True)
    solids = {number: solid(number) for number in np.flatnonzero(volumes > 0).tolist()}
    for cavity in np.flatnonzero(volumes <= 0).tolist():
        around = [number for number in outer[inner == cavity].tolist() if number in solids]
        if not around:
            return []
        nearest = min(around, key=lambda number: float(volumes[number]))
        solids[nearest] -= solid(cavity)
    return list(solids.values())
