"""Structures that touch, finished together: smoothed, simplified and untangled so that their walls stay shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.surface.fidelity import Contour
from surgplan.surface.finish import SMOOTHING_SHARE, untangled
from surgplan.surface.keeping import MARGIN
from surgplan.surface.mask_field import Bools
from surgplan.surface.merging import Merged, merged_but, usual_edge
from surgplan.surface.smooth import smooth
from surgplan.surface.thinning import thinned, with_neighbours
from surgplan.surface.topology import Topology, topology
from surgplan.surface.walls import Walls, seams_of

Ints = NDArray[np.int32]

CELLS, MERGING = (1.4, 2.8), 0.2
"""Cells in which vertices are merged first, in lengths of the usual edge, and the share of the tolerance that they may
lie beside their common plane."""

STEPS = (0.2, 0.3, 0.4)
"""Shares of the tolerance for taking out vertices, one upon the other: together they move the surface by twice the
last one at the most, as a rule."""

TRIES = 6
"""How often vertices are taken out anew when that broke the tolerance somewhere."""

NEAREST_ONES = 4
"""So many vertices next to a place that broke it stay, and their neighbours."""

SEAM_ROUNDS, SHRINK, GROW = 10, 0.33, -0.34
"""Rounds of smoothing along lines where three structures meet, and the two steps of each, which together do not
shrink (Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995)."""

MOST_COARSE_MM = 5.0
"""Merging down to a number of triangles never goes beyond this distance from a plane."""

COARSER = 1.4
"""Growth of that distance while there are too many triangles."""


NO_PAIRS = np.empty((0, 2), np.int32)


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
        left_mm = (1 - SMOOTHING_SHARE) * tolerance_mm  # smoothing may have taken the rest
        return _untangled(made, smoothed, walls, left_mm, next(iter(contours)))

    # where walls meet at small angles, smoothing makes triangles cross: relaxed at once, they stay out of what follows
    merged = _within(_merged_walls, smoothed, MERGING * tolerance_mm, contours, tolerance_mm)
    first, _, notes = relaxed(merged or smoothed)
    stages = [walls, smoothed, first, *_thinned(first, contours, tolerance_mm, max_triangles)]
    watch("simplify", stages[-1])
    for stage in reversed(stages):
        made, crossing, findings = relaxed(stage)
        told = _judged(made, crossing, tuple(contours))
        if all(each.ok for each in told.values()):
            break
    return made, told, (*notes, *findings, *_too_many(made, contours, max_triangles))


def _too_many(walls: Walls, contours: Mapping[Label, Contour], max_triangles: int | None) -> tuple[Finding, ...]:
    """That a structure has more triangles than were asked for; how far it lies from the contour is told apart."""
    advice = "Allow more triangles: lines where structures meet keep all of theirs"
    limit = f"{max_triangles} triangles"
    return tuple(
        Finding("triangles", Level.WARN, f"{count} triangles are left", limit, advice, "the recipe", label.name)
        for label in contours
        if max_triangles is not None and (count := walls.count(label.value)) > max_triangles
    )


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
        made = _within(thinned_walls, stages[-1], share * tolerance_mm, contours, tolerance_mm)
        if made is None:
            break
        stages.append(made)
    step = STEPS[-1] * tolerance_mm
    while max_triangles is not None and step < MOST_COARSE_MM:
        if max(stages[-1].count(label.value) for label in contours) <= max_triangles:
            break
        step *= COARSER
        stages.append(thinned_walls(stages[-1], step, np.zeros(len(stages[-1].vertices), dtype=bool)))
    return stages[1:]


def _merged_walls(walls: Walls, most_mm: float, fixed: Bools) -> Walls:
    edge = usual_edge(walls.vertices, walls.triangles)
    cells = [share * edge for share in CELLS]
    return _of(walls, merged_but(walls.seams | fixed, walls.vertices, walls.triangles, cells, most_mm))


def thinned_walls(walls: Walls, most_mm: float, fixed: Bools) -> Walls:
    """The walls with fewer vertices where they are flat; the `fixed` ones stay, and those where three walls meet."""
    return _of(walls, thinned(walls.vertices, walls.seams | fixed, walls.triangles, most_mm))


def _of(walls: Walls, made: Merged) -> Walls:
    sides = walls.sides[made.before]
    return Walls(made.vertices, made.triangles, sides, seams_of(made.triangles, sides, len(made.vertices)))


def _within(
    make: Callable[[Walls, float, Bools], Walls],
    walls: Walls,
    most_mm: float,
    contours: Mapping[Label, Contour],
    tolerance_mm: float,
) -> Walls | None:
    """What a step makes of the walls so that the tolerance holds everywhere; None when too much would have to stay.

    Where a try breaks it, the vertices stay in the next one; where it was broken before, the step is not to blame.
    """
    fixed = np.zeros(len(walls.vertices), dtype=bool)
    most = MARGIN * tolerance_mm
    before = _beyond(walls, contours, most)
    for _ in range(TRIES):
        made = make(walls, most_mm, fixed)
        places = _away_from(_beyond(made, contours, most), before, usual_edge(walls.vertices, walls.triangles))
        if not len(places):
            return made
        fixed |= _near(walls, places)
    return None


def _away_from(places: Array, others: Array, most_mm: float) -> Array:
    """Those of the places that have none of the others within a distance."""
    from scipy.spatial import cKDTree

    if not len(places) or not len(others):
        return places
    return np.asarray(places[cKDTree(others).query(places)[0] > most_mm])


def _beyond(walls: Walls, contours: Mapping[Label, Contour], most_mm: float) -> Array:
    """(n, 3) places where some structure's surface and its contour lie farther apart."""
    found = [np.empty((0, 3))]
    for label, contour in contours.items():
        seen = contour.everywhere.seen(walls.surface(label), most_mm)
        found += [seen.points[seen.near.away > most_mm], seen.probes.home[seen.probes.away > most_mm]]
    return np.concatenate(found)


def _near(walls: Walls, places: Array) -> Bools:
    """(n,) vertices of the triangles round the ones that lie nearest to the places."""
    from scipy.spatial import cKDTree

    near = np.zeros(len(walls.vertices), dtype=bool)
    near[cKDTree(walls.vertices).query(places, k=NEAREST_ONES)[1]] = True
    return with_neighbours(near, walls.triangles)


def _untangled(
    made: Walls, smoothed: Walls, contour: Walls, most_mm: float, label: Label
) -> tuple[Walls, Ints, tuple[Finding, ...]]:
    """Without crossing triangles, as far as that can be, in float32; the pairs that are left, (k, 2); what was done."""
    whole, crossing, findings = untangled(made.whole(label), most_mm, smoothed.vertices, contour.vertices)
    return made.with_vertices(whole.vertices), crossing, findings


def _judged(walls: Walls, crossing: Ints, labels: Sequence[Label]) -> dict[Label, Topology]:
    """The topology of each structure's surface; walls of others that cross overlap, so that none is sound then."""
    told = {}
    for label in labels:
        surface = walls.surface(label)
        found = topology(surface.vertices, surface.triangles, None if len(crossing) else NO_PAIRS)
        told[label] = found if found.self_intersections else replace(found, self_intersections=len(crossing))
    return told
