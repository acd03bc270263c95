"""3MF models as surfaces: objects placed by their components and build items, in their own unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.limits import MOST_TRIANGLES
from surgplan.formats.mesh_parts import EXPORT_AGAIN, Contents, Part, Stated, ignored, plain_name
from surgplan.formats.mesh_units import UNITS_MM, placed
from surgplan.formats.threemf_model import Model, Object, parsed_model
from surgplan.formats.threemf_package import model_part
from surgplan.model.frames import LPS, PRINT, Array, Transform
from surgplan.model.labels import LONGEST_NAME, Label, Side, file_stem
from surgplan.model.plate import Assembly, Plate
from surgplan.model.surface import Surface

UNITS = {"micron": "um", "millimeter": "mm", "centimeter": "cm", "inch": "in", "foot": "ft", "meter": "m"}
APART_KEY, APART = "surgplan:arranged", "apart"
"""Metadata of a plate on which parts stand apart: each build item then leads from LPS by a transform of its own."""
MOST_PARTS = 10_000
DEEPEST = 16


def read_model(path: Path) -> tuple[Plate, tuple[Finding, ...]]:
    """See `threemf.read_threemf`."""
    model = parsed_model(path, model_part(path))
    contents = _contents(path, model)
    found = placed(path, contents)
    name = (model.metadata.get("Title", "").strip() or path.stem)[:LONGEST_NAME]
    if not contents.welded:
        return Plate.together(name, found.surfaces, Transform.identity(PRINT, LPS)), found.findings
    places = [(number, _place_mm(place, contents.stated.unit)) for number, place in model.items]
    if not _stands_apart(model):
        return Plate.together(
            name, found.surfaces, places[0][1], mirrored=_mirrored(model, found.surfaces)
        ), found.findings
    return Plate(name, tuple(_assemblies(model, places, found.surfaces))), found.findings


def _place_mm(place: Array, unit: str) -> Transform:
    matrix = place.copy()
    matrix[:3, 3] *= UNITS_MM[unit]
    return Transform(PRINT, LPS, matrix)


def _stands_apart(model: Model) -> bool:
    """Whether it is a plate of ours on which each build item has a transform of its own from LPS."""
    return model.metadata.get(APART_KEY) == APART


def _mirrored(model: Model, surfaces: Sequence[Surface]) -> frozenset[str]:
    """Names of the objects that show the other side of the body."""
    names = [(each.label.name, each.label.file_stem) for each in surfaces]
    return frozenset(name for name, stem in names if f"surgplan:mirrored.{stem}" in model.metadata)


def _assemblies(
    model: Model, places: Sequence[tuple[str, Transform]], surfaces: Sequence[Surface]
) -> Iterator[Assembly]:
    """The items of a plate of ours, copies of one object together; the surfaces come in their order."""
    at = 0
    for number in dict.fromkeys(number for number, _ in places):
        count = _meshes(model, number)
        own = tuple(surfaces[at : at + count])
        at += count
        name = model.objects[number].name or own[0].label.name
        yield Assembly(name, own, tuple(place for item, place in places if item == number), _mirrored(model, own))


def _meshes(model: Model, number: str) -> int:
    each = model.objects[number]
    return bool(len(each.corners)) + sum(_meshes(model, inner) for inner, _ in each.components)


def threemf_contents(path: Path) -> Contents:
    """The objects that a 3MF builds. Ours are in LPS; those of others stand as they stand on their build plate.

    Raises
    ------
    BadInput
        Not a 3MF, too large when unpacked, or against the rules of its specification.
    """
    return _contents(path, parsed_model(path, model_part(path)))


def _contents(path: Path, model: Model) -> Contents:
    if model.unit and model.unit not in UNITS:
        raise BadInput(path, f"has the unit {model.unit}", " ".join(UNITS), EXPORT_AGAIN)
    if not model.items:
        raise BadInput(path, "builds nothing", "an item", EXPORT_AGAIN)
    ours = "surgplan:frame" in model.metadata
    if ours and any(np.linalg.det(place[:3, :3]) < 0 for _, place in model.items):
        raise BadInput(path, "has a build transform that mirrors: a left would become a right", "", EXPORT_AGAIN)
    builder = _Builder(path, model)
    builder.check_size()
    # what is ours keeps its coordinates; later items stand where their own transforms put them beside the first
    back = np.linalg.inv(model.items[0][1]) if ours else np.eye(4)
    if ours and _stands_apart(model):  # each object once, where it lies in the body
        for number in dict.fromkeys(number for number, _ in model.items):
            builder.add(model.objects[number], np.eye(4))
    else:
        for number, place in model.items:
            builder.add(model.objects[number], back @ place)
    assumed = tuple(word for word in model.metadata.get("surgplan:assumed", "").split(",") if word)
    stated = Stated(UNITS[model.unit or "millimeter"], "LPS" if ours else "", not model.unit, assumed)
    notes = ignored(path, ["colours of single triangles"] if model.painted else [])
    return Contents(tuple(_unique(builder.parts)), stated, (*builder.findings, *notes), welded=ours)


class _Builder:
    """Follows components down to their meshes."""

    def __init__(self, path: Path, model: Model) -> None:
        self.path, self.model = path, model
        self.parts: list[Part] = []
        self.findings: list[Finding] = []

    def check_size(self) -> None:
        """Refuse components that multiply a mesh beyond all reason, before any copy is made."""
        sizes: dict[str, tuple[int, int, int]] = {}
        for number, each in self.model.objects.items():  # components only name objects before them
            inner = [sizes[component] for component, _ in each.components]
            own = len(each.corners) // 3
            depth = 1 + max((deep for _, _, deep in inner), default=0)
            sizes[number] = own + sum(each[0] for each in inner), bool(own) + sum(each[1] for each in inner), depth
        built = [sizes[number] for number, _ in self.model.items]
        triangles, parts = sum(each[0] for each in built), sum(each[1] for each in built)
        if triangles > MOST_TRIANGLES or parts > MOST_PARTS or max(each[2] for each in built) > DEEPEST:
            found = f"builds {parts} objects of {triangles} triangles, {max(each[2] for each in built)} deep"
            raise BadInput(self.path, found, f"at most {MOST_PARTS}, {MOST_TRIANGLES} and {DEEPEST}", EXPORT_AGAIN)

    def add(self, each: Object, place: Array) -> None:
        """The meshes of one object and of all its components."""
        for number, inner in each.components:
            self.add(self.model.objects[number], place @ inner)
        if not len(each.corners):
            return
        vertices, triangles = each.mesh()
        name = plain_name(each.name, f"object-{each.number}")
        if not np.array_equal(place, np.eye(4)):
            vertices = vertices @ place[:3, :3].T + place[:3, 3]
        size = np.linalg.det(place[:3, :3])
        if size == 0:
            raise BadInput(self.path, f"flattens the object `{name}` by a transform", "", EXPORT_AGAIN)
        if size < 0:
            triangles = np.ascontiguousarray(triangles[:, ::-1])
            measured = f"`{name}` is mirrored by its transform; triangles turned so that outward stays outward"
            advice = "Make sure that left is left: a mirrored structure is one of the other side"
            self.findings.append(Finding("mirrored", Level.WARN, measured, advice=advice, subject=self.path.name))
        if each.kind in ("support", "solidsupport"):
            measured = f"`{name}` is a support, not a part of the model"
            self.findings.append(Finding("support", Level.WARN, measured, subject=self.path.name))
        side = Side(self.model.metadata.get(f"surgplan:side.{file_stem(name)}", ""))
        label = Label(len(self.parts) + 1, name, each.color, side)
        self.parts.append(Part(label, vertices, triangles))


def _unique(parts: list[Part]) -> list[Part]:
    """The same parts with names that differ."""
    seen: set[str] = set()
    result = []
    for part in parts:
        name, again = part.label.name, 1
        while name in seen:
            again += 1
            name = f"{part.label.name[: LONGEST_NAME - 6]}-{again}"
        seen.add(name)
        result.append(replace(part, label=replace(part.label, name=name)))
    return result
