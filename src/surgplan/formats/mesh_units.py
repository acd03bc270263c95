"""Unit and frame of a mesh file: what it states, what the user states, and the evidence when nobody does.

A wrong unit scales a model, a wrong frame turns it by half a turn. Neither is ever taken silently: what had to be
assumed is a finding with the size that speaks for or against it, and it is written into whatever is made of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.mesh_parts import EXPORT_AGAIN, Contents, Part, joined
from surgplan.model.frames import LPS, LPS_FROM_RAS, PRINT, RAS, Array, Frame, Transform
from surgplan.model.surface import Surface

UNITS_MM = {"um": 0.001, "mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4, "ft": 304.8}
"""What a file may be in: the name of a unit → its length in millimetres."""
NAMES = {"um": "µm", "in": "inches", "ft": "feet", "m": "metres"}
"""How people call the units whose short names they would misread."""
SMALLEST_MM = 2.0
"""Largest extent below which nothing is a structure to print: the stapes, the smallest bone, is 3 mm long."""
LARGEST_MM = 2500.0
"""Largest extent above which nothing is a person."""
LARGEST_NUMBER = 1e15
"""Beyond, in whatever unit, areas and volumes would be no numbers any more."""
COARSE_MM = 1e-3
"""Farther from the origin than where float32 numbers are so far apart, a file has lost what it should hold."""
PART_MM = (20.0, 600.0)
"""Largest extent of what labs usually print, from a tooth to a pelvis: used as evidence only."""

GLTF = Frame("GLTF")
LPS_FROM_GLTF = Transform(LPS, GLTF, [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""glTF 2.0, 3.4: y is up and z looks at the viewer, so x is the left of whoever stands there."""
FRAMES = {frame.name: frame for frame in (LPS, RAS, PRINT, GLTF)}


class Told(NamedTuple):
    """What the user states about a file: a name of `UNITS_MM`, a name of a frame; "" where nothing."""

    unit: str = ""
    frame: str = ""


NOBODY = Told()
"""The user states nothing."""


@dataclass(frozen=True)
class MeshFile:
    """The surfaces of a file in millimetres, what the file was taken to be in, and what of that nobody stated."""

    surfaces: tuple[Surface, ...]
    findings: tuple[Finding, ...]
    unit: str
    frame: str
    assumed: tuple[str, ...] = ()


def placed(path: Path, contents: Contents, told: Told = NOBODY) -> MeshFile:
    """The parts of a file as surfaces in millimetres; RAS and glTF axes are carried to LPS, which mirrors nothing.

    Raises
    ------
    BadInput
        A unit or frame that nobody knows, coordinates that are not finite, or no triangles at all.
    """
    parts = [part for part in contents.parts if len(part.triangles)]
    if not parts:
        raise BadInput(path, "has no triangles", "a mesh", EXPORT_AGAIN)
    low, high = _ends(path, parts)
    unit, unit_findings, unit_assumed = _unit(path, contents, told, float((high - low).max()))
    middle = (low + high) / 2 * UNITS_MM[unit]
    frame, frame_findings, frame_assumed = _frame(path, contents, told, middle)
    surfaces = tuple(_surface(part, contents.welded, UNITS_MM[unit], frame) for part in parts)
    assumed = [name for name, is_so in (("unit", unit_assumed), ("frame", frame_assumed)) if is_so]
    coarse = _coarse(path, float(np.abs([low, high]).max()) * UNITS_MM[unit])
    findings = (*contents.findings, *unit_findings, *frame_findings, *coarse)
    return MeshFile(surfaces, findings, unit, frame.name, tuple(assumed))


def _ends(path: Path, parts: list[Part]) -> tuple[Array, Array]:
    """Lowest and highest coordinates, (3,) each, in the file's own unit."""
    low = np.min([part.vertices.min(axis=0) for part in parts], axis=0)
    high = np.max([part.vertices.max(axis=0) for part in parts], axis=0)
    if not np.isfinite([low, high]).all():
        raise BadInput(path, "has a vertex that is not finite", "numbers", EXPORT_AGAIN)
    most = float(np.abs([low, high]).max())
    if most > LARGEST_NUMBER:
        raise BadInput(path, f"has a vertex at {most:.3g}", f"at most {LARGEST_NUMBER:g}", EXPORT_AGAIN)
    return low, high


def _coarse(path: Path, most_mm: float) -> tuple[Finding, ...]:
    """A warning where the mesh lies so far from the origin that its numbers are coarse."""
    step = float(np.spacing(np.float32(most_mm)))
    if step <= COARSE_MM:
        return ()
    measured = f"it lies {most_mm:.3g} mm from the origin, where the numbers of most files are {step:.2g} mm apart"
    advice = "Move it to the origin in the program that made it, and export it again"
    return (Finding("place", Level.WARN, measured, f"{COARSE_MM:g} mm", advice, subject=path.name),)


