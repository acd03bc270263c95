"""From the raw contour to the finished surface: specks dropped, smoothed, simplified, untangled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.surface.clean import compact
from surgplan.surface.fewer import fewer
from surgplan.surface.fidelity import Contour
from surgplan.surface.intersections import intersections_after, self_intersections
from surgplan.surface.keeping import kept, settled
from surgplan.surface.repair import RepairParams, repair, what_is_wrong
from surgplan.surface.simplify import Helper, simplify
from surgplan.surface.smooth import smooth
from surgplan.surface.solid import NotManifold
from surgplan.surface.topology import Topology, bodies, body_volumes, topology

Ints = NDArray[np.int32]

SMOOTHING_SHARE = 0.5
"""Share of the tolerance that smoothing may use: noise stands out of the surface farther than simplifying moves it."""

UNTANGLINGS = 3
"""How often crossing triangles are relaxed, when putting back what broke the tolerance made triangles cross again."""

ROUNDS = 12
"""How often the corners of crossing triangles are relaxed before all of the mesh is looked at again."""

HOMEWARD = 4
"""So many of the rounds put corners back to where the contour had them."""

RINGS = 5
"""Neighbours of neighbours that are looked at while relaxing."""

WIDER = (1.0, 2.0, 4.0)
"""Multiples of the tolerance by which corners of crossing triangles may move, tried in turn; what then lies beyond the
tolerance is measured and told. A few moved corners are less harm than a repair of the whole body."""


def dropped_specks(surface: Surface, least_mm3: float) -> tuple[Surface, Surface, tuple[Finding, ...]]:
    """Without separate bodies and cavities smaller than `least_mm3`, and those; a finding tells how many went.

    They are noise to a printer, and what makes simplifying fail. The largest body always stays.
    """
    body = bodies(surface.vertices, surface.triangles)
    volumes = body_volumes(surface.vertices, surface.triangles, body)
    small = np.abs(volumes) < least_mm3
    small[np.abs(volumes).argmax()] = False
    if not small.any():
        return surface, surface.with_mesh(np.empty((0, 3)), np.empty((0, 3), np.int32)), ()
    kept, gone = (
        surface.with_mesh(*compact(surface.vertices, surface.triangles[there])) for there in (~small[body], small[body])
    )
    solid, hollow = small & (volumes > 0), small & (volumes <= 0)
    measured = (
        f"{int(solid.sum())} bodies of together {volumes[solid].sum():.2f} mm³ and {int(hollow.sum())} cavities of "
        f"{-volumes[hollow].sum():z.2f} mm³ dropped"
    )
    limit = f"each below {least_mm3:g} mm³"
    return (
        kept,
        gone,
        (Finding("specks", Level.NOTE, measured, limit, source="the recipe", subject=surface.label.name),),
    )


def finished(
    contour: Contour,
    tolerance_mm: float,
    smoothing: bool,
    max_triangles: int | None,
    watch: Callable[[str, Surface], None] = lambda *_: None,
) -> tuple[Surface, Topology, tuple[Finding, ...]]:
    """The contour smoothed and simplified, its topology, and what had to be mended; `watch` sees those before.

    Vertices of the result are exact in float32.
    """
    findings: list[Finding] = []

    def meanwhile() -> None:
        watch("contour", contour.surface)
        watch("smooth", smoothed)

    def keep(simplified: Surface) -> Surface | None:
        return settled(simplified, contour.everywhere, tolerance_mm)

    try:
        with Helper(len(contour.surface.triangles)) as helper:
            smoothed = smooth(contour.surface, SMOOTHING_SHARE * tolerance_mm if smoothing else 0.0)
            surface = simplify(smoothed, tolerance_mm, keep, smoothing, meanwhile, helper)
    except NotManifold:
        surface, found = _mended(smoothed)
        findings += found
        surface = simplify(surface, tolerance_mm, keep, smoothing)
    within = surface
    if max_triangles is not None and len(surface.triangles) > max_triangles:
        surface, note = _with_fewer(surface, contour, tolerance_mm, max_triangles)
        findings.append(note)
    watch("simplify", surface)
    surface, crossing, found = _untangled_within(surface, contour, smoothed, tolerance_mm, surface is within)
    findings += found
    told = topology(surface.vertices, surface.triangles, crossing)
    if not told.ok:
        try:
            surface, more = _mended(surface, crossing)
        except BadInput as error:
            findings.append(Finding("repair", Level.REFUSE, error.message, subject=surface.label.name))
        else:
            findings += more
            told = topology(surface.vertices, surface.triangles)
    return surface, told, tuple(findings)


def _with_fewer(surface: Surface, contour: Contour, tolerance_mm: float, max_triangles: int) -> tuple[Surface, Finding]:
    """The surface with at most so many triangles, though it then leaves the tolerance, and a finding that tells both.

    As it was, where it would run through itself.
    """
    tried = fewer(surface, tolerance_mm, max_triangles)
    measured = (
        f"{len(surface.triangles)} triangles lie within {contour.farthest(surface):.3f} mm of the contour, "
        f"{len(tried.surface.triangles)} within {contour.farthest(tried.surface):.3f} mm"
    )
    advice = "Allow more triangles, or accept the larger distance"
    if not tried.sound:
        measured += (
            f", but {tried.crossing} of {tried.looked_at} that were looked at cross others: the former were kept"
        )
        advice = "Allow more triangles, or segment with less noise: a smoother kernel, or a higher threshold"
    limit = f"{max_triangles} triangles within {tolerance_mm:g} mm"
    note = Finding("triangles", Level.WARN, measured, limit, advice, "the recipe", surface.label.name)
    return tried.surface if tried.sound else surface, note


def _untangled_within(
    surface: Surface, contour: Contour, smoothed: Surface, tolerance_mm: float, within: bool
) -> tuple[Surface, Ints, tuple[Finding, ...]]:
    """The surface untangled, and brought back `within` the tolerance where that broke it, if it was there before.

    Where it cannot be both, it is sound.
    """
    told: tuple[Finding, ...] = ()
    for _ in range(UNTANGLINGS):
        surface, crossing, found = untangled(surface, tolerance_mm, smoothed.vertices, contour.surface.vertices)
        told += found
        again = kept(surface, contour.everywhere, tolerance_mm) if within and found else surface
        if again is None or again is surface:
            return surface, crossing, told
        sound, surface = surface, again
    return sound, crossing, told


def _mended(surface: Surface, crossing: Ints | None = None) -> tuple[Surface, tuple[Finding, ...]]:
    before = topology(surface.vertices, surface.triangles, crossing)
    result = repair(surface, RepairParams(), crossing)
    reason = what_is_wrong(before) or "an edge was shared"
    note = Finding("repair", Level.NOTE, f"needed because {reason}", subject=surface.label.name)
    return snapped(result.surface), (note, *result.findings)


def snapped(surface: Surface) -> Surface:
    """The same with coordinates rounded to float32, as STL and slicer programs keep them."""
    return surface.with_mesh(surface.vertices.astype(np.float32).astype(np.float64), surface.triangles)


def untangled(
    surface: Surface, most_mm: float, smoothed: Array, contour: Array
) -> tuple[Surface, Ints, tuple[Finding, ...]]:
    """Without the few places where smoothing and simplifying made triangles cross.

    Their corners are put back to where the contour had them, then, if that is not enough, drawn to their neighbours.
    `smoothed` and `contour`, (n, 3), are the same vertices after and before smoothing. Coordinates are rounded to
    float32 before each look. Also tells the crossing pairs, (k, 2), that are left.
    """
    surface = snapped(surface)
    pairs = self_intersections(surface.vertices, surface.triangles)
    if not len(pairs):
        return surface, pairs, ()
    first, start, triangles = len(pairs), surface.vertices, surface.triangles
    vertices = start
    for reach in WIDER:
        near = _near(vertices, triangles, pairs)
        used = np.unique(triangles[near])
        home = _before(start[used], smoothed, contour)
        relaxed = _relaxed(vertices, start, triangles, near, home, reach * most_mm)
        moved = (relaxed != vertices).any(axis=1)
        vertices = relaxed
        pairs = intersections_after(vertices, triangles, pairs, moved[triangles].any(axis=1))
        if not len(pairs):
            break
    steps = np.linalg.norm(vertices - start, axis=1)
    measured = (
        f"{first} crossing pairs of triangles relaxed, {len(pairs)} left; {int((steps > 0).sum())} vertices moved"
    )
    measured += f" by {steps.max():.3f} mm at the most"
    note = Finding("untangle", Level.NOTE, measured, f"{most_mm:g} mm", source="the recipe", subject=surface.label.name)
    return surface.with_mesh(vertices, triangles), pairs, (note,)


def _relaxed(vertices: Array, start: Array, triangles: Ints, near: Ints, home: Array, most_mm: float) -> Array:
    """Rounds of relaxing the corners of crossing triangles, looking only at the triangles `near` them.

    First corners go `home`, then towards their neighbours, by `most_mm` from where they started at the most. Later
    rounds take in more neighbours.
    """
    used, faces = np.unique(triangles[near], return_inverse=True)
    local = faces.reshape(-1, 3).astype(np.int32)
    inner = ~np.isin(used, triangles[_outside(len(triangles), near)])
    points = vertices[used]
    for turn in range(ROUNDS):
        crossing = self_intersections(points, local)
        if not len(crossing):
            break
        chosen = np.zeros(len(points), dtype=bool)
        chosen[local[crossing.ravel()]] = True
        for _ in range(1 + turn % HOMEWARD):
            chosen[local[chosen[local].any(axis=1)]] = True
        goal = home if turn < HOMEWARD else 0.5 * (_neighbour_mean(points, local) + points)
        step = np.where((chosen & inner)[:, None], goal - points, 0.0)
        points = start[used] + _shortened(points + step - start[used], most_mm)
        points = points.astype(np.float32).astype(np.float64)
    moved = vertices.copy()
    moved[used] = points
    return moved


def _before(points: Array, smoothed: Array, contour: Array) -> Array:
    """(k, 3) where the contour had the points; those that are no vertices of the smoothed surface stay."""
    from scipy.spatial import cKDTree

    away, index = cKDTree(smoothed).query(points)
    return np.where((away < 1e-3)[:, None], contour[index], points)


def _near(vertices: Array, triangles: Ints, pairs: Ints) -> Ints:
    """Numbers of the triangles that share a neighbourhood with crossing ones, a few rings wide."""
    chosen = np.zeros(len(vertices), dtype=bool)
    chosen[triangles[pairs.ravel()]] = True
    for _ in range(RINGS):
        chosen[triangles[chosen[triangles].any(axis=1)]] = True
    return np.flatnonzero(chosen[triangles].any(axis=1)).astype(np.int32)


def _outside(count: int, part: Ints) -> NDArray[np.bool_]:
    """(count,) all triangles but those of the part."""
    outside = np.ones(count, dtype=bool)
    outside[part] = False
    return outside


def _neighbour_mean(vertices: Array, triangles: Ints) -> Array:
    count = len(vertices)
    total = np.zeros((count, 3))
    number = np.zeros(count)
    for one, two in ((0, 1), (1, 2), (2, 0)):
        for here, there in ((triangles[:, one], triangles[:, two]), (triangles[:, two], triangles[:, one])):
            number += np.bincount(here, minlength=count)
            for axis in range(3):
                total[:, axis] += np.bincount(here, vertices[there, axis], count)
    return total / np.maximum(number, 1)[:, None]


def _shortened(steps: Array, most: float) -> Array:
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray(steps * np.minimum(1.0, most / np.maximum(length, 1e-12)))
