"""Reading 3MF with caps on what an archive may unpack to, and no entities."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.threemf import (
    CORE,
    EXPORT_AGAIN,
    LARGEST_PART,
    LARGEST_RATIO,
    RELATIONSHIP,
    Part,
    place_of,
    plate_of,
)
from surgplan.model.frames import Array
from surgplan.model.labels import Side
from surgplan.model.plate import Plate

Mesh = tuple[Array, NDArray[np.int32]]
MOST_MEMBERS = 1000
DEEPEST = 16
UNITS_MM = {"micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0}


def read_model(path: Path) -> tuple[Plate, tuple[Finding, ...]]:
    """See `threemf.read_threemf`."""
    try:
        with zipfile.ZipFile(path) as archive:
            root = _parsed(path, _part(path, archive, _model_name(path, archive)))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError, RuntimeError) as error:
        raise BadInput(path, f"is no 3MF archive: {error}", advice=EXPORT_AGAIN) from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}", advice="Check the file") from None
    except (ElementTree.ParseError, expat.ExpatError) as error:
        raise BadInput(path, f"is not well-formed XML: {error}", advice=EXPORT_AGAIN) from None
    return _Model(path, root).plate()


def _model_name(path: Path, archive: zipfile.ZipFile) -> str:
    """The model part, by the relationship of the package (Core 2.1)."""
    if len(archive.infolist()) > MOST_MEMBERS:
        raise BadInput(path, f"has {len(archive.infolist())} parts", f"at most {MOST_MEMBERS}", EXPORT_AGAIN)
    root = _parsed(path, _part(path, archive, "_rels/.rels"))
    for relation in root:
        if relation.get("Type") == RELATIONSHIP:
            return str(relation.get("Target", "")).lstrip("/")
    raise BadInput(path, "names no model part", "one", EXPORT_AGAIN)


def _part(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > min(LARGEST_PART, LARGEST_RATIO * max(info.compress_size, 1) + 4096):
        found = f"part {name} unpacks from {info.compress_size} to {info.file_size} bytes"
        raise BadInput(path, found, f"at most {LARGEST_RATIO} times as many", EXPORT_AGAIN)
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise BadInput(path, f"part {name} holds {len(data)} bytes", f"{info.file_size}", EXPORT_AGAIN)
    return data


def _parsed(path: Path, data: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise BadInput(path, "declares a document type", "none (3MF Core 2.3.3)", EXPORT_AGAIN)
    return ElementTree.fromstring(data)


def _tag(name: str) -> str:
    return f"{{{CORE}}}{name}"


class _Model:
    """The tree of one model part."""

    def __init__(self, path: Path, root: ElementTree.Element) -> None:
        self.path, self.root = path, root
        if root.tag != _tag("model"):
            raise BadInput(path, f"has the root element {root.tag}", "a 3MF core model", EXPORT_AGAIN)
        resources = root.find(_tag("resources"))
        self.objects = {
            each.get("id"): each for each in (resources if resources is not None else []) if each.tag == _tag("object")
        }
        self.colors = self._colors(resources)
        self.told = {str(each.get("name")): each.text or "" for each in root.iter(_tag("metadata"))}

    def plate(self) -> tuple[Plate, tuple[Finding, ...]]:
        """Objects of the first build item; one that is no assembly is its own only part."""
        unit = self.root.get("unit", "millimeter")
        if unit != "millimeter":
            known = f" ({UNITS_MM[unit]:g} mm)" if unit in UNITS_MM else ""
            raise BadInput(self.path, f"has the unit {unit}{known}", "millimeter", "Export it in millimetres")
        build = self.root.find(_tag("build"))
        items = [] if build is None else build.findall(_tag("item"))
        if not items:
            raise BadInput(self.path, "builds nothing", "an item", EXPORT_AGAIN)
        parts: list[Part] = []
        for item in items:
            # later items stand where their own transforms put them, told in the first one's frame
            place = np.linalg.inv(place_of(items[0].get("transform"))) @ place_of(item.get("transform"))
            parts += self._parts(str(item.get("objectid")), place, 0)
        findings: tuple[Finding, ...] = ()
        if "surgplan:frame" not in self.told:
            measured = "the file states no frame; its own coordinates are taken for LPS"
            findings = (
                Finding("frame", Level.WARN, measured, advice="Make sure that it is so", subject=self.path.name),
            )
        name = self.told.get("Title") or self.path.stem
        return plate_of(name[:64], _unique(parts), place_of(items[0].get("transform"))), findings

    def _parts(self, number: str, place: Array, depth: int) -> list[Part]:
        each = self.objects.get(number)
        if each is None or depth > DEEPEST:
            raise BadInput(self.path, f"object {number} is missing or contains itself", advice=EXPORT_AGAIN)
        mesh, components = each.find(_tag("mesh")), each.find(_tag("components"))
        if mesh is not None:
            vertices, triangles = self._mesh(mesh)
            name = (each.get("name") or f"object-{number}")[:64]
            side = Side(self.told.get(f"surgplan:side.{name.lower()}", ""))
            moved = vertices @ place[:3, :3].T + place[:3, 3]
            return [Part(name, self._color(each), side, moved, triangles)]
        found = []
        for part in components if components is not None else ():
            inner = place @ place_of(part.get("transform"))
            found += self._parts(str(part.get("objectid")), inner, depth + 1)
        return found

    def _mesh(self, mesh: ElementTree.Element) -> Mesh:
        points, faces = mesh.find(_tag("vertices")), mesh.find(_tag("triangles"))
        if points is None or faces is None:
            raise BadInput(self.path, "has a mesh without vertices or triangles", advice=EXPORT_AGAIN)
        try:
            vertices = np.array([[each.attrib["x"], each.attrib["y"], each.attrib["z"]] for each in points], np.float64)
            triangles = np.array(
                [[each.attrib["v1"], each.attrib["v2"], each.attrib["v3"]] for each in faces], np.int64
            )
        except (KeyError, ValueError) as error:
            raise BadInput(self.path, f"has a vertex or triangle without {error}", advice=EXPORT_AGAIN) from None
        if triangles.size and (triangles.min() < 0 or triangles.max() >= len(vertices)):
            raise BadInput(self.path, "has a triangle that names no vertex", advice=EXPORT_AGAIN)
        return vertices.reshape(-1, 3), triangles.reshape(-1, 3).astype(np.int32)

    def _colors(self, resources: ElementTree.Element | None) -> dict[str, list[tuple[int, int, int]]]:
        found = {}
        for group in resources.findall(_tag("basematerials")) if resources is not None else ():
            colors = [str(base.get("displaycolor", "#E8DCC0"))[1:7] for base in group]
            found[str(group.get("id"))] = [(int(c[:2], 16), int(c[2:4], 16), int(c[4:6], 16)) for c in colors]
        return found

    def _color(self, each: ElementTree.Element) -> tuple[int, int, int]:
        group = self.colors.get(str(each.get("pid")), [])
        index = int(each.get("pindex", "0"))
        return group[index] if index < len(group) else (232, 220, 192)


def _unique(parts: list[Part]) -> list[Part]:
    """The same parts with names that differ."""
    seen: dict[str, int] = {}
    result = []
    for part in parts:
        seen[part.name] = seen.get(part.name, 0) + 1
        again = seen[part.name]
        result.append(part if again == 1 else replace(part, name=f"{part.name[:58]}-{again}"))
    return result