def _unit(path: Path, contents: Contents, told: Told, extent: float) -> tuple[str, list[Finding], bool]:
    """The unit to take, what to say about it, and whether it had to be assumed."""
    stated = contents.stated
    if stated.unit and stated.unit not in UNITS_MM and not told.unit:
        raise BadInput(path, f"has the unit {stated.unit}", " ".join(UNITS_MM), "State the right one with --unit")
    unit = told.unit or stated.unit or "mm"
    size = extent * UNITS_MM[unit]
    plausible = SMALLEST_MM <= size <= LARGEST_MM
    evidence = _evidence(extent, unit)
    advice = "State the unit with --unit"

    def say(level: Level, measured: str) -> list[Finding]:
        return [Finding("unit", level, measured, advice=advice if level is not Level.NOTE else "", subject=path.name)]

    if told.unit:
        differs = bool(stated.unit) and stated.unit != told.unit
        found = f"the file states {stated.unit}; {unit} taken, as you state" if differs else f"{unit}, as you state"
        return unit, say(Level.WARN if differs or not plausible else Level.NOTE, f"{found}: {evidence}"), False
    if not stated.unit:
        level = Level.WARN if plausible else Level.REFUSE
        return unit, say(level, f"the file states no unit; millimetres taken: {evidence}"), True
    if "unit" in stated.assumed:
        return unit, say(Level.WARN, f"the file says that its unit was assumed: {evidence}"), True
    if not plausible:
        rule = "by the rule of its format it is" if stated.by_format else "the file states that it is"
        return unit, say(Level.REFUSE if stated.by_format else Level.WARN, f"{rule} in {unit}: {evidence}"), False
    return unit, say(Level.NOTE, f"converted from {unit} to mm: {evidence}") if unit != "mm" else [], False


def _evidence(extent: float, unit: str) -> str:
    """The size that the unit gives, and the units that would give the size of what labs usually print."""
    others = {name: extent * length for name, length in UNITS_MM.items() if name != unit}
    usual = [
        f"{size:.3g} mm in {NAMES.get(name, name)}" for name, size in others.items() if PART_MM[0] <= size <= PART_MM[1]
    ]
    told = f"largest extent {extent * UNITS_MM[unit]:.3g} mm"
    return f"{told}; it would be {', '.join(usual)}" if usual else told


def _frame(path: Path, contents: Contents, told: Told, middle: Array) -> tuple[Frame, list[Finding], bool]:
    """The frame to take, what to say about it, and whether it had to be assumed."""
    stated = contents.stated
    if not told.frame and stated.frame and stated.frame not in FRAMES:
        raise BadInput(
            path, f"lies in the frame {stated.frame}", " or ".join(FRAMES), "State the right one with --frame"
        )
    frame = FRAMES[told.frame or stated.frame or LPS.name]
    advice = "State the frame with --frame: a wrong one turns left into right and front into back"

    def say(level: Level, measured: str) -> list[Finding]:
        return [Finding("frame", level, measured, advice=advice if level is not Level.NOTE else "", subject=path.name)]

    if told.frame:
        if stated.frame and stated.frame != told.frame:
            return frame, say(Level.WARN, f"the file states {stated.frame}; {told.frame} taken, as you state"), False
        return frame, say(Level.NOTE, f"{told.frame}, as you state"), False
    if not stated.frame:
        return frame, say(Level.WARN, f"the file states no frame; LPS taken, as 3D Slicer does: {_sides(middle)}"), True
    if frame == GLTF:
        measured = "glTF knows no patient: +y taken for superior, +z for anterior, +x for left"
        return frame, say(Level.WARN, measured), True
    if "frame" in stated.assumed:
        return frame, say(Level.WARN, f"the file says that its frame was assumed: {frame}"), True
    return frame, say(Level.NOTE, "carried from RAS to LPS") if frame == RAS else [], False


def _sides(middle: Array) -> str:
    """On which sides of the origin the middle, (3,) mm, lies in LPS, and in RAS: what a look at the scan decides."""
    x, y, _ = middle.tolist()
    sides, depths = ("left", "right"), ("posterior", "anterior")
    told = f"its middle lies {abs(x):.3g} mm {sides[x < 0]} and {abs(y):.3g} mm {depths[y < 0]} of the origin"
    return f"{told}; in RAS it would be {sides[x >= 0]} and {depths[y >= 0]}"


def _surface(part: Part, welded: bool, scale: float, frame: Frame) -> Surface:
    vertices, triangles = part.vertices, part.triangles
    if not welded:
        vertices, triangles = joined(vertices[triangles].reshape(-1, 3))
    scaled: Array = vertices if scale == 1.0 else vertices * scale
    surface = Surface(part.label, scaled, triangles, frame)
    ways = {RAS: LPS_FROM_RAS, GLTF: LPS_FROM_GLTF}
    return ways[frame] @ surface if frame in ways else surface
