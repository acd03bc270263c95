"""The model part of a 3MF, read in one pass into flat arrays."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from surgplan.errors import BadInput
from surgplan.formats.mesh_parts import BONE, EXPORT_AGAIN, Color, Ints, check_indices
from surgplan.formats.threemf_package import parse
from surgplan.formats.threemf_schema import (
    COMPATIBILITY,
    CORE,
    MATERIALS,
    OBJECT_TYPES,
    PRODUCTION,
    RULES,
    UNDERSTOOD,
    Groups,
    check_core,
)
from surgplan.model.frames import Array

VERTEX, TRIANGLE = f"{CORE} vertex", f"{CORE} triangle"
NAMELESS = ("", "undefined")
"""Names of metadata that name nothing. The consortium's files refuse `Undefined` and take any other unknown name."""


@dataclass
class Object:
    """One object: a mesh, or placed copies of others (identifier and (4, 4) matrix)."""

    number: str
    name: str
    kind: str
    color: Color
    vertices: array[float] = field(default_factory=lambda: array("d"))
    corners: array[int] = field(default_factory=lambda: array("i"))
    components: list[tuple[str, Array]] = field(default_factory=list)

    def mesh(self) -> tuple[Array, Ints]:
        """(n, 3) vertices and (m, 3) triangles."""
        vertices = np.frombuffer(self.vertices, np.float64).reshape(-1, 3) if self.vertices else np.zeros((0, 3))
        corners = np.frombuffer(self.corners, np.int32) if self.corners else np.zeros(0, np.int32)
        return vertices, corners.reshape(-1, 3)


@dataclass
class Model:
    """Everything of a model part that is read. `items` are identifiers with (4, 4) matrices."""

    unit: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Object] = field(default_factory=dict)
    items: list[tuple[str, Array]] = field(default_factory=list)
    painted: bool = False


def parsed_model(path: Path, data: bytes) -> Model:
    """The model.

    Raises
    ------
    BadInput
        It breaks the core schema, or a rule of the materials extension.
    """
    read = _Reader(path)
    try:
        parse(path, data, read.start, read.end, read.text, read.prefix)
    except OverflowError:
        raise BadInput(path, "has a number that is far too large", advice=EXPORT_AGAIN) from None
    if read.seen != {"resources", "build"}:
        raise BadInput(path, "has no resources or builds nothing", "both, once (3MF Core 3.4)", EXPORT_AGAIN)
    for each in read.model.objects.values():
        vertices, corners = each.mesh()
        check_indices(path, corners.ravel().astype(np.int64), len(vertices))
    return read.model


def place_of(text: str | None) -> Array:
    """(4, 4) matrix of a 3MF transform, which acts on row vectors; identity for None."""
    matrix = np.eye(4)
    if text is not None:
        values = [float(word) for word in text.split()]
        if len(values) != 12:
            raise ValueError(f"a transform has {len(values)} numbers, not 12")
        matrix[:3] = np.array(values).reshape(4, 3).T
        if not np.isfinite(matrix).all():
            raise ValueError("a transform holds a value that is not finite")
    return matrix


