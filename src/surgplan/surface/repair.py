"""Repair: the least change first, one body at a time, within a budget; else refused."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.params import Params
from surgplan.surface.fidelity import distance_to, surface_samples
from surgplan.surface.topology import Topology, bodies, body_volumes, degenerate, faces_outward, is_closed, topology

Ints = NDArray[np.int32]
Mesh = tuple[Array, Ints]


class RepairParams(Params):
    """How much a repair may change."""

    weld_mm: float = Field(1e-5, ge=0, le=0.1, description="join vertices nearer than this, in mm")
    max_distance_mm: float = Field(1.0, gt=0, le=50, description="most that the surface may move, in mm")
    max_volume_percent: float = Field(5.0, gt=0, le=100, description="most that the volume of closed bodies may change")
    time_limit_s: float = Field(120.0, gt=0, le=3600, description="time for one body, in seconds")


@dataclass(frozen=True)
class RepairResult:
    """The repaired surface, its topology, and what was changed."""

    surface: Surface
    topology: Topology
    findings: tuple[Finding, ...]


@dataclass
class _Log:
    """What was changed, for the findings."""

    name: str
    findings: list[Finding] = field(default_factory=list)

    def note(self, check: str, measured: str, level: Level = Level.NOTE, limit: str = "") -> None:
        self.findings.append(Finding(check, level, measured, limit, subject=self.name))


def repair(surface: Surface, params: RepairParams) -> RepairResult:
    """Make a surface watertight, manifold, outward and free of self-intersections, changing as little as possible.

    Steps, each only when the one before was not enough: weld, drop degenerate and doubled triangles, orient; then
    pymeshfix, one body at a time.

    Raises
    ------
    BadInput
        The mesh has no triangles, or it cannot be repaired within the budget.
    """
    name = surface.label.name
    if not len(surface.triangles):
        raise BadInput(name, "has no triangles", advice="Check the file")
    log = _Log(name)
    mesh = oriented(*welded(surface.vertices, surface.triangles, params.weld_mm, log), log)
    told = topology(*mesh)
    if not told.ok:
        mesh = _fixed_bodies(mesh, params, log)
        told = topology(*mesh)
    result = surface.with_mesh(*mesh)
    if not told.ok:
        raise BadInput(name, f"cannot be repaired: {what_is_wrong(told)}", advice="Repair it by hand, or segment again")
    _within_budget(surface, result, params, log)
    return RepairResult(result, told, tuple(log.findings))


def what_is_wrong(told: Topology) -> str:
    """The faults of a mesh, in words."""
    faults = {
        "it has no triangles": told.triangles == 0,
        "it is open": not told.watertight,
        "an edge has more than two triangles": not told.edge_manifold,
        "parts touch in one vertex": not told.vertex_manifold,
        "it is not oriented outward": not told.outward,
        f"{told.degenerate} triangles have no area": told.degenerate > 0,
        f"{told.self_intersections} pairs of triangles cross": told.self_intersections > 0,
    }
    return ", ".join(words for words, so in faults.items() if so)


def welded(vertices: Array, triangles: Ints, weld_mm: float, log: _Log) -> Mesh:
    """Join vertices that lie together; drop triangles without area, doubled ones, and unused vertices."""
    keys = np.round(vertices / weld_mm) if weld_mm > 0 else vertices
    _, first, joined = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    faces = joined.reshape(-1)[triangles].astype(np.int32)
    points = vertices[first]
    flat = degenerate(points, faces)
    faces = faces[~flat]
    _, once = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    doubled = len(faces) - len(once)
    faces = faces[np.sort(once)]
    if len(points) < len(vertices):
        log.note("weld", f"{len(vertices) - len(points)} vertices joined", limit=f"{weld_mm:g} mm")
    if flat.any():
        log.note("degenerate", f"{int(flat.sum())} triangles without area dropped")
    if doubled:
        log.note("doubled", f"{doubled} triangles that were there twice dropped")
    return compact(points, faces)


def compact(vertices: Array, triangles: Ints) -> Mesh:
    """Without the vertices that no triangle uses."""
    used, faces = np.unique(triangles, return_inverse=True)
    return vertices[used], faces.reshape(triangles.shape).astype(np.int32)


def oriented(vertices: Array, triangles: Ints, log: _Log) -> Mesh:
    """Neighbours made to agree, and closed bodies made to face outward; sound meshes with their cavities stay."""
    if faces_outward(vertices, triangles):
        return vertices, triangles
    faces = np.where(_turned(triangles, len(vertices))[:, None], triangles[:, ::-1], triangles)
    body = bodies(vertices, faces)
    inward = body_volumes(vertices, faces, body) < 0
    faces = np.where(inward[body][:, None], faces[:, ::-1], faces).astype(np.int32)
    count = int((faces != triangles).any(axis=1).sum())
    if count:
        log.note("orientation", f"{count} triangles turned round", Level.WARN)
    return vertices, faces


def _turned(triangles: Ints, vertices: int) -> NDArray[np.bool_]:
    """(m,) which triangles must be turned so that neighbours agree, the first of each body staying as it is."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    start = triangles.astype(np.int64).ravel()
    end = np.roll(triangles, -1, axis=1).astype(np.int64).ravel()
    key = np.minimum(start, end) * vertices + np.maximum(start, end)
    order = np.argsort(key, kind="stable")
    pairs = np.flatnonzero(key[order][1:] == key[order][:-1])
    one, two = order[pairs], order[pairs + 1]
    against = (start[one] == start[two]).astype(np.int8) + 1  # 2: both run the same way, so one must turn
    count = len(triangles)
    graph = coo_matrix((against, (one // 3, two // 3)), shape=(count, count)).tocsr()
    graph = graph.maximum(graph.T)
    turned = np.zeros(count, dtype=bool)
    parts = connected_components(graph, directed=False)[1]
    for first in np.unique(parts, return_index=True)[1]:
        walk, came_from = breadth_first_order(graph, first, directed=False)
        steps = np.asarray(graph[came_from[walk[1:]], walk[1:]]).ravel() == 2 if len(walk) > 1 else ()
        for here, turn in zip(walk[1:], steps, strict=True):
            turned[here] = turned[came_from[here]] ^ turn
    return turned


def _fixed_bodies(mesh: Mesh, params: RepairParams, log: _Log) -> Mesh:
    """Each faulty body through pymeshfix; sound ones stay as they are."""
    vertices, triangles = mesh
    parts: list[Mesh] = []
    body = bodies(vertices, triangles)
    for number in range(int(body.max()) + 1):
        part = compact(vertices, triangles[body == number])
        if not topology(*part).ok and body_volumes(*part, np.zeros(len(part[1]), np.int32))[0] >= 0:
            part = meshfix(part, params.time_limit_s, log.name)
            log.note("meshfix", f"body {number + 1} repaired, {len(part[1])} triangles", Level.WARN)
        parts.append(part)
    return joined(parts)


def joined(parts: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    shift = np.cumsum([0, *(len(vertices) for vertices, _ in parts[:-1])])
    faces = [triangles + start for (_, triangles), start in zip(parts, shift, strict=True)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(faces).astype(np.int32)


def meshfix(mesh: Mesh, time_limit_s: float, name: str) -> Mesh:
    """One body through pymeshfix in a child process.

    Raises
    ------
    BadInput
        The child ended without a result, or took too long.

    Source: Attene, "A lightweight approach to repairing digitized polygon meshes", The Visual Computer 26, 2010.
    """
    with tempfile.TemporaryDirectory(prefix="surgplan-") as folder:
        source, target = Path(folder, "given.npz"), Path(folder, "fixed.npz")
        np.savez(source, vertices=mesh[0], triangles=mesh[1])
        command = [sys.executable, "-m", "surgplan.surface.meshfix_child", str(source), str(target)]
        try:
            subprocess.run(command, capture_output=True, timeout=time_limit_s, check=True)
            with np.load(target) as fixed:
                return fixed["vertices"].astype(np.float64), fixed["triangles"].astype(np.int32)
        except subprocess.TimeoutExpired:
            found = f"pymeshfix took longer than {time_limit_s:g} s"
        except (subprocess.CalledProcessError, OSError, ValueError, KeyError):
            found = "pymeshfix ended without a result"
    raise BadInput(name, found, advice="Repair it by hand, or segment again")


def _within_budget(before: Surface, after: Surface, params: RepairParams, log: _Log) -> None:
    """Compare with the mesh as given: distance both ways and, when it was closed, volume; refuse beyond the budget."""
    advice = "Raise the limit if that is acceptable, or segment again"
    moved = distance_to(surface_samples(after, 5000), before), distance_to(surface_samples(before, 5000), after)
    for way, distances in zip(("added", "lost"), moved, strict=True):
        most = float(distances.max())
        if most > params.max_distance_mm:
            found = f"repair would have {way} a part {most:.2f} mm away"
            raise BadInput(before.label.name, found, f"at most {params.max_distance_mm:g} mm", advice)
    most = max(float(distances.max()) for distances in moved)
    if log.findings:
        log.note("repair-distance", f"{most:.4f} mm", limit=f"{params.max_distance_mm:g} mm")
    if before.volume_mm3 > 0 and is_closed(before.triangles, len(before.vertices)):
        change = 100 * abs(after.volume_mm3 / before.volume_mm3 - 1)
        if change > params.max_volume_percent:
            limit = f"at most {params.max_volume_percent:g} %"
            raise BadInput(before.label.name, f"repair would change the volume by {change:.1f} %", limit, advice)
