"""Checks of finished files, whoever made them: meshes and whole cases."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.case.manifest import MANIFEST, read_manifest
from surgplan.case.verify import verify_case
from surgplan.errors import Missing
from surgplan.findings import Finding, Level
from surgplan.formats.mesh_parts import joined
from surgplan.formats.mesh_units import NOBODY, Told
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.printers import Printer
from surgplan.printing.thickness import Walls, walls
from surgplan.printing.wall_check import thin_walls
from surgplan.surface.holes import border_loops
from surgplan.surface.topology import Topology, is_closed, nested_bodies, topology

SEAM = 1e-6
"""Points that are nearer than this part of a mesh's extent differ by the rounding of whoever wrote them."""


@dataclass(frozen=True)
class Checked:
    """One surface that was checked."""

    name: str
    surface: Surface
    topology: Topology
    findings: tuple[Finding, ...]
    unit: str = "mm"
    frame: str = "LPS"
    assumed: tuple[str, ...] = ()
    """What of unit and frame nobody stated."""
    walls: Walls | None = None
    """None for what is no solid."""

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        size = " × ".join(f"{length:.1f}" if length >= 10 else f"{length:.3g}" for length in _size(self.surface))
        told = self.topology
        return (
            self.name,
            f"{told.triangles:,}",
            str(told.bodies),
            size,
            "—" if self.walls is None or self.walls.thin_mm is None else f"{self.walls.thin_mm:.2f}",
            f"{self.surface.volume_mm3 / 1000:.3f}",
            "yes" if told.watertight else "NO",
            "yes" if told.edge_manifold and told.vertex_manifold else "NO",
            str(told.self_intersections),
            *(f"{word} ?" if name in self.assumed else word for name, word in self._stated()),
        )

    def _stated(self) -> tuple[tuple[str, str], ...]:
        return ("unit", self.unit), ("frame", self.frame)

    def as_dict(self) -> dict[str, Any]:
        """The same for `--json`."""
        return {
            "name": self.name,
            "size_mm": _size(self.surface),
            "volume_mm3": self.surface.volume_mm3,
            "area_mm2": self.surface.area_mm2,
            "unit": self.unit,
            "frame": self.frame,
            "assumed": list(self.assumed),
            "topology": asdict(self.topology),
            "wall": _told_walls(self.walls),
        }


def _told_walls(walls: Walls | None) -> dict[str, Any] | None:
    """Thickness for `--json`: what a hundredth of the walls stays below, half of them, and the thinnest place."""
    if walls is None or walls.thin_mm is None:
        return None
    _, place = walls.below(math.inf)
    thinnest = {"mm": float(walls.measured.min()), "place": [] if place is None else place.tolist()}
    return {"thin_mm": walls.thin_mm, "median_mm": walls.median_mm, "thinnest": thinnest, "samples": len(walls.points)}


def _size(surface: Surface) -> list[float]:
    lengths: list[float] = (surface.bounds[1] - surface.bounds[0]).tolist()
    return lengths


def check_target(path: Path, told: Told = NOBODY, printer: Printer | None = None) -> list[Checked]:
    """Check every object of a mesh file, or every model of a case folder with its hashes and its own findings.

    `told` is what the user states about unit and frame of a mesh file; walls are compared with the printer's smallest.

    Raises
    ------
    Missing
        A folder that is no case.
    BadInput
        A file that cannot be read.
    """
    if path.is_dir():
        return _check_case(path, printer)
    return _check_mesh(path, path.name, told, printer)


def _check_mesh(path: Path, name: str, told: Told = NOBODY, printer: Printer | None = None) -> list[Checked]:
    """One row for each object; what concerns the whole file stands with the first."""
    from surgplan.formats.meshes import read_meshes

    found = read_meshes(path, told)
    rows: list[Checked] = []
    for each in found.surfaces:
        own = f"{name}:{each.label.name}" if len(found.surfaces) > 1 or path.suffix.lower() == ".3mf" else name
        judged = _judge(own, each, printer)
        findings = judged.findings if rows else (*found.findings, *judged.findings)
        rows.append(replace(judged, findings=findings, unit=found.unit, frame=found.frame, assumed=found.assumed))
    return rows


