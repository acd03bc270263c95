"""A surface that was changed on purpose, certified where it was not meant to be changed.

Hollowing, cutting, engraving or thickening leaves most of an anatomical surface alone. That is measured, not believed:
outside of the intended places, the distance both ways to the surface before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from surgplan.errors import BadInput
from surgplan.model.changes import ACCEPTED, REJECTED, ChangedStep, Distances, Place
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.surface.certificate import MOST_PLACES
from surgplan.surface.fidelity import FEWEST, SAMPLES, summary, surface_samples
from surgplan.surface.regions import Bools, Region, in_any
from surgplan.surface.repair_budget import places_of_lost_bodies
from surgplan.surface.ruler import Ruler

LIMIT_MM = 0.05
"""What is not meant to change may move by so much: far below any printer's layer, far above float32's grain."""

MOST_VERTICES = 200_000
"""Of those that are in one of the two surfaces only, so many are measured at the most, evenly by number."""


def certify_changed(
    step: str,
    before: Surface,
    after: Surface,
    intended: Sequence[Region] = (),
    limit_mm: float = LIMIT_MM,
    scan_maximum_mm: float | None = None,
) -> ChangedStep:
    """Hold a surface that was changed to the one before, outside of the `intended` places.

    Parameters
    ----------
    step:
        What was done: "hollow", "cut", "mark", "thicken".
    before, after:
        The surface that was certified against the scan, and the changed one, in the same frame and at the same scale.
        Of several parts that a cut made, join them first, or give each one with `beyond_plane` as intended.
    intended:
        Where the change was meant to be; see `surgplan.surface.regions`.
    limit_mm:
        Farther than this, a place that was not meant to change makes the verdict `rejected`.
    scan_maximum_mm:
        The maximum of the surface's certificate: adding what was changed since bounds how far the result lies from
        the scan, by the triangle inequality.

    Measured at 20,000 points spread evenly over each surface; the maximum also at the vertices that only one of the
    two has, so that no spike is missed.

    Raises
    ------
    BadInput
        The surfaces lie in different frames, or one of them has no triangles.
    """
    name = before.label.name
    for what, surface in (("before", before), ("after", after)):
        if not len(surface.triangles):
            raise BadInput(name, f"has no triangles {what} the step {step}", advice="Check what was cut away")
    if before.frame != after.frame:
        raise BadInput(name, f"lies in {after.frame}", str(before.frame), "Bring both surfaces to one frame")
    there, back = _points(after, before), _points(before, after)
    ruler = Ruler(after.vertices, after.triangles)
    share, to_before, _ = _held(there, Ruler(before.vertices, before.triangles), intended, limit_mm)
    _, from_before, lost = _held(back, ruler, intended, limit_mm)
    bodies = places_of_lost_bodies(before, ruler, lambda points: in_any(intended, points))
    most = max(way.maximum if way else 0.0 for way in (to_before, from_before))
    return ChangedStep(
        name=name,
        step=step,
        triangles=len(after.triangles),
        volume_mm3=after.volume_mm3,
        volume_change=after.volume_mm3 / before.volume_mm3 - 1.0,
        intended_share=share,
        to_before=to_before,
        from_before=from_before,
        lost_places=_some(lost),
        lost_bodies=bodies,
        limit_mm=limit_mm,
        maximum_mm=most,
        scan_maximum_mm=None if scan_maximum_mm is None else scan_maximum_mm + most,
        verdict=REJECTED if bodies or most > limit_mm else ACCEPTED,
    )


def _held(
    points: Array, ruler: Ruler, intended: Sequence[Region], limit_mm: float
) -> tuple[float, Distances | None, Array]:
    """The share of area that is intended, the distances outside of it, and the places that are beyond the limit.

    The first `SAMPLES` points are spread by area; the others count for the maximum and the places only.
    """
    kept = ~in_any(intended, points)
    even, there = kept[:SAMPLES], points[kept]
    away = ruler(there)
    count = int(even.sum())
    told = None
    if count >= FEWEST:
        worst = int(away.argmax())
        told = replace(
            summary(away[:count], there[:count]), maximum=float(away[worst]), place=tuple(there[worst].tolist())
        )
    return 1.0 - float(even.mean()), told, there[away > limit_mm]


def _points(surface: Surface, other: Surface) -> Array:
    """Points spread over the surface, `SAMPLES` of them, and then its vertices that the other surface has not."""
    own, its = (np.ascontiguousarray(each.vertices).view([("", "f8")] * 3).ravel() for each in (surface, other))
    used = np.zeros(len(own), dtype=bool)
    used[surface.triangles] = True
    alone: Bools = used & ~np.isin(own, its)
    vertices = surface.vertices[alone]
    return np.concatenate([surface_samples(surface, SAMPLES), vertices[:: 1 + len(vertices) // MOST_VERTICES]])


def _some(points: Array) -> tuple[Place, ...]:
    chosen = points[:: max(1, len(points) // MOST_PLACES)][:MOST_PLACES]
    return tuple(tuple(place) for place in chosen.tolist())
