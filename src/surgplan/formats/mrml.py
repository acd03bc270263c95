"""A scene of 3D Slicer (`.mrml`): an index in XML that opens the files of a case together, each where it lies.

Each node names its storage node, and that the file, relative to the scene's folder and percent-encoded. Nothing is put
under a transform: the files all lie in LPS mm already. Two facts decide what the scene may name:

- Of a markups file, Slicer's scene reader takes the first list only: a line needs a file of its own.
- Without a display node, nothing is shown.

Source: 3D Slicer, the `GetNodeTagName` of its node classes, vtkMRMLStorageNode (paths), vtkMRMLMarkupsJsonStorageNode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.limits import read_whole
from surgplan.formats.xml_prolog import refuse_document_type

VERSION = "Slicer5.0.0"
"""Of the scene's description; later versions read it."""

LARGEST_FILE = 16 << 20
AGAIN = "Run the navigation step again"


class _Tags(NamedTuple):
    """Class and XML tag of a node, of its storage node, and of its display node (empty: it has none)."""

    node: tuple[str, str]
    storage: tuple[str, str]
    display: tuple[str, str] | None


KINDS = {
    "volume": _Tags(
        ("ScalarVolume", "Volume"),
        ("VolumeArchetypeStorage", "VolumeArchetypeStorage"),
        ("ScalarVolumeDisplay", "VolumeDisplay"),
    ),
    "segmentation": _Tags(
        ("Segmentation", "Segmentation"),
        ("SegmentationStorage", "SegmentationStorage"),
        ("SegmentationDisplay", "SegmentationDisplay"),
    ),
    "model": _Tags(("Model", "Model"), ("ModelStorage", "ModelStorage"), ("ModelDisplay", "ModelDisplay")),
    "points": _Tags(
        ("MarkupsFiducial", "MarkupsFiducial"),
        ("MarkupsJsonStorage", "MarkupsJsonStorage"),
        ("MarkupsFiducialDisplay", "MarkupsFiducialDisplay"),
    ),
    "line": _Tags(
        ("MarkupsLine", "MarkupsLine"),
        ("MarkupsJsonStorage", "MarkupsJsonStorage"),
        ("MarkupsDisplay", "MarkupsDisplay"),
    ),
    "transform": _Tags(("LinearTransform", "LinearTransform"), ("TransformStorage", "TransformStorage"), None),
}
"""What the scene can hold: `kind` → tags. The class of a node is `vtkMRML…Node`."""

STATED_LPS = ("model", "points", "line")
"""Kinds whose storage node states the frame of the file."""


@dataclass(frozen=True)
class SceneItem:
    """One file in the scene: its `kind`, the name shown, the path relative to the scene, and a colour (0 to 255)."""

    kind: str
    name: str
    file: str
    color: tuple[int, int, int] | None = None


