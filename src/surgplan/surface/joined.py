"""Structures that touch: which they are, what parts them, and what becomes of their specks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.prepared import Prepared
from surgplan.surface.tetrahedra import EDGES
from surgplan.surface.topology import bodies, body_volumes
from surgplan.surface.wall_fields import Parting, Told
from surgplan.surface.walls import Walls

Ints = NDArray[np.int32]


def touching(labels: LabelMap) -> tuple[tuple[Label, ...], ...]:
    """The labels in groups: those that touch, directly or through others, are together; in the order of the map.

    Voxels touch where an edge of the division into tetrahedra joins them.
    """
    top = max(label.value for label in labels.labels) + 1
    group = np.arange(top)
    for one, two in _contacts(labels.array, top):
        group[group == group[two]] = group[one]
    found: dict[int, list[Label]] = {}
    for label in labels.labels:
        found.setdefault(int(group[label.value]), []).append(label)
    return tuple(tuple(labels) for labels in found.values())


def _contacts(array: NDArray[np.unsignedinteger], top: int) -> set[tuple[int, int]]:
    """Pairs of values that touch somewhere."""
    keys: set[int] = set()
    for k, j, i in ((mask >> 2, mask >> 1 & 1, mask & 1) for mask in EDGES):
        for plane in range(len(array) - k):
            here, there = array[plane], array[plane + k]
            here, there = here[: len(here) - j, : here.shape[1] - i], there[j:, i:]
            both = (here != there) & (here > 0) & (there > 0)
            if both.any():
                keys |= set(np.unique(here[both].astype(np.int64) * top + there[both]).tolist())
    return {(key // top, key % top) for key in keys}


def without_specks(walls: Walls, labels: Sequence[Label], least_mm3: float) -> tuple[Walls, Walls, tuple[Finding, ...]]:
    """Without separate pieces smaller than `least_mm3` of any structure and of what surrounds them, and what went.

    Each is given to the neighbour with which it shares most triangles. The largest piece of a structure always stays.
    """
    gone, findings = [], []
    for value, name in ((0, ""), *((label.value, label.name) for label in labels)):
        walls, dropped, volumes = _without_small(walls, value, least_mm3)
        if not len(volumes):
            continue
        gone.append(dropped)
        measured = f"{len(volumes)} pieces of together {volumes.sum():.2f} mm³ given to what surrounds them"
        if not value:
            name, measured = labels[0].name, f"{len(volumes)} cavities of together {volumes.sum():.2f} mm³ filled"
        limit = f"each below {least_mm3:g} mm³"
        findings.append(Finding("specks", Level.NOTE, measured, limit, source="the recipe", subject=name))
    faces = [np.empty((0, 3), np.int32), *(faces for faces, _ in gone)]
    sides = [np.empty((0, 2), np.uint16), *(sides for _, sides in gone)]
    return walls, replace(walls, triangles=np.concatenate(faces), sides=np.concatenate(sides)), tuple(findings)


def _without_small(
    walls: Walls, value: int, least_mm3: float
) -> tuple[Walls, tuple[NDArray[np.int32], NDArray[np.uint16]], Array]:
    """The walls after the small pieces of one value were given away; the triangles round them; their volumes, mm³."""
    there = np.flatnonzero((walls.sides == value).any(axis=1))
    faces = walls.chosen(value)
    body = bodies(walls.vertices, faces)
    volumes = body_volumes(walls.vertices, faces, body)
    small = (volumes > 0) & (volumes < least_mm3)
    if value:
        small[volumes.argmax()] = False
    if not small.any():
        return walls, (walls.triangles[:0], walls.sides[:0]), np.empty(0)
    sides = walls.sides.copy()
    left = small[body]
    beyond = np.where(sides[there, 0] == value, sides[there, 1], sides[there, 0])
    taker = np.zeros(len(volumes), np.int64)
    top = int(beyond.max()) + 1
    key, uses = np.unique(body[left].astype(np.int64) * top + beyond[left], return_counts=True)
    order = np.argsort(uses, kind="stable")
    taker[key[order] // top] = key[order] % top
    new = sides[there[left]]
    new[new == value] = taker[body[left]]
    sides[there[left]] = new
    keep = np.ones(len(sides), dtype=bool)
    keep[there[left]] = new[:, 0] != new[:, 1]
    faces = walls.triangles.copy()
    turned = sides[:, 0] > sides[:, 1]
    faces[turned] = faces[turned, ::-1]
    dropped = walls.triangles[there[left]], walls.sides[there[left]]
    return replace(walls, triangles=faces[keep], sides=np.sort(sides[keep], axis=1)), dropped, volumes[small]


def parting_of(volume: Volume | None, labels: LabelMap, group: Sequence[Label], scans: Sequence[Prepared]) -> Parting:
    """What decides where the structures of the group part, when their scans were prepared for contouring."""
    told = []
    for label, scan in zip(group, scans, strict=True):
        if volume is None or label.level is None:
            told.append(Told(label, None))
        else:
            inside = float(np.median(volume.array[labels.array == label.value]))
            told.append(Told(label, scan.volume, inside, scan.label.level))
    return Parting(labels, told)


def shared_walls(walls: Walls, label: Label, group: Sequence[Label]) -> tuple[Finding, ...]:
    """How much wall a structure shares with each other one."""
    areas = walls.whole(label).areas
    found = []
    for other in group:
        pair = sorted((label.value, other.value))
        shared = (walls.sides == pair).all(axis=1)
        if other is not label and shared.any():
            found.append(f"{float(areas[shared].sum(dtype=np.float64)):.1f} mm² with {other.name}")
    measured = f"one wall shared: {', '.join(found)}"
    return (Finding("joined", Level.NOTE, measured, source="the recipe", subject=label.name),)
