"""glTF 2.0, mostly as GLB: metres and y up by its specification, so one node's matrix carries LPS millimetres there.

The vertices stay LPS millimetres in float32; the matrix above them is a constant, and reading takes it away again
exactly. Foreign files have their nodes' transforms applied.

Source: Khronos Group, glTF 2.0 Specification, 3.4 (coordinate system and units), 3.6 (binary data), 4 (GLB).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from surgplan import __version__
from surgplan.formats.mesh_parts import OURS, Color, label_words
from surgplan.model.frames import Array
from surgplan.model.surface import Surface

MAGIC = b"glTF"
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
FLOAT32, UINT32 = 5126, 5125
GLTF_FROM_LPS: Array = np.diag([0.001, 0.001, 0.001, 1.0]) @ [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
"""(4, 4) metres with y up from LPS millimetres: left is x, superior is y, anterior looks at the viewer."""


def glb_bytes(surfaces: Sequence[Surface], assumed: tuple[str, ...] = ()) -> bytes:
    """One node for each surface below the node that turns and scales all of them."""
    binary = _Buffer()
    told = {"SPACE": surfaces[0].frame.name, "UNIT": "mm", "ASSUMED": ",".join(sorted(assumed))}
    root = {"name": OURS, "matrix": GLTF_FROM_LPS.T.ravel().tolist(), "extras": {OURS: told}}
    nodes: list[dict[str, Any]] = [root | {"children": list(range(1, len(surfaces) + 1))}]
    meshes, materials = [], []
    for number, surface in enumerate(surfaces):
        position, indices = binary.positions(surface), binary.indices(surface)
        primitive = {"attributes": {"POSITION": position}, "indices": indices, "material": number}
        name = surface.label.name
        meshes.append({"name": name, "primitives": [primitive]})
        nodes.append({"name": name, "mesh": number, "extras": {OURS: label_words(surface.label)}})
        shine = {"baseColorFactor": linear_color(surface.label.color), "metallicFactor": 0.0, "roughnessFactor": 0.8}
        materials.append({"name": name, "pbrMetallicRoughness": shine})
    document = {
        "asset": {"version": "2.0", "generator": f"{OURS} {__version__}"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": nodes,
        "meshes": meshes,
        "materials": materials,
        "accessors": binary.accessors,
        "bufferViews": binary.views,
        "buffers": [{"byteLength": len(binary.data)}],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary.data)
    head = MAGIC + (2).to_bytes(4, "little") + total.to_bytes(4, "little")
    return b"".join([head, _chunk(JSON_CHUNK, text), _chunk(BINARY_CHUNK, bytes(binary.data))])


def _chunk(kind: int, data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + kind.to_bytes(4, "little") + data


class _Buffer:
    """The binary chunk as it grows; every array in it has elements of four bytes."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, int]] = []
        self.accessors: list[dict[str, Any]] = []

    def positions(self, surface: Surface) -> int:
        """Number of the accessor of the vertices."""
        points = surface.vertices.astype("<f4")
        ends = {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
        return self._add(points.tobytes(), FLOAT32, "VEC3", len(points), 34962, ends)

    def indices(self, surface: Surface) -> int:
        """Number of the accessor of the triangles."""
        corners = surface.triangles.astype("<u4")
        return self._add(corners.tobytes(), UINT32, "SCALAR", corners.size, 34963, {})

    def _add(self, data: bytes, kind: int, shape: str, count: int, target: int, ends: dict[str, Any]) -> int:
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), "target": target}
        self.views.append(view)
        self.data += data
        accessor = {"bufferView": len(self.views) - 1, "componentType": kind, "count": count, "type": shape}
        self.accessors.append(accessor | ends)
        return len(self.accessors) - 1


def linear_color(color: Color) -> list[float]:
    """sRGB bytes as the linear red, green, blue and opacity of a material (IEC 61966-2-1)."""
    values = [channel / 255 for channel in color]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return [*(round(value, 9) for value in linear), 1.0]


def srgb_color(linear: Sequence[float]) -> Color:
    """The inverse of `linear_color`."""
    clipped = [min(max(float(value), 0.0), 1.0) for value in linear[:3]]
    values = [value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055 for value in clipped]
    red, green, blue = (round(255 * value) for value in values)
    return red, green, blue
