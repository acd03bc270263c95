"""What the viewer shows: structures, scan, points and trajectories, in LPS millimetres, packed into a few blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.surface import Surface
from surgplan.model.volume import Modality
from surgplan.report.packing import packed
from surgplan.report.reduced import Reduced, reduced
from surgplan.report.slices import outline_colors
from surgplan.report.surface_map import BEYOND, STEPS, Maps, SurfaceMap
from surgplan.report.viewer_scan import PackedScan, packed_scan
from surgplan.report.windows import BONE, CONTRAST, LUNG, SOFT, Window, window_for

if TYPE_CHECKING:
    from surgplan.report.stage import ReportInput

COARSEST = 65_535
"""A corner is kept to this part of its surface's box: 4 µm of 250 mm."""
PER_MM, UNKNOWN = 1000, 65_535
"""Values of a map are kept in micrometres; `UNKNOWN` where there is none."""
LEAST_SCAN_BYTES = 100_000


@dataclass(frozen=True, eq=False)
class PackedScene:
    """What takes long to make and needs no page: structures for viewing, each packed, and the scan."""

    meshes: tuple[Reduced, ...]
    blocks: Mapping[str, bytes]
    scan: PackedScan | None


def packed_scene(given: ReportInput, maps: Mapping[int, Maps], most_bytes: int | None, scan: bool) -> PackedScene:
    """Structures and, if wanted, the scan, all together in at most `most_bytes`; None leaves out nothing."""
    meshes = reduced(given.surfaces, maps, full=most_bytes is None)
    blocks = {f"mesh-{number}": _packed_mesh(mesh) for number, mesh in enumerate(meshes)}
    return PackedScene(meshes, blocks, packed_scan(given.volume, _left(blocks, most_bytes)) if scan else None)


def _left(blocks: Mapping[str, bytes], most_bytes: int | None) -> int | None:
    """What the structures leave to the scan."""
    return None if most_bytes is None else max(most_bytes - sum(map(len, blocks.values())), LEAST_SCAN_BYTES)


def scene_blocks(given: ReportInput, scene: PackedScene, most_bytes: int | None) -> dict[str, bytes]:
    """The blocks that `viewer/scene.ts` reads: `scene` in JSON, `mesh-0` and so on, and `scan`.

    All of them take at most `most_bytes` where that can be: a scan that is too large is packed again.
    """
    blocks = dict(scene.blocks)
    told: dict[str, Any] = {
        "structures": _structures(given, scene.meshes),
        "points": _points(given),
        "trajectories": _trajectories(given),
        "scan": None,
    }
    kept, left = scene.scan, _left(blocks, most_bytes)
    if kept is not None:
        if left is not None and len(kept.data) > left:
            kept = packed_scan(given.volume, left)
        blocks["scan"] = kept.data
        told["scan"] = _scan(given, kept)
    return {"scene": json.dumps(told, ensure_ascii=True, separators=(",", ":")).encode("ascii"), **blocks}


def _packed_mesh(mesh: Reduced) -> bytes:
    """Corners, triangles, and the values of each map, each packed and preceded by the length of its stream."""
    low, step = _box(mesh.surface)
    corners = np.rint((mesh.surface.vertices - low) / step).astype(np.uint16)
    parts = [packed(corners), packed(mesh.surface.triangles.astype(np.uint32))]
    parts += [packed(_micrometres(each.values).reshape(-1, 1)) for each in mesh.maps]
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _box(surface: Surface) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3,) lowest corner, mm, and (3,) length of a step, mm."""
    if not len(surface.vertices):
        return np.zeros(3), np.ones(3)
    low, high = surface.vertices.min(axis=0), surface.vertices.max(axis=0)
    return low, np.where(high > low, high - low, 1.0) / COARSEST


def _micrometres(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    with np.errstate(invalid="ignore"):
        kept = np.clip(np.rint(values.astype(np.float64) * PER_MM), 0, UNKNOWN - 1)
    return np.where(np.isfinite(values), kept, UNKNOWN).astype(np.uint16)


def _structures(given: ReportInput, meshes: Sequence[Reduced]) -> list[dict[str, Any]]:
    outlines = outline_colors([surface.label for surface in given.surfaces])
    rows = []
    for surface, mesh, outline in zip(given.surfaces, meshes, outlines, strict=True):
        low, step = _box(mesh.surface)
        label = surface.label
        rows.append(
            {
                "name": label.name,
                "color": _hex(label.color),
                "outline": _hex(outline),
                "triangles": len(mesh.surface.triangles),
                "vertices": len(mesh.surface.vertices),
                "of": len(surface.triangles),
                "moved_mm": [mesh.moved.p95, mesh.moved.maximum] if mesh.moved else None,
                "low": low.tolist(),
                "step": step.tolist(),
                "maps": [_map(each) for each in mesh.maps],
            }
        )
    return rows


def _map(each: SurfaceMap) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "easy_mm": each.easy_mm,
        "limit_mm": each.limit_mm,
        "colors": [_hex(color) for color in STEPS.astype(int).tolist()],
        "beyond": _hex(BEYOND),
    }


def _hex(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _points(given: ReportInput) -> list[dict[str, Any]]:
    if given.plan is None:
        return []
    return [{"name": point.name, "at": list(point.position)} for point in given.plan.points]


def _trajectories(given: ReportInput) -> list[dict[str, Any]]:
    if given.plan is None:
        return []
    return [
        {"name": path.name, "entry": list(path.entry), "target": list(path.target)} for path in given.plan.trajectories
    ]


def _scan(given: ReportInput, kept: PackedScan) -> dict[str, Any]:
    grid, volume = kept.grid, given.volume
    return {
        "size": grid.size,
        "spacing": grid.spacing.tolist(),
        "origin": grid.origin.tolist(),
        "direction": grid.direction.tolist(),
        "block": kept.block,
        "full_size": volume.grid.size,
        "low": kept.low,
        "step": kept.step,
        "unit": "HU" if volume.modality is Modality.CT else "",
        "windows": [_window(window) for window in _windows(given)],
    }


def _windows(given: ReportInput) -> list[Window]:
    """Those to choose from, first the one that fits the first structure, or the scan."""
    volume = given.volume
    sample = volume.array[:: max(1, volume.grid.size[2] // 50), ::4, ::4]
    if volume.modality is not Modality.CT:
        return [window_for(volume.modality, sample, sample)]
    first = BONE
    if given.surfaces:
        # a surface that was read from a file has lost its value in the label map: it is found by name
        value = given.labels.label(given.surfaces[0].label.name).value
        inside = sample[given.labels.array[:: max(1, volume.grid.size[2] // 50), ::4, ::4] == value]
        first = window_for(volume.modality, inside, sample)
    return [first, *(each for each in (BONE, SOFT, CONTRAST, LUNG) if each != first)]


def _window(window: Window) -> dict[str, Any]:
    return {"name": window.name, "level": window.level, "width": window.width}


def embedded(blocks: Mapping[str, bytes]) -> str:
    """The blocks as elements of the page that hold data and run nothing."""
    import base64

    elements = []
    for name, data in blocks.items():
        if name == "scene":  # in a script, only `<` could end it
            kind, text = "application/json", data.decode("ascii").replace("<", "\\u003c")
        else:
            kind, text = "application/octet-stream", base64.b64encode(data).decode("ascii")
        elements.append(f'<script type="{kind}" id="viewer-{name}">{text}</script>\n')
    return "".join(elements)
