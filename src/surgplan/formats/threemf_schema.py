"""What a 3MF model may hold, element by element: the core schema and the rules of the materials extension.

Source: 3MF Core Specification 1.3 with its schema; Materials and Properties Extension 1.2, both 3MF Consortium.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
MATERIALS = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
XML = "http://www.w3.org/XML/1998/namespace"
COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
UNDERSTOOD = {CORE, MATERIALS, PRODUCTION}
"""Extensions that a model may require."""

OBJECT_TYPES = ("model", "support", "solidsupport", "surface", "other")


@dataclass(frozen=True)
class Rule:
    """What one element needs and may have; `others`: attributes of other namespaces, `foreign`: such elements."""

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    others: bool = False
    foreign: bool = False


RULES = {
    "model": Rule(
        (), ("unit", "requiredextensions", "recommendedextensions"), ("metadata", "resources", "build"), True, True
    ),
    "metadata": Rule(("name",), ("preserve", "type")),
    "metadatagroup": Rule(children=("metadata",)),
    "resources": Rule(children=("basematerials", "object"), others=True, foreign=True),
    "basematerials": Rule(("id",), children=("base",)),
    "base": Rule(("name", "displaycolor"), others=True),
    "object": Rule(
        ("id",),
        ("type", "pid", "pindex", "thumbnail", "partnumber", "name"),
        ("metadatagroup", "mesh", "components"),
        True,
    ),
    "mesh": Rule(children=("vertices", "triangles"), foreign=True),
    "vertices": Rule(children=("vertex",)),
    "vertex": Rule(("x", "y", "z"), others=True),
    "triangles": Rule(children=("triangle",)),
    "triangle": Rule(("v1", "v2", "v3"), ("p1", "p2", "p3", "pid"), others=True),
    "components": Rule(children=("component",)),
    "component": Rule(("objectid",), ("transform",), others=True),
    "build": Rule(children=("item",), others=True),
    "item": Rule(("objectid",), ("transform", "partnumber"), ("metadatagroup",), True),
}
"""Elements of the core namespace."""

MATERIAL_NEEDS = {
    "color": ("color",),
    "colorgroup": ("id",),
    "texture2d": ("id", "path", "contenttype"),
    "texture2dgroup": ("id", "texid"),
    "compositematerials": ("id", "matid", "matindices"),
    "multiproperties": ("id", "pids"),
}
TEXTURES = ("image/png", "image/jpeg")


def check_core(name: str, attributes: Mapping[str, str], parent: str, ignorable: set[str]) -> None:
    """Refuse, by `ValueError`, an element of the core namespace in a wrong place or with wrong attributes.

    `attributes` by name, foreign ones as `namespace local`; `parent` is the core element round it, "" for none.
    """
    rule = RULES.get(name)
    if rule is None or (parent and name not in RULES[parent].children) or (not parent and name != "model"):
        raise ValueError(f"has `{name}` in {f'`{parent}`' if parent else 'the place of the model'} (3MF core schema)")
    for needed in rule.needs:
        if needed not in attributes:
            raise ValueError(f"has `{name}` without `{needed}` (3MF core schema)")
    for each in attributes:
        namespace, _, local = each.rpartition(" ")
        if namespace == XML and local == "space":
            raise ValueError("has the attribute xml:space, which 3MF Core 2.3.4 forbids")
        if namespace in (XML, COMPATIBILITY) or namespace in ignorable:
            continue
        if each not in rule.needs + rule.may and not (namespace and rule.others):
            raise ValueError(f"has `{name}` with the attribute `{local}` (3MF core schema)")


@dataclass
class Groups:
    """The property groups of a model: identifier → kind, and their colours where they have any."""

    kinds: dict[str, str] = field(default_factory=dict)
    colors: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)

    def check_material(self, name: str, told: Mapping[str, str]) -> None:
        """Refuse, by `ValueError`, an element of the materials extension that breaks its rules."""
        for needed in MATERIAL_NEEDS.get(name, ()):
            if not told.get(needed):
                raise ValueError(f"has `{name}` without `{needed}` (3MF materials extension)")
        if name == "texture2d" and told["contenttype"] not in TEXTURES:
            raise ValueError(f"has a texture of the type {told['contenttype'][:40]} (3MF materials extension 5)")
        if name == "texture2dgroup" and self.kinds.get(told["texid"]) != "texture2d":
            raise ValueError("has a group of texture coordinates without its texture (3MF materials extension 4)")
        if name == "compositematerials" and self.kinds.get(told["matid"]) != "basematerials":
            raise ValueError("has composite materials of what are no base materials (3MF materials extension 3)")
        if name == "multiproperties":
            kinds = [self.kinds.get(group, "") for group in told["pids"].split()]
            materials = sum(kind in ("basematerials", "compositematerials") for kind in kinds)
            wrong = materials > 1 or kinds.count("colorgroup") > 1 or {"", "multiproperties"} & set(kinds)
            if wrong:
                raise ValueError("mixes properties that cannot be mixed (3MF materials extension 5)")

    def add(self, number: str, kind: str) -> None:
        """A resource; its identifier must be new."""
        if not number.isascii() or not number.isdigit() or int(number) < 1:
            raise ValueError(f"has a resource of the id {number[:20]!r}")
        if number in self.kinds:
            raise ValueError(f"has two resources of the id {number} (3MF Core 3.4.2)")
        self.kinds[number] = kind

    def color(self, group: str, index: int) -> tuple[int, int, int] | None:
        """The colour of a property; None where it has none."""
        colors = self.colors.get(group, [])
        return colors[index] if index < len(colors) else None
