"""Reading glTF 2.0: GLB, and .gltf whose buffers are inside of it. Every declared size is checked first."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.glb import BINARY_CHUNK, GLTF_FROM_LPS, JSON_CHUNK, MAGIC, srgb_color
from surgplan.formats.limits import MOST_TRIANGLES
from surgplan.formats.mesh_parts import (
    BONE,
    EXPORT_AGAIN,
    OURS,
    Color,
    Contents,
    Part,
    Stated,
    check_indices,
    ignored,
    plain_name,
    stored_label,
)
from surgplan.model.frames import Array
from surgplan.model.labels import Label

KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3}
TRIANGLES, STRIP, FAN = 4, 5, 6
DEEPEST = 64
MOST_NODES = 10_000
READABLE = ("KHR_mesh_quantization", "KHR_texture_transform")
DATA = "data:"


def glb_contents(path: Path, data: bytes) -> Contents:
    """The meshes of the scene, each node that has one.

    Raises
    ------
    BadInput
        No glTF 2.0, cut short, compressed, spread over several files, or with nodes that contain themselves.
    """
    document, binary = _chunks(path, data) if data[:4] == MAGIC else (_parsed(path, data), b"")
    return _Scene(path, document, binary).contents()


def _chunks(path: Path, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The document and the binary chunk."""
    words = np.frombuffer(data[:12].ljust(12, b"\0"), "<u4")
    if int(words[1]) != 2 or int(words[2]) != len(data):
        found = f"holds {len(data)} bytes of version {words[1]}"
        raise BadInput(path, found, f"{words[2]} bytes of version 2", EXPORT_AGAIN)
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            raise BadInput(path, f"has a chunk of {size} bytes: cut short", f"{len(data) - at - 8}", EXPORT_AGAIN)
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if JSON_CHUNK not in chunks:
        raise BadInput(path, "has no JSON chunk", "one", EXPORT_AGAIN)
    return _parsed(path, chunks[JSON_CHUNK]), chunks.get(BINARY_CHUNK, b"")


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(path, "holds no JSON that can be read", "glTF 2.0", EXPORT_AGAIN) from None
    if not isinstance(document, dict) or not str(document.get("asset", {}).get("version", "")).startswith("2."):
        raise BadInput(path, "is not glTF 2.0", "asset.version 2.0", EXPORT_AGAIN)
    return document


