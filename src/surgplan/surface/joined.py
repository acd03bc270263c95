"""Structures that touch, finished together: smoothed, simplified and untangled so that their walls stay shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Volume
from surgplan.surface.fidelity import Contour
from surgplan.surface.finish import SMOOTHING_SHARE, untangled
from surgplan.surface.merging import merged_but, usual_edge
from surgplan.surface.prepared import Prepared
from surgplan.surface.smooth import smooth
from surgplan.surface.tetrahedra import EDGES
from surgplan.surface.thinning import thinned
from surgplan.surface.topology import Topology, bodies, body_volumes, topology
from surgplan.surface.wall_fields import Parting, Told
from surgplan.surface.walls import Walls

CELLS, MERGING = (1.4, 2.8), 0.2
"""Cells in which vertices are merged first, in lengths of the usual edge, and the share of the tolerance that they may
lie beside their common plane."""

STEPS = (0.2, 0.3, 0.4)
"""Shares of the tolerance for taking out vertices, one upon the other: together they move the surface by twice the
last one at the most, as a rule."""

SEAM_ROUNDS, SHRINK, GROW = 10, 0.33, -0.34
"""Rounds of smoothing along lines where three structures meet, and the two steps of each, which together do not
shrink (Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995)."""

MOST_COARSE_MM = 5.0
"""Merging down to a number of triangles never goes beyond this distance from a plane."""

COARSER = 1.4
"""Growth of that distance while there are too many triangles."""


Ints = NDArray[np.int32]

NO_PAIRS = np.empty((0, 2), np.int32)
NONE: tuple[Finding, ...] = ()


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


def finished_walls(
    walls: Walls,
    contours: Mapping[Label, Contour],
    tolerance_mm: float,
    smoothing: bool,
    max_triangles: int | None,
    watch: Callable[[str, Walls], None] = lambda *_: None,
) -> tuple[Walls, dict[Label, Topology], tuple[Finding, ...]]:
    """The walls smoothed and simplified within the tolerance, and the topology of each structure's surface.

    `contours` hold each structure's surface as it was contoured; `watch` sees the walls after each step. Vertices of
    the result are exact in float32. No repair may change one structure alone: where crossing triangles cannot be
    relaxed, less is simplified, then nothing, then nothing is smoothed either.
    """
    watch("contour", walls)
    smoothed = smoothed_walls(walls, SMOOTHING_SHARE * tolerance_mm) if smoothing else walls
    watch("smooth", smoothed)

    def relaxed(made: Walls) -> tuple[Walls, Ints, tuple[Finding, ...]]:
        return _untangled(made, smoothed, walls, tolerance_mm, next(iter(contours)))

    # where walls meet at small angles, smoothing makes triangles cross: relaxed at once, they stay out of what follows
    merged, _, notes = relaxed(_merged_walls(smoothed, MERGING * tolerance_mm))
    stages = [walls, smoothed, merged, *_thinned(merged, contours, tolerance_mm, max_triangles)]
    watch("simplify", stages[-1])
    for stage in reversed(stages):
        made, crossing, findings = relaxed(stage)
        told = _judged(made, crossing, tuple(contours))
        if all(each.ok for each in told.values()):
            break
    return made, told, (*notes, *findings)


def smoothed_walls(walls: Walls, most_mm: float) -> Walls:
    """The walls without their finest ripples; each vertex moves by `most_mm` at the most.

    The lines where three structures meet are smoothed along themselves, everything else as `smooth` does.
    """
    moved = walls.with_vertices(_along_seams(walls, most_mm))
    return moved.with_vertices(smooth(moved.whole(Label(1, "walls")), most_mm).vertices)


def _along_seams(walls: Walls, most_mm: float) -> Array:
    """(n, 3) the vertices, those on lines where three structures meet moved along them."""
    ends = np.sort(np.concatenate([walls.triangles[:, pair] for pair in ((0, 1), (1, 2), (2, 0))]), axis=1)
    ends = ends[walls.seams[ends].all(axis=1)]
    edges, uses = np.unique(ends, axis=0, return_counts=True)
    start, end = edges[uses > 2].T
    count = np.bincount(np.concatenate([start, end]), minlength=len(walls.vertices))
    on_line = count == 2
    places = walls.vertices.copy()
    for turn in range(2 * SEAM_ROUNDS):
        mean = np.zeros_like(places)
        for axis in range(3):
            mean[:, axis] = np.bincount(start, places[end, axis], len(places))
            mean[:, axis] += np.bincount(end, places[start, axis], len(places))
        step = mean[on_line] / 2 - places[on_line]
        places[on_line] += (SHRINK, GROW)[turn % 2] * step
    step = places - walls.vertices
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return np.asarray(walls.vertices + step * np.minimum(1.0, most_mm / np.maximum(length, 1e-12)))


def _thinned(
    merged: Walls, contours: Mapping[Label, Contour], tolerance_mm: float, max_triangles: int | None
) -> list[Walls]:
    """What the walls are after each step of taking out vertices that keeps the tolerance.

    When some structure then has more than `max_triangles`, steps go on without regard to the tolerance.
    """
    stages = [merged]
    for share in STEPS:
        stages.append(thinned_walls(stages[-1], share * tolerance_mm))
    while len(stages) > 1 and _farthest(stages[-1], contours) > tolerance_mm:
        stages.pop()
    step = STEPS[-1] * tolerance_mm
    while max_triangles is not None and _most_triangles(stages[-1], contours) > max_triangles and step < MOST_COARSE_MM:
        step *= COARSER
        stages.append(thinned_walls(stages[-1], step))
    return stages[1:]


def _merged_walls(walls: Walls, most_mm: float) -> Walls:
    edge = usual_edge(walls.vertices, walls.triangles)
    made = merged_but(walls.seams, walls.vertices, walls.triangles, [share * edge for share in CELLS], most_mm)
    return Walls(made.vertices, made.triangles, walls.sides[made.before], made.fixed)


def thinned_walls(walls: Walls, most_mm: float) -> Walls:
    """The walls with fewer vertices where they are flat; lines where three structures meet stay."""
    made = thinned(walls.vertices, walls.seams, walls.triangles, most_mm)
    return Walls(made.vertices, made.triangles, walls.sides[made.before], made.fixed)


def _farthest(walls: Walls, contours: Mapping[Label, Contour]) -> float:
    return max(contour.farthest(walls.surface(label)) for label, contour in contours.items())


def _most_triangles(walls: Walls, contours: Mapping[Label, Contour]) -> int:
    return max(int((walls.sides == label.value).any(axis=1).sum()) for label in contours)


def _untangled(
    made: Walls, smoothed: Walls, contour: Walls, tolerance_mm: float, label: Label
) -> tuple[Walls, Ints, tuple[Finding, ...]]:
    """Without crossing triangles, as far as that can be, in float32; the pairs that are left, (k, 2); what was done."""
    whole, crossing, findings = untangled(made.whole(label), tolerance_mm, smoothed.vertices, contour.vertices)
    return made.with_vertices(whole.vertices), crossing, findings


def _judged(walls: Walls, crossing: Ints, labels: Sequence[Label]) -> dict[Label, Topology]:
    """The topology of each structure's surface; walls of others that cross overlap, so that none is sound then."""
    told = {}
    for label in labels:
        surface = walls.surface(label)
        found = topology(surface.vertices, surface.triangles, None if len(crossing) else NO_PAIRS)
        told[label] = found if found.self_intersections else replace(found, self_intersections=len(crossing))
    return told


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
