"""Checks of finished files, whoever made them: meshes and whole cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from surgplan.case.manifest import MANIFEST, read_manifest
from surgplan.case.verify import verify_case
from surgplan.errors import Missing
from surgplan.findings import Finding, Level
from surgplan.formats.mesh_units import NOBODY, Told
from surgplan.model.surface import Surface
from surgplan.surface.topology import Topology, topology


@dataclass(frozen=True)
class Checked:
    """One surface that was checked."""

    name: str
    surface: Surface
    topology: Topology
    findings: tuple[Finding, ...]
    unit: str
    frame: str

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        size = " × ".join(f"{length:.1f}" if length >= 10 else f"{length:.3g}" for length in _size(self.surface))
        told = self.topology
        return (
            self.name,
            f"{told.triangles:,}",
            str(told.bodies),
            size,
            f"{self.surface.volume_mm3 / 1000:.3f}",
            "yes" if told.watertight else "NO",
            "yes" if told.edge_manifold and told.vertex_manifold else "NO",
            str(told.self_intersections),
            self.unit,
            self.frame,
        )

    def as_dict(self) -> dict[str, Any]:
        """The same for `--json`."""
        return {
            "name": self.name,
            "size_mm": _size(self.surface),
            "volume_mm3": self.surface.volume_mm3,
            "area_mm2": self.surface.area_mm2,
            "unit": self.unit,
            "frame": self.frame,
            "topology": asdict(self.topology),
        }


def _size(surface: Surface) -> list[float]:
    lengths: list[float] = (surface.bounds[1] - surface.bounds[0]).tolist()
    return lengths


def check_target(path: Path, told: Told = NOBODY) -> list[Checked]:
    """Check every object of a mesh file, or every model of a case folder with its hashes and its own findings.

    `told` is what the user states about unit and frame of a mesh file.

    Raises
    ------
    Missing
        A folder that is no case.
    BadInput
        A file that cannot be read.
    """
    if path.is_dir():
        return _check_case(path)
    return _check_mesh(path, path.name, told)


def _check_mesh(path: Path, name: str, told: Told = NOBODY) -> list[Checked]:
    """One row for each object; what concerns the whole file stands with the first."""
    from surgplan.formats.meshes import read_meshes

    found = read_meshes(path, told)
    marks = [
        f"{word} ?" if kind in found.assumed else word for kind, word in (("unit", found.unit), ("frame", found.frame))
    ]
    rows: list[Checked] = []
    for each in found.surfaces:
        own = f"{name}:{each.label.name}" if len(found.surfaces) > 1 or path.suffix.lower() == ".3mf" else name
        rows.append(_judge(own, each, () if rows else found.findings, marks))
    return rows


def _judge(name: str, surface: Surface, found: tuple[Finding, ...], marks: Sequence[str]) -> Checked:
    told = topology(surface.vertices, surface.triangles)
    findings = list(found)
    for check, wrong, measured in (
        ("watertight", not told.watertight, "the surface is open"),
        ("edge-manifold", not told.edge_manifold, "an edge has more than two triangles"),
        ("vertex-manifold", not told.vertex_manifold, "parts touch in a single vertex"),
        ("outward", told.watertight and not told.outward, "triangles face inward"),
        ("degenerate", told.degenerate > 0, f"{told.degenerate} triangles without area"),
        ("self-intersections", told.self_intersections > 0, f"{told.self_intersections} crossing triangle pairs"),
    ):
        if wrong:
            advice = "Repair it: surgplan repair"
            findings.append(Finding(check, Level.REFUSE, measured, "none", advice, "3MF core 1.3, 4.1", name))
    return Checked(name, surface, told, tuple(findings), *marks)


def _check_case(folder: Path) -> list[Checked]:
    manifest = read_manifest(folder)
    if manifest is None:
        raise Missing(folder / MANIFEST, "there is no manifest", advice="Name a mesh file or the folder of a case")
    _, changed = verify_case(folder)
    gone = {finding.subject for finding in changed}
    models = [name for name in manifest.outputs if Path(name).suffix in (".ply", ".stl", ".3mf") and name not in gone]
    checked = [row for name in models for row in _check_mesh(folder / name, name)]
    if checked:
        own = tuple(finding for _, finding in manifest.findings)
        first = checked[0]
        checked[0] = replace(first, findings=(*changed, *own, *first.findings))
    return checked