def _whole(value: Any, most: int) -> int:
    """A whole number from 0 to `most`, whatever the JSON holds."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise ValueError(f"has the number {str(value)[:20]!r} where one from 0 to {most} belongs")
    return value


class _Scene:
    """One document with its buffers."""

    def __init__(self, path: Path, document: dict[str, Any], binary: bytes) -> None:
        self.path, self.document, self.binary = path, document, binary
        self.skipped: list[str] = []
        self.findings: list[Finding] = []
        self.parts: list[Part] = []
        self.triangles = 0
        self.visits = 0
        unknown = [
            name
            for name in document.get("extensionsRequired", ())
            if name not in READABLE and not str(name).startswith("KHR_materials_")
        ]
        if unknown:
            raise BadInput(path, f"needs the extension {unknown[0]}", "plain glTF 2.0", "Export it uncompressed")

    def contents(self) -> Contents:
        """Everything below the nodes of the scene."""
        nodes = self.document.get("nodes", [])
        scenes = self.document.get("scenes", [])
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [number for number in range(len(nodes)) if number not in children]
        if scenes:
            roots = scenes[_whole(self.document.get("scene", 0), len(scenes) - 1)].get("nodes", [])
        told = self._ours(nodes, roots)
        for root in roots:
            self._visit(root, np.eye(4), 0, skip=told is not None)
        notes = ignored(self.path, [*self.skipped, *self._extras()])
        stated = Stated("m", "GLTF", by_format=True)
        if told is not None:
            assumed = tuple(word for word in str(told.get("ASSUMED", "")).split(",") if word)
            stated = Stated(str(told.get("UNIT", "")), str(told.get("SPACE", "")), assumed=assumed)
        return Contents(tuple(self.parts), stated, (*self.findings, *notes), welded=told is not None)

    def _ours(self, nodes: list[dict[str, Any]], roots: list[int]) -> dict[str, Any] | None:
        """What our own root node tells; None when another program has changed anything of it."""
        if len(roots) != 1 or str(self.document["asset"].get("generator", "")).split(" ")[0] != OURS:
            return None
        node = nodes[_whole(roots[0], len(nodes) - 1)]
        told = node.get("extras", {}).get(OURS)
        same = np.array_equal(np.array(node.get("matrix", []), np.float64), GLTF_FROM_LPS.T.ravel())
        return told if isinstance(told, dict) and same else None

    def _extras(self) -> list[str]:
        names = {name for mesh in self.document.get("meshes", []) for each in mesh["primitives"] for name in each}
        names |= {
            key for mesh in self.document.get("meshes", []) for each in mesh["primitives"] for key in each["attributes"]
        }
        told = {"NORMAL": "normals", "TEXCOORD_0": "texture coordinates", "COLOR_0": "colours of vertices"}
        told |= {"targets": "morph targets", "JOINTS_0": "skins"}
        return [told[name] for name in told if name in names]

    def _visit(self, number: Any, above: Array, depth: int, skip: bool = False) -> None:
        nodes = self.document.get("nodes", [])
        node = nodes[_whole(number, len(nodes) - 1)]
        self.visits += 1
        if depth > DEEPEST or self.visits > MOST_NODES:
            raise BadInput(self.path, "has nodes that contain themselves, or too many", f"{MOST_NODES}", EXPORT_AGAIN)
        place = above if skip else above @ _place(node)
        if "mesh" in node:
            meshes = self.document["meshes"]
            mesh = meshes[_whole(node["mesh"], len(meshes) - 1)]
            self._mesh(node, mesh, place)
        for child in node.get("children", ()):
            self._visit(child, place, depth + 1)

    def _mesh(self, node: dict[str, Any], mesh: dict[str, Any], place: Array) -> None:
        points, triangles, before = [], [], 0
        color = None
        for primitive in mesh["primitives"]:
            if primitive.get("mode", TRIANGLES) not in (TRIANGLES, STRIP, FAN):
                self.skipped.append("points and lines")
                continue
            vertices = self._accessor(primitive["attributes"]["POSITION"], "VEC3").astype(np.float64)
            corners = self._corners(primitive, len(vertices))
            points.append(vertices)
            triangles.append(corners + before)
            before += len(vertices)
            color = color or self._color(primitive)
        if not points:
            return
        whole, faces = np.concatenate(points), np.concatenate(triangles)
        if not np.array_equal(place, np.eye(4)):
            whole = whole @ place[:3, :3].T + place[:3, 3]
        size = float(np.linalg.det(place[:3, :3]))
        name = plain_name(str(node.get("name") or mesh.get("name") or ""), plain_name(self.path.stem))
        if not np.isfinite(place).all() or size == 0:
            raise BadInput(self.path, f"has a node `{name}` whose transform flattens it", "", EXPORT_AGAIN)
        if size < 0:
            faces = faces[:, ::-1]
            measured = f"`{name}` is mirrored by its transform; triangles turned so that outward stays outward"
            advice = "Make sure that left is left: a mirrored structure is one of the other side"
            self.findings.append(Finding("mirrored", Level.WARN, measured, advice=advice, subject=self.path.name))
        self.parts.append(Part(self._label(node, name, color), whole, np.ascontiguousarray(faces)))

    def _label(self, node: dict[str, Any], name: str, color: Color | None) -> Label:
        told = node.get("extras", {}).get(OURS) if isinstance(node.get("extras"), dict) else None
        number = len(self.parts) + 1
        if isinstance(told, dict) and "color" in told:
            return stored_label({str(key): str(text) for key, text in told.items()}, name, number)
        return Label(number, name, color or BONE)

    def _color(self, primitive: dict[str, Any]) -> Color | None:
        materials = self.document.get("materials", [])
        if "material" not in primitive:
            return None
        material = materials[_whole(primitive["material"], len(materials) - 1)]
        factor = material.get("pbrMetallicRoughness", {}).get("baseColorFactor")
        return srgb_color(factor) if factor else None

    def _corners(self, primitive: dict[str, Any], vertices: int) -> NDArray[np.int32]:
        """(m, 3) triangles of a list, strip or fan."""
        order = np.arange(vertices, dtype=np.int64)
        if "indices" in primitive:
            order = self._accessor(primitive["indices"], "SCALAR").astype(np.int64).ravel()
        mode = primitive.get("mode", TRIANGLES)
        if mode == TRIANGLES:
            if len(order) % 3:
                raise BadInput(self.path, f"has {len(order)} corners", "three for each triangle", EXPORT_AGAIN)
            corners = order.reshape(-1, 3)
        elif mode == STRIP:
            corners = strip(order)
        else:
            corners = np.stack([np.full(max(len(order) - 2, 0), order[0]), order[1:-1], order[2:]], axis=1)
        check_indices(self.path, corners, vertices)
        self.triangles += len(corners)
        if self.triangles > MOST_TRIANGLES:
            raise BadInput(self.path, "has too many triangles", f"{MOST_TRIANGLES}", EXPORT_AGAIN)
        return corners.astype(np.int32)

    def _accessor(self, number: Any, shape: str) -> NDArray[Any]:
        """(count, width) numbers of an accessor; normalised integers as the numbers that they stand for."""
        accessors, views = self.document["accessors"], self.document.get("bufferViews", [])
        accessor = accessors[_whole(number, len(accessors) - 1)]
        if accessor.get("type") != shape or "sparse" in accessor or "bufferView" not in accessor:
            raise BadInput(
                self.path, f"has an accessor that is sparse, compressed or no {shape}", "", "Export it plainly"
            )
        view = views[_whole(accessor["bufferView"], len(views) - 1)]
        dtype, width = np.dtype(KINDS[accessor["componentType"]]), WIDTHS[shape]
        buffer = self._buffer(view)
        start = _whole(accessor.get("byteOffset", 0), len(buffer)) + _whole(view.get("byteOffset", 0), len(buffer))
        end = _whole(view.get("byteOffset", 0), len(buffer)) + _whole(view["byteLength"], len(buffer))
        count = _whole(accessor["count"], 3 * MOST_TRIANGLES)
        stride = _whole(view.get("byteStride", 0), 252) or dtype.itemsize * width
        last = start + (count - 1) * stride + dtype.itemsize * width
        if count and (last > len(buffer) or last > end):
            raise BadInput(
                self.path, f"declares {count} values beyond its {len(buffer)} bytes: cut short", "", EXPORT_AGAIN
            )
        values = np.ndarray((count, width), dtype, buffer, start, (stride, dtype.itemsize))
        if accessor.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / np.iinfo(dtype).max, -1.0)
        return values

    def _buffer(self, view: dict[str, Any]) -> bytes:
        buffers = self.document["buffers"]
        buffer = buffers[_whole(view["buffer"], len(buffers) - 1)]
        uri = buffer.get("uri")
        if uri is None:
            return self.binary
        head, _, text = str(uri).partition(",")
        if not head.startswith(DATA) or not head.endswith(";base64"):
            raise BadInput(self.path, "keeps its numbers in another file", "one file", "Save it as .glb")
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise BadInput(self.path, "has a buffer that is no base64", "", EXPORT_AGAIN) from None


def strip(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n - 2, 3) triangles of a strip, every other one turned; those that name a vertex twice only join its pieces."""
    corners = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)
    corners[1::2] = corners[1::2, [1, 0, 2]]
    twice = (corners == np.roll(corners, 1, axis=1)).any(axis=1)
    return np.asarray(corners[~twice])


def _place(node: dict[str, Any]) -> Array:
    """(4, 4) matrix of a node, from its matrix or from translation, rotation and scale (glTF 3.5.3)."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
    length = x * x + y * y + z * z + w * w
    if not 0.9 < length < 1.1:
        raise ValueError("has a node whose rotation is no unit quaternion")
    x, y, z, w = np.array([x, y, z, w]) / np.sqrt(length)
    turn = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] = np.array(turn) * np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