def _judge(name: str, surface: Surface, printer: Printer | None) -> Checked:
    told = topology(surface.vertices, surface.triangles)
    findings = []
    first = "".join(f", the first at ({x:.4g}, {y:.4g}, {z:.4g})" for x, y, z in told.places[:1])
    for check, wrong, measured in (
        ("watertight", not told.watertight, "the surface is open" + _seam(surface, told)),
        ("edge-manifold", not told.edge_manifold, "an edge has more than two triangles"),
        ("vertex-manifold", not told.vertex_manifold, "parts touch in a single vertex"),
        ("outward", told.watertight and not told.outward, "triangles face inward"),
        ("degenerate", told.degenerate > 0, f"{told.degenerate} triangles without area"),
        (
            "self-intersections",
            told.self_intersections > 0,
            f"{told.self_intersections} crossing triangle pairs{first}",
        ),
    ):
        if wrong:
            advice = "Repair it: surgplan repair"
            findings.append(Finding(check, Level.REFUSE, measured, "none", advice, "3MF core 1.3, 4.1", name))
    findings += _nested(name, surface, told)
    solid = walls(surface) if told.watertight and told.outward else None
    if solid is not None and printer is not None:
        findings += thin_walls(name, solid, printer)
    return Checked(name, surface, told, tuple(findings), walls=solid)


def _nested(name: str, surface: Surface, told: Topology) -> tuple[Finding, ...]:
    """Whether a shell lies in the solid of another and faces outward: nobody can tell a cavity from a solid then."""
    if not (told.watertight and told.outward) or told.self_intersections:
        return ()
    places = nested_bodies(surface.vertices, surface.triangles)
    if not places:
        return ()
    where = ", ".join(f"{value:.4g}" for value in places[0])
    measured = f"{len(places)} shells face outward within the solid of another, the first at ({where})"
    advice = "A cavity must face inward; of solids in each other the volume counts twice: keep them as objects apart"
    return (Finding("nested", Level.WARN, measured, "none", advice, "3MF core 1.3, 4.1", name),)


def _seam(surface: Surface, told: Topology) -> str:
    """Whether an open surface only has a seam of points that differ by rounding."""
    if told.watertight:
        return ""
    step = SEAM * float((surface.bounds[1] - surface.bounds[0]).max())
    if not step:
        return ""
    vertices, triangles = joined(np.round(surface.corners.reshape(-1, 3) / step))
    if not is_closed(triangles, len(vertices)):
        return _holes(vertices * step, triangles)
    return f"; it closes when points nearer than {step:.2g} mm are joined"


def _holes(vertices: Array, triangles: NDArray[np.int32]) -> str:
    """How many holes there are, and the width and place of the widest; nothing for a soup of single triangles."""
    loops = border_loops(triangles)
    if not loops or len(loops) > len(triangles) / 2:
        return ""
    lines = [vertices[loop] for loop in loops]
    wide = [float(np.linalg.norm(np.ptp(line, axis=0))) for line in lines]
    x, y, z = np.round(lines[int(np.argmax(wide))].mean(axis=0), 6) + 0.0
    count = f"{len(loops)} holes, the widest" if len(loops) > 1 else "one hole,"
    return f": {count} {max(wide):.3g} mm wide at ({x:.4g}, {y:.4g}, {z:.4g})"


def _check_case(folder: Path, printer: Printer | None) -> list[Checked]:
    manifest = read_manifest(folder)
    if manifest is None:
        raise Missing(folder / MANIFEST, "there is no manifest", advice="Name a mesh file or the folder of a case")
    _, changed = verify_case(folder)
    gone = {finding.subject for finding in changed}
    models = [name for name in manifest.outputs if Path(name).suffix in (".ply", ".stl", ".3mf") and name not in gone]
    checked = [row for name in models for row in _check_mesh(folder / name, name, printer=printer)]
    if checked:
        own = tuple(finding for _, finding in manifest.findings)
        first = checked[0]
        checked[0] = replace(first, findings=(*changed, *own, *first.findings))
    return checked