class _Reader:
    """Handlers of one pass. `depth` counts the elements of other namespaces that are being skipped."""

    def __init__(self, path: Path) -> None:
        self.path, self.model, self.groups = path, Model(), Groups()
        self.stack: list[str] = []
        self.skipping = 0
        self.seen: set[str] = set()
        self.inside: set[str] = set()
        self.prefixes: dict[str, str] = {}
        self.ignorable: set[str] = set()
        self.object: Object | None = None
        self.group = ""
        self.metadata: str | None = None

    def prefix(self, prefix: str | None, uri: str | None) -> None:
        """A namespace that is declared."""
        self.prefixes[prefix or ""] = uri or ""

    def start(self, tag: str, attributes: list[str]) -> None:
        """An element opens."""
        namespace, _, name = tag.rpartition(" ")
        if tag == VERTEX and attributes[::2] == ["x", "y", "z"] and self._in("vertices"):
            self._vertex(*attributes[1::2])
            self.stack.append(name)
            return
        if tag == TRIANGLE and attributes[::2] == ["v1", "v2", "v3"] and self._in("triangles"):
            self._corners(*attributes[1::2])
            self.stack.append(name)
            return
        told = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if namespace == MATERIALS and self._in("resources"):
            self._material(name, told)
        elif namespace == MATERIALS and self.skipping:
            self._color(name, told)
            self.groups.check_material(name, told)
        if namespace != CORE or self.skipping:
            self._skip(namespace, name)
            return
        self._core(name, told)

    def _in(self, name: str) -> bool:
        return bool(self.stack) and self.stack[-1] == name and not self.skipping

    def _skip(self, namespace: str, name: str) -> None:
        if not self.stack:
            raise BadInput(self.path, f"has the root element {name}", "a 3MF core model", EXPORT_AGAIN)
        allowed = RULES[self.stack[-1]].foreign or namespace in self.ignorable
        if not self.skipping and not allowed:
            raise ValueError(f"has `{name}` of another namespace in `{self.stack[-1]}` (3MF core schema)")
        self.skipping += 1

    def end(self, tag: str) -> None:
        """An element closes."""
        if self.skipping:
            self.skipping -= 1
            return
        name = self.stack.pop()
        if name == "object":
            assert self.object is not None
            self.model.objects[self.object.number] = self.object
            self.object = None
        elif name == "metadata":
            self.metadata = None

    def text(self, text: str) -> None:
        """Text; only metadata has any."""
        if self.metadata is not None and not self.skipping:
            self.model.metadata[self.metadata] += text

    def _core(self, name: str, told: dict[str, str]) -> None:
        parent = self.stack[-1] if self.stack else ""
        if name == "model" and not parent:
            self._model(told)
        check_core(name, told, parent, self.ignorable)
        self.stack.append(name)
        if name == "object":
            self.inside.clear()
        once = self.seen if parent == "model" else self.inside
        if name in ("resources", "build", "mesh", "components", "vertices", "triangles"):
            if name in once or {"mesh", "components"} <= {name, *once}:
                raise ValueError(f"has a second `{name}` where one may be (3MF core schema)")
            once.add(name)
        handlers = {
            "vertex": lambda: self._vertex(told["x"], told["y"], told["z"]),
            "triangle": lambda: self._triangle(told),
            "object": lambda: self._object(told),
            "component": lambda: self._component(told),
            "item": lambda: self._item(told),
            "metadata": lambda: self._metadata(told, parent),
            "basematerials": lambda: self._group(told["id"], "basematerials"),
            "base": lambda: self.groups.colors[self.group].append(color_of(told["displaycolor"])),
        }
        if name in handlers:
            handlers[name]()

    def _model(self, told: dict[str, str]) -> None:
        self.model.unit = told.get("unit", "")
        prefixes = told.get(f"{COMPATIBILITY} Ignorable", "").split()
        self.ignorable = {self.prefixes.get(prefix, "") for prefix in prefixes}
        for prefix in told.get("requiredextensions", "").split():
            extension = self.prefixes.get(prefix, prefix)
            if extension not in UNDERSTOOD:
                raise BadInput(
                    self.path, f"requires the extension {extension[:80]}", "core and materials", EXPORT_AGAIN
                )

    def _vertex(self, x: str, y: str, z: str) -> None:
        assert self.object is not None
        self.object.vertices.extend((float(x), float(y), float(z)))

    def _corners(self, first: str, second: str, third: str) -> None:
        assert self.object is not None
        self.object.corners.extend((int(first), int(second), int(third)))

    def _triangle(self, told: Mapping[str, str]) -> None:
        self._corners(told["v1"], told["v2"], told["v3"])
        self.model.painted |= "pid" in told or "p1" in told

    def _object(self, told: Mapping[str, str]) -> None:
        self.groups.add(told["id"], "object")
        kind = told.get("type", "model")
        if kind not in OBJECT_TYPES:
            raise ValueError(f"has an object of the type {kind[:40]} (3MF Core 4.1)")
        if "pindex" in told and "pid" not in told:
            raise ValueError("has an object with a property and no group of it (3MF Core 4.1)")
        group = told.get("pid", "")
        if group and self.groups.kinds.get(group, "object") == "object":
            raise ValueError(f"has an object whose property group {group} is missing (3MF Core 4.1)")
        color = self.groups.color(group, int(told.get("pindex", "0")))
        self.object = Object(told["id"], told.get("name", ""), kind, color or BONE)

    def _component(self, told: Mapping[str, str]) -> None:
        assert self.object is not None
        self._here(told)
        number = told["objectid"]
        if number not in self.model.objects:
            raise BadInput(self.path, f"object {number} is missing or contains itself", advice=EXPORT_AGAIN)
        self.object.components.append((number, place_of(told.get("transform"))))

    def _item(self, told: Mapping[str, str]) -> None:
        self._here(told)
        number = told["objectid"]
        if number not in self.model.objects:
            raise BadInput(self.path, f"object {number} is missing or contains itself", advice=EXPORT_AGAIN)
        if self.model.objects[number].kind == "other":
            raise ValueError(f"builds the object {number}, which is of the type `other` (3MF Core 3.4.3.1)")
        self.model.items.append((number, place_of(told.get("transform"))))

    def _here(self, told: Mapping[str, str]) -> None:
        if f"{PRODUCTION} path" in told:
            advice = "Export it as one model part"
            raise BadInput(self.path, "keeps objects in other parts (3MF production extension)", "one part", advice)

    def _metadata(self, told: Mapping[str, str], parent: str) -> None:
        name = told["name"]
        if parent != "model":
            return
        if name.lower() in NAMELESS:
            raise ValueError("has metadata without a name (3MF Core 3.4.1)")
        if name in self.model.metadata:
            raise ValueError(f"has two metadata of the name {name[:40]} (3MF Core 3.4.1)")
        self.model.metadata[name] = ""
        self.metadata = name

    def _group(self, number: str, kind: str) -> None:
        self.groups.add(number, kind)
        self.groups.colors[number] = []
        self.group = number

    def _material(self, name: str, told: Mapping[str, str]) -> None:
        self.groups.check_material(name, told)
        self._group(told.get("id", ""), name)
        if name == "multiproperties":
            # the first group that has colours gives them; which of its values is looked up by position
            first = [group for group in told["pids"].split() if self.groups.colors.get(group)]
            self.source = first[0] if first else ""
            self.column = told["pids"].split().index(first[0]) if first else 0

    def _color(self, name: str, told: Mapping[str, str]) -> None:
        if name == "color":
            self.groups.colors[self.group].append(color_of(told.get("color", "")))
        elif name == "multi" and self.groups.kinds[self.group] == "multiproperties" and self.source:
            words = told.get("pindices", "").split()
            index = int(words[self.column]) if self.column < len(words) else 0
            self.groups.colors[self.group].append(self.groups.color(self.source, index) or BONE)


def color_of(text: str) -> Color:
    """`#RRGGBB` or `#RRGGBBAA` (3MF Core, ST_ColorValue)."""
    if len(text) not in (7, 9) or text[0] != "#":
        raise ValueError(f"has the colour {text[:20]!r}, which is none")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
