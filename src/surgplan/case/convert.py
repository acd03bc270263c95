"""Meshes from one format to another: nothing is guessed, nothing is lost without being told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written
from surgplan.formats.mesh_parts import BONE
from surgplan.formats.mesh_units import NOBODY, MeshFile, Told
from surgplan.formats.meshes import MAPS, THREEMF, merged, read_meshes, write_map, write_meshes
from surgplan.formats.ply import ply_quality
from surgplan.model.frames import LPS, PRINT, Transform
from surgplan.model.labels import LONGEST_NAME, file_stem
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface


def convert(
    sources: Sequence[Path], target: Path, told: Told = NOBODY, join: bool = False
) -> tuple[Written, tuple[Finding, ...]]:
    """Read all objects of the sources and write them as one file, by its ending.

    `told` is what the user states about unit and frame of all sources; `join` makes one mesh of all objects.

    Raises
    ------
    BadInput
        A file that cannot be read, whose unit is in doubt, or objects of different frames.
    WrongUsage
        An ending that is not written, or several objects for a format that holds one.
    """
    files = [certain(path, told) for path in sources]
    surfaces = named_apart([each for file in files for each in file.surfaces])
    assumed = tuple(sorted({name for file in files for name in file.assumed}))
    findings = [finding for file in files for finding in file.findings]
    if join and len(surfaces) > 1:
        surfaces = [merged(surfaces)]
        note = "all objects are one mesh; where they overlap or touch it crosses itself"
        findings.append(Finding("objects", Level.WARN, note, subject=target.name))
    distances = _distances(sources)
    if target.suffix.lower() == THREEMF:
        written = _as_threemf(target, surfaces, assumed)
    elif len(surfaces) == 1 and target.suffix.lower() in MAPS and distances is not None:
        written, distances = write_map(target, surfaces[0], distances, assumed), None
    else:
        written = write_meshes(target, surfaces, assumed)
    return written, (*findings, *_lost(target, surfaces, distances is not None))


def _distances(sources: Sequence[Path]) -> NDArray[np.float32] | None:
    """(n,) the distance to the scan of each vertex, mm, where the only source is a PLY that holds it."""
    if len(sources) != 1 or sources[0].suffix.lower() != ".ply":
        return None
    return ply_quality(sources[0], sources[0].read_bytes())


def certain(path: Path, told: Told) -> MeshFile:
    """The objects of a file, unless its unit is in doubt: what is made of it would state millimetres for a fact.

    Raises
    ------
    BadInput
        A file that cannot be read, or whose size speaks against its unit.
    """
    found = read_meshes(path, told)
    doubts = [finding for finding in found.findings if finding.level is Level.REFUSE]
    if doubts:
        raise BadInput(path, f"its {doubts[0].check} is in doubt: {doubts[0].measured}", advice=doubts[0].advice)
    return found


def named_apart(surfaces: Sequence[Surface]) -> list[Surface]:
    """The same surfaces with values from 1 and names whose file stems differ."""
    seen: set[str] = set()
    result = []
    for value, surface in enumerate(surfaces, 1):
        name, again = surface.label.name, 1
        while file_stem(name) in seen:
            again += 1
            name = f"{surface.label.name[: LONGEST_NAME - 6]}-{again}"
        seen.add(file_stem(name))
        label = replace(surface.label, name=name, value=value)
        result.append(Surface(label, surface.vertices, surface.triangles, surface.frame))
    return result


def _as_threemf(target: Path, surfaces: Sequence[Surface], assumed: tuple[str, ...]) -> Written:
    """One object of all surfaces, which keep LPS; the build item moves them to where a plate begins."""
    from surgplan.formats.threemf import write_threemf

    low = np.min([each.bounds[0] for each in surfaces], axis=0)
    metadata = {"assumed": ",".join(assumed)} if assumed else {}
    with blaming(target, "Convert the surface in LPS; `surgplan print` places and scales it"):
        place = Transform.translation(PRINT, LPS, np.round(-low, 3))
        plate = Plate.together(target.stem[:LONGEST_NAME], tuple(surfaces), place, metadata=metadata)
    return write_threemf(target, plate, reread=True)


def _lost(target: Path, surfaces: Sequence[Surface], distances: bool) -> tuple[Finding, ...]:
    """What the format has no place for, of what there is."""
    kind = target.suffix.lower()
    labels = [each.label for each in surfaces]
    held = {
        "names": kind == ".stl",
        "colours": kind == ".stl" and any(label.color != BONE for label in labels),
        "sides": kind == ".stl" and any(label.side for label in labels),
        "codes": kind in (".stl", THREEMF) and any(label.code for label in labels),
        "levels": kind in (".stl", THREEMF) and any(label.level is not None for label in labels),
        "the distance of each vertex": distances,
    }
    lost = ", ".join(word for word, is_lost in held.items() if is_lost)
    return (Finding("lost", Level.NOTE, f"{kind} has no place for: {lost}", subject=target.name),) if lost else ()