def write_scene(path: Path, items: Sequence[SceneItem]) -> Written:
    """Write a scene of files that all exist.

    Raises
    ------
    BadInput
        A file does not exist, or reading back gives another scene.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    for item in items:
        if not (path.parent / item.file).is_file():
            raise BadInput(path, f"would name {item.file}, which is not there", advice="Report this as a bug")
    text = "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', f'<MRML version="{VERSION}" userTags="">', *_nodes(items)]
    )

    def check(written: Path) -> None:
        found = read_scene(written)
        if found != [(each.kind, each.name, each.file) for each in items]:
            raise BadInput(path, "reading back gives another scene", advice="Report this as a bug")

    return write_text(path, text + "\n</MRML>\n", check)


def _nodes(items: Sequence[SceneItem]) -> Iterator[str]:
    count: Counter[str] = Counter()

    def numbered(kind: str) -> str:
        count[kind] += 1
        return f"vtkMRML{kind}Node{count[kind]}"

    volume = next((n for n, item in enumerate(items) if item.kind == "volume"), None)
    for item in items:
        tags = KINDS[item.kind]
        node, storage = numbered(tags.node[0]), numbered(tags.storage[0])
        references = f"storage:{storage};"
        if tags.display:
            display = numbered(tags.display[0])
            references = f"display:{display};{references}"
            yield _element(tags.display[1], id=display, name=f"{item.name} display", **_look(item))
        if item.kind == "segmentation" and volume is not None:
            references += "referenceImageGeometryRef:vtkMRMLScalarVolumeNode1;"
        frame = {"coordinateSystem": "LPS"} if item.kind in STATED_LPS else {}
        file = quote(item.file)
        yield _element(tags.storage[1], id=storage, name=f"{item.name} storage", fileName=file, **frame)
        yield _element(tags.node[1], id=node, name=item.name, references=references)


def _look(item: SceneItem) -> dict[str, str]:
    look = {"visibility": "true"}
    if item.kind == "volume":
        look["colorNodeRef"] = "vtkMRMLColorTableNodeGrey"
    if item.color:
        look["color"] = " ".join(f"{channel / 255:.4g}" for channel in item.color)
    return look


def _element(tag: str, **attributes: str) -> str:
    return f" <{tag} " + " ".join(f"{key}={quoteattr(value)}" for key, value in attributes.items()) + " />"


def read_scene(path: Path) -> list[tuple[str, str, str]]:
    """Kind, name and file of each node that `write_scene` wrote, once its references were found to hold.

    Raises
    ------
    BadInput
        No well-formed scene; two nodes of one id; a node refers to none or to one of another kind; a storage node that
        none refers to; a frame other than LPS; a path that is not relative.
    """
    try:
        data = read_whole(path, LARGEST_FILE)
    except OSError:
        raise BadInput(path, "cannot be read", "a scene of 3D Slicer", AGAIN) from None
    refuse_document_type(path, data, AGAIN)
    with blaming(path, AGAIN):
        try:
            root = ElementTree.fromstring(data)
        except ElementTree.ParseError as error:
            raise BadInput(path, f"is no XML, or cut short: {error}", "a scene of 3D Slicer", AGAIN) from None
        if root.tag != "MRML":
            raise ValueError(f"begins with <{root.tag[:40]}>, not <MRML>")
        known = {element.get("id", ""): element for element in root}
        if len(known) != len(root):
            raise ValueError("holds two nodes of one id")
        items, used = _read_nodes(root, known)
        if used | {element.get("id", "") for element in root if element.tag in _MAIN} != set(known):
            raise ValueError("holds a storage or display node that no node refers to")
    return items


_MAIN = {tags.node[1]: kind for kind, tags in KINDS.items()}


def _read_nodes(
    root: ElementTree.Element, known: dict[str, ElementTree.Element]
) -> tuple[list[tuple[str, str, str]], set[str]]:
    items, used = [], set[str]()
    for element in root:
        if element.tag not in _MAIN:
            continue
        kind, name = _MAIN[element.tag], element.get("name", "")
        tags = KINDS[kind]
        meant = {"storage": tags.storage[1], "referenceImageGeometryRef": "Volume"}
        if tags.display:
            meant["display"] = tags.display[1]
        roles = dict(each.split(":", 1) for each in element.get("references", "").split(";") if each)
        for role, node in roles.items():
            if node not in known or known[node].tag != meant.get(role):
                raise ValueError(f"node {name[:60]!r} refers as {role[:40]} to {node[:60]!r}, which is no such node")
            if role != "referenceImageGeometryRef" and node in used:
                raise ValueError(f"two nodes refer to {node[:60]!r}")
            used.add(node)
        if "storage" not in roles or (tags.display and "display" not in roles):
            raise ValueError(f"node {name[:60]!r} has no storage or display node")
        items.append((kind, name, _file(known[roles["storage"]], kind)))
    return items, used


def _file(storage: ElementTree.Element, kind: str) -> str:
    file = unquote(storage.get("fileName", ""))
    if not file or "\\" in file or PurePosixPath(file).is_absolute():
        raise ValueError(f"names the file {file[:60]!r}, not a path relative to the scene")
    if kind in STATED_LPS and storage.get("coordinateSystem") != "LPS":
        raise ValueError(f"says that {file[:60]!r} lies in {storage.get('coordinateSystem')}, not LPS")
    return file
