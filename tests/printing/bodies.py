"""Bodies of known shape for tests of preparing, and what every prepared part must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh

from surgplan.model.labels import Label, Side
from surgplan.model.part import Part
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.params import Params
from surgplan.printing.operations import Operation
from surgplan.printing.prepare import Context, Prepared, prepare_parts
from surgplan.printing.printers import find_printer


def surface(mesh: trimesh.Trimesh, name: str = "bone", side: Side = Side.NONE) -> Surface:
    return Surface(Label(1, name, side=side), mesh.vertices.astype(np.float32), mesh.faces)


def box(
    extents: Sequence[float], at: Sequence[float] = (0, 0, 0), name: str = "bone", side: Side = Side.NONE
) -> Surface:
    mesh = trimesh.creation.box(extents)
    mesh.apply_translation(at)
    return surface(mesh, name, side)


def ball(radius: float, at: Sequence[float] = (0, 0, 0), name: str = "bone") -> Surface:
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    mesh.apply_translation(at)
    return surface(mesh, name)


class _List(Params):
    prepare: tuple[Operation, ...]


def operations(*tables: dict[str, Any]) -> tuple[Any, ...]:
    """As a recipe writes them."""
    return _List.from_table({"prepare": list(tables)}, "test.toml").prepare


def prepared(
    surfaces: Surface | Sequence[Surface],
    *tables: dict[str, Any],
    scale: float = 1.0,
    landmarks: dict[str, Sequence[float]] | None = None,
    case: str = "case-7",
) -> Prepared:
    points = PointSet(Landmark(name, np.array(place, float)) for name, place in (landmarks or {}).items())
    given = [surfaces] if isinstance(surfaces, Surface) else surfaces
    return prepare_parts(given, operations(*tables), Context(case, find_printer("generic-fdm"), scale, points))


def mesh_of(part: Part) -> trimesh.Trimesh:
    """The part as another program sees it, which must find it closed and facing outward."""
    mesh = trimesh.Trimesh(part.surface.vertices, part.surface.triangles, process=True)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume > 0
    return mesh
