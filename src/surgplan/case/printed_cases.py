"""Cases that are printed together: their surfaces under names that tell the case, each case as one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surgplan.case.manifest import MANIFEST, read_manifest
from surgplan.errors import Missing
from surgplan.formats.meshes import read_mesh
from surgplan.model.labels import LONGEST_NAME
from surgplan.model.surface import Surface


@dataclass(frozen=True, eq=False)
class CaseSurfaces:
    """The surfaces of one case, in LPS mm of its own scan."""

    name: str
    surfaces: tuple[Surface, ...]


def case_surfaces(folder: Path) -> CaseSurfaces:
    """The surfaces of a case folder.

    Raises
    ------
    Missing
        The folder is no case, or its surfaces were not made yet.
    """
    manifest = read_manifest(folder)
    if manifest is None or "surface" not in manifest.stages:
        raise Missing(folder / MANIFEST, "has no surfaces", "a case that was run", "Run it: surgplan run")
    name = manifest.case
    files = [folder / each for each in manifest.stages["surface"].outputs if each.endswith(".ply")]
    found = []
    for surface in (read_mesh(path)[0] for path in files):
        label = replace(surface.label, name=f"{name} {surface.label.name}"[:LONGEST_NAME].strip())
        found.append(Surface(label, surface.vertices, surface.triangles, surface.frame))
    return CaseSurfaces(name, tuple(found))


def groups_of(surfaces: Sequence[Surface], counts: Sequence[int], names: Sequence[str]) -> dict[str, str]:
    """Structure → case, of the last of the surfaces, which belong to cases by `counts`; empty for one case alone."""
    start = len(surfaces) - sum(counts)
    if start == 0 and len(counts) < 2:
        return {}
    groups: dict[str, str] = {}
    for number, (count, name) in enumerate(zip(counts, names, strict=True), 1):
        again = name if list(names).count(name) == 1 else f"{name} {number}"  # two scans of one name are two groups
        groups |= {each.label.name: again for each in surfaces[start : start + count]}
        start += count
    return groups
