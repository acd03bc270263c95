"""Struts: bodies of a part that touch no other are tied to it over the shortest ways."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from surgplan.printing.context import Context, Done, modified, note
from surgplan.printing.operations import Struts
from surgplan.printing.shapes import rod
from surgplan.printing.solids import Solid, built, united
from surgplan.surface.clean import compact
from surgplan.surface.fidelity import surface_samples
from surgplan.surface.regions import Region
from surgplan.surface.topology import bodies, body_volumes

SPREAD = 4000
"""Points on each body, besides its vertices, between which the shortest ways are looked for."""
ROOT = 1.0
"""A strut reaches so many of its radii into the bodies."""
APART = 3.0
"""Struts to one body stand at least so many diameters apart."""
LONGER = 1.3
"""A further strut may be so many times as long as the shortest one, and a radius."""


@dataclass
class _Ties:
    """Struts found so far: their two ends, (3,) mm; bodies left loose, and how far they are."""

    ends: list[tuple[Array, Array]] = field(default_factory=list)
    loose: list[float] = field(default_factory=list)


def struts(part: Part, operation: Struts, context: Context) -> Done:
    """The part with its bodies tied together; those that are too far stay loose, and crumbs are dropped.

    Raises
    ------
    BadInput
        Every body is smaller than what is dropped.
    """
    kept, crumbs = without_crumbs(part.surface, operation.smallest_mm3 * context.life(1) ** 3)
    if not len(kept.triangles):
        raise BadInput(part.name, "has only bodies that `smallest_mm3` drops", advice="Lower it")
    radius = context.life(operation.diameter_mm) / 2
    ties = _tied(_outer_bodies(kept), operation, radius, context.life(operation.longest_mm))
    findings = _findings(part, ties, crumbs, operation, context)
    if not ties.ends and not crumbs:
        return Done((part,), tuple(findings))
    rods = [rod(*_rooted(one, two, radius), radius) for one, two in ties.ends]
    (made,) = built([united([Solid.of_surface(kept), *rods])], part.name)
    longest = max((float(np.linalg.norm(two - one)) for one, two in ties.ends), default=0.0) * context.scale
    what = f"{len(ties.ends)} struts of {operation.diameter_mm:g} mm hold loose bodies"
    measured = {"struts": float(len(ties.ends)), "longest_mm": longest, "dropped_bodies": float(len(crumbs))}
    places: list[Region] = [_along(*ends, radius) for ends in ties.ends]
    places += [_in_box(crumb) for crumb in crumbs]
    changed, wrong = modified(part, made.surface(part.surface), "struts", what, measured, places)
    return Done((changed,), (*findings, *wrong))


def without_crumbs(surface: Surface, least_mm3: float) -> tuple[Surface, list[Surface]]:
    """The surface without bodies smaller than told and the cavities in them, and those bodies."""
    body = bodies(surface.vertices, surface.triangles)
    volumes = body_volumes(surface.vertices, surface.triangles, body)
    crumbs = [_one(surface, body, int(n)) for n in np.flatnonzero((volumes > 0) & (volumes < least_mm3))]
    gone = (volumes > 0) & (volumes < least_mm3)
    for number in np.flatnonzero(volumes <= 0):
        ends = _one(surface, body, int(number)).bounds
        gone[number] = any((ends[0] > c.bounds[0]).all() and (ends[1] < c.bounds[1]).all() for c in crumbs)
    if not gone.any():
        return surface, []
    return surface.with_mesh(*compact(surface.vertices, surface.triangles[~gone[body]])), crumbs


def _one(surface: Surface, body: NDArray[np.int32], number: int) -> Surface:
    return surface.with_mesh(*compact(surface.vertices, surface.triangles[body == number]))


def _outer_bodies(surface: Surface) -> list[Array]:
    """Points on each body, (n, 3) mm, the largest body first."""
    body = bodies(surface.vertices, surface.triangles)
    volumes = body_volumes(surface.vertices, surface.triangles, body)
    order = [n for n in np.argsort(-volumes, kind="stable") if volumes[n] > 0]
    found = [_one(surface, body, int(n)) for n in order]
    return [np.concatenate([each.vertices, surface_samples(each, SPREAD)]) for each in found]


def _tied(points: list[Array], operation: Struts, radius: float, longest: float) -> _Ties:
    """The nearest loose body first, again and again; each to the nearest of those that hang together."""
    from scipy.spatial import cKDTree

    ties, held, waiting = _Ties(), points[0], points[1:]
    while waiting:
        tree = cKDTree(held)
        ways = [tree.query(each) for each in waiting]
        nearest = int(np.argmin([away.min() for away, _ in ways]))
        away, index = ways[nearest]
        body = waiting.pop(nearest)
        if away.min() > longest:
            ties.loose.append(float(away.min()))
            continue
        ties.ends += _ways(body, held[index], away, operation.each, radius, longest)
        held = np.concatenate([held, body])
    return ties


def _ways(
    body: Array, other: Array, away: Array, count: int, radius: float, longest: float
) -> list[tuple[Array, Array]]:
    """The shortest way between two bodies, and further ones that are not much longer, far from each other."""
    fit = away <= min(longest, LONGER * float(away.min()) + radius)
    first = int(away.argmin())
    chosen = [first]
    apart = np.where(fit, np.linalg.norm(body - body[first], axis=1), -1.0)
    while len(chosen) < count and apart.max() >= APART * 2 * radius:
        chosen.append(int(apart.argmax()))
        reach = np.linalg.norm(body - body[chosen[-1]], axis=1)
        apart = np.where(fit, np.minimum(apart, reach), -1.0)
    return [(body[n], other[n]) for n in chosen]


def _rooted(one: Array, two: Array, radius: float) -> tuple[Array, Array]:
    """The ends of a strut that reaches into both bodies."""
    along = two - one
    length = float(np.linalg.norm(along))
    along = along / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])
    return one - ROOT * radius * along, two + ROOT * radius * along


def _along(one: Array, two: Array, radius: float) -> Region:
    """All points within a strut, and a little beyond."""
    start, end = _rooted(one, two, radius)
    along = end - start
    square = float(along @ along)

    def holds(points: Array) -> NDArray[np.bool_]:
        share = np.clip((points - start) @ along / square, 0, 1)
        return np.asarray(np.linalg.norm(points - start - share[:, None] * along, axis=1) <= 1.05 * radius)

    return holds


def _in_box(crumb: Surface) -> Region:
    low, high = crumb.bounds
    return lambda points: np.asarray(((points >= low - 1e-3) & (points <= high + 1e-3)).all(axis=1))


def _findings(part: Part, ties: _Ties, crumbs: list[Surface], operation: Struts, context: Context) -> list[Finding]:
    told = [note("struts", f"{len(ties.ends)} struts of {operation.diameter_mm:g} mm hold loose bodies", part)]
    if crumbs:
        lost = sum(crumb.volume_mm3 for crumb in crumbs)
        words = f"{len(crumbs)} loose bodies of together {lost:.1f} mm³ dropped"
        told.append(note("struts", words, part, Level.WARN, f"each below {operation.smallest_mm3:g} mm³ on the print"))
    if ties.loose:
        words = f"{len(ties.loose)} bodies stay loose, the nearest {min(ties.loose) * context.scale:.1f} mm away"
        told.append(note("struts", words, part, Level.WARN, f"{operation.longest_mm:g} mm", "Raise longest_mm"))
    return told
