"""How much a repair changed: distance both ways, volume, area, bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgplan.model.changes import Place
from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.surface.fidelity import distance_to, surface_samples
from surgplan.surface.ruler import Ruler
from surgplan.surface.topology import bodies, is_closed

SAMPLES = 10_000
"""Points at which the distance is measured, each way."""

PER_BODY = 20
"""Triangles of each body of which some points are looked up: a bar has corners at its ends only."""

LOST = 0.05
"""A body is lost when all that is looked up of it lies farther from the result than this share of its own size."""

FELT_MM, FELT_PERCENT = 1e-3, 1e-3
"""Smaller changes are those of rounding."""


@dataclass(frozen=True)
class Change:
    """What a repair changed.

    `added_mm` and `lost_mm` are the largest distances from the result to what was given and back, with their places
    (frame of the mesh); `bodies_lost` are places of bodies of which nothing is left.
    A body is a part whose triangles hang together. Volume is compared where the given mesh was closed; else
    `volume_percent` is None.
    """

    added_mm: float
    added_at: Place
    lost_mm: float
    lost_at: Place
    volume_percent: float | None
    area_percent: float
    bodies_lost: tuple[Place, ...]
    bodies_before: int
    bodies_after: int

    @property
    def is_felt(self) -> bool:
        """Whether more was changed than rounding changes."""
        moved = max(self.added_mm, self.lost_mm) > FELT_MM or self.bodies_before != self.bodies_after
        return moved or abs(self.volume_percent or 0.0) > FELT_PERCENT

    def beyond(self, distance_mm: float, volume_percent: float, area_percent: float) -> str:
        """In words, what goes beyond the limits; empty when nothing does."""
        found = []
        for way, most, place in (("added", self.added_mm, self.added_at), ("lost", self.lost_mm, self.lost_at)):
            if most > distance_mm:
                where = ", ".join(f"{value:.1f}" for value in place)
                found.append(f"would have {way} a part {most:.2f} mm away at ({where}), beyond {distance_mm:g} mm")
        if self.volume_percent is not None and abs(self.volume_percent) > volume_percent:
            found.append(f"would change the volume by {self.volume_percent:+.1f} %, beyond {volume_percent:g} %")
        if abs(self.area_percent) > area_percent:
            found.append(f"would change the area by {self.area_percent:+.1f} %, beyond {area_percent:g} %")
        if self.bodies_lost:
            where = ", ".join(f"{value:.1f}" for value in self.bodies_lost[0])
            found.append(f"would lose {len(self.bodies_lost)} bodies, the first at ({where})")
        return " and ".join(found)

    def __str__(self) -> str:
        volume = "" if self.volume_percent is None else f", volume {self.volume_percent:+.3f} %"
        most, place = max((self.added_mm, self.added_at), (self.lost_mm, self.lost_at))
        where = f" at ({', '.join(f'{value:.1f}' for value in place)})" if most > 1e-4 else ""
        told = f"at most {most:.4f} mm{where}{volume}, area {self.area_percent:+.3f} %"
        if self.bodies_before != self.bodies_after:
            told += f", {self.bodies_before} bodies before and {self.bodies_after} after"
        return told


def measured_change(before: Surface, after: Surface) -> Change:
    """Compare a mesh with what it was made from."""
    ruler = Ruler(after.vertices, after.triangles)
    there, back = surface_samples(after, SAMPLES), surface_samples(before, SAMPLES)
    added, lost = distance_to(there, before), ruler(back)
    volume = None
    if before.volume_mm3 > 0 and is_closed(before.triangles, len(before.vertices)):
        volume = 100 * (after.volume_mm3 / before.volume_mm3 - 1)
    return Change(
        added_mm=float(added.max()),
        added_at=tuple(there[added.argmax()].tolist()),
        lost_mm=float(lost.max()),
        lost_at=tuple(back[lost.argmax()].tolist()),
        volume_percent=volume,
        area_percent=100 * (after.area_mm2 / before.area_mm2 - 1),
        bodies_lost=places_of_lost_bodies(before, ruler),
        bodies_before=_count(before),
        bodies_after=_count(after),
    )


def _count(surface: Surface) -> int:
    return int(bodies(surface.vertices, surface.triangles).max()) + 1


def places_of_lost_bodies(
    before: Surface, ruler: Ruler, excused: Callable[[Array], NDArray[np.bool_]] | None = None
) -> tuple[Place, ...]:
    """A place in each body of which nothing is left: not of those that lie, as a whole, where `excused` holds."""
    body = bodies(before.vertices, before.triangles)
    order = np.argsort(body, kind="stable")
    starts = np.searchsorted(body[order], np.arange(int(body.max()) + 2))
    lost: list[Place] = []
    for first, end in pairwise(starts.tolist()):
        corners = before.vertices[before.triangles[order[first:end]]]
        size = float(np.linalg.norm(np.ptp(corners.reshape(-1, 3), axis=0)))
        some = _points(corners)
        if ruler(some).min() > LOST * size and not (excused is not None and excused(some).all()):
            lost.append(tuple(some[0].tolist()))
    return tuple(lost)


def _points(corners: Array) -> Array:
    """(k, 3) points of `PER_BODY` triangles, corners (m, 3, 3), in which equal steps of accumulated area end."""
    a, b, c = corners.transpose(1, 0, 2)
    area = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    steps = (np.arange(PER_BODY) + 0.5) / PER_BODY * area[-1]
    some = corners[np.minimum(np.searchsorted(area, steps), len(area) - 1)]
    return np.concatenate([some[:, 0], some.mean(axis=1), *((some[:, n] + some[:, n - 1]) / 2 for n in range(3))])
