"""How a part is turned before it is placed: as the patient stands, or as some 250 directions are weighed.

For each direction that could be up, the overhangs are summed from points spread over the surface: their area, and as
support the room below them, down to the plate for all directions, and down to the part itself for the best dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from surgplan.model.frames import Array, Transform
from surgplan.model.plate import scale_of
from surgplan.model.surface import Surface
from surgplan.printing.nest import about_vertical, smallest_rectangle_deg
from surgplan.printing.printers import Printer
from surgplan.printing.rays import Rays
from surgplan.surface.fidelity import spread

Orientation = Literal["standing", "support", "height", "faces"]
SideName = Literal["left", "right", "anterior", "posterior", "superior", "inferior"]
TOWARDS: dict[str, tuple[float, float, float]] = {
    "left": (1, 0, 0),
    "right": (-1, 0, 0),
    "posterior": (0, 1, 0),
    "anterior": (0, -1, 0),
    "superior": (0, 0, 1),
    "inferior": (0, 0, -1),
}
"""Directions in LPS."""
FACING = 0.5
"""Cosine of the angle within which a place of the surface faces a side: 60°."""
SAMPLES = 5000
SPHERE = 200
"""Directions spread evenly; the axes of the body and the largest facets of its hull are tried as well."""
FACETS = 40
CLOSELY = 12
"""So many of the best are measured again with rays."""
ON_PLATE_MM = 0.3
"""What lies this low stands on the plate."""
UNSTEADY = 0.05
"""A print that would tip over needs support even where nothing overhangs: it counts as this share of the hull."""


@dataclass(frozen=True)
class Weighed:
    """What a direction costs: support below overhangs, mm³; height, mm; overhangs on the faces to spare, mm²."""

    up: tuple[float, float, float]
    support_mm3: float
    height_mm: float
    spared_mm2: float

    def key(self, aim: Orientation) -> tuple[float, ...]:
        """What is compared, rounded so that noise decides nothing; the direction itself settles what is left."""
        support, height, faces = round(self.support_mm3, 1), round(self.height_mm, 2), round(self.spared_mm2, 1)
        order = {"height": (height, support), "faces": (faces, support, height)}.get(aim, (support, height))
        return (*order, *(-value for value in self.up[::-1]))


def turned(
    objects: Sequence[Surface], aim: Orientation, spare: Sequence[str], printer: Printer, scale: float
) -> tuple[Array, Weighed]:
    """(3, 3) turn from LPS to PRINT of bodies that keep their places, and what it costs at the scale of the print.

    The same bodies give the same turn. Directions in which the print would not fit the printer are taken only where
    it fits in none.
    """
    weighing = _Weighing(objects, spare, printer, scale)
    standing = np.array([[0.0, 0.0, 1.0]])
    if aim == "standing":
        return np.eye(3), weighing.weighed(standing, closely=True)[0]
    ups = np.vstack([_axes(), _sphere(), weighing.facets()])
    rough = weighing.weighed(ups)
    room = sorted(printer.build_volume_mm[:2])

    def rank(each: Weighed) -> tuple[float, ...]:
        flat = weighing.hull @ _turn_to(np.array(each.up)).T
        sizes = sorted(np.ptp(flat[:, :2] @ _squared(flat[:, :2]).T, axis=0) * scale)
        fits = each.height_mm <= printer.build_volume_mm[2] and sizes[0] <= room[0] and sizes[1] <= room[1]
        return (float(not fits), *each.key(aim))

    best = sorted(rough, key=rank)[:CLOSELY]
    closely = weighing.weighed(np.array([each.up for each in best]), closely=True)
    chosen = min(closely, key=rank)
    turn = _turn_to(np.array(chosen.up))
    flat = weighing.hull @ turn.T
    squared = np.eye(3)
    squared[:2, :2] = _squared(flat[:, :2])
    return squared @ turn, chosen


class _Weighing:
    """Bodies made ready once for weighing many directions."""

    def __init__(self, objects: Sequence[Surface], spare: Sequence[str], printer: Printer, scale: float) -> None:
        lean = printer.overhang_deg
        self.steep = None if lean is None else np.sin(np.radians(lean))
        self.objects, self.scale = objects, scale
        places, normals, areas = [], [], []
        total = sum(each.area_mm2 for each in objects)
        for each in objects:
            count = max(100, round(SAMPLES * each.area_mm2 / total))
            where, owners = spread(each, count)
            a, b, c = each.corners[owners].transpose(1, 0, 2)
            normal = np.cross(b - a, c - a)
            lengths = np.linalg.norm(normal, axis=1, keepdims=True)
            places.append(where)
            normals.append(normal / np.where(lengths > 0, lengths, 1))
            areas.append(np.full(count, each.area_mm2 / count))
        self.places, self.normals, self.areas = np.vstack(places), np.vstack(normals), np.concatenate(areas)
        sides = np.array([TOWARDS[name] for name in spare]).reshape(-1, 3)
        self.spared = ((self.normals @ sides.T) >= FACING).any(axis=1)
        self.middle = self.areas @ self.places / self.areas.sum()

    @cached_property
    def hull(self) -> Array:
        """(n, 3) the corners of the bodies' convex hull."""
        from scipy.spatial import ConvexHull

        points = np.vstack([each.vertices[np.unique(each.triangles)] for each in self.objects])
        hull = ConvexHull(points)
        self.hull_mm3 = float(hull.volume)
        return np.asarray(points[hull.vertices])

    def facets(self) -> Array:
        """(n, 3) the directions that are up when the body lies on one of the largest facets of its hull."""
        from scipy.spatial import ConvexHull

        hull = ConvexHull(self.hull)
        a, b, c = self.hull[hull.simplices].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        normals = np.round(hull.equations[:, :3], 3)
        unique, owner = np.unique(normals, axis=0, return_inverse=True)
        sums = np.bincount(owner.ravel(), area)
        largest = unique[np.argsort(-np.round(sums, 3), kind="stable")[:FACETS]]
        return np.asarray(-largest / np.linalg.norm(largest, axis=1, keepdims=True))

    def weighed(self, ups: Array, closely: bool = False, steadied: bool = True) -> list[Weighed]:
        """Each of the directions, (n, 3); `closely` with the room below overhangs down to the part itself.

        `steadied` counts support also for what would tip over.
        """
        found = []
        for up in ups:
            heights = self.hull @ up
            low, high = heights.min(), heights.max()
            above = self.places @ up - low
            facing = -(self.normals @ up)
            none = np.zeros(len(above), bool)
            hanging = none if self.steep is None else (facing > self.steep + 1e-6) & (above > ON_PLATE_MM / self.scale)
            room = above[hanging]
            if closely and hanging.any():
                room = np.minimum(room, self._down(self.places[hanging] - 1e-3 * up, -up, float(high - low) + 1))
            support = float((self.areas * facing)[hanging] @ room) * self.scale**3
            spared = float(self.areas[hanging & self.spared].sum()) * self.scale**2
            if steadied and self.steep is not None and not self._stands(up, heights - low):
                support += UNSTEADY * self.hull_mm3 * self.scale**3
            x, y, z = map(float, up)
            found.append(Weighed((x, y, z), support, float(high - low) * self.scale, spared))
        return found

    def _stands(self, up: Array, heights: Array) -> bool:
        """Whether the middle of the surface lies above what touches the plate: seen from it, that is on all sides."""
        touching = self.hull[heights <= ON_PLATE_MM / self.scale] - self.middle
        flat = touching @ _turn_to(up)[:2].T
        angles = np.sort(np.arctan2(flat[:, 1], flat[:, 0]))
        return bool(np.diff(np.append(angles, angles[0] + 2 * np.pi)).max() < np.pi)

    def _down(self, starts: Array, way: Array, reach: float) -> Array:
        """(n,) how far it is from points along one way to the next surface, mm; `reach` where there is none."""
        found = np.full(len(starts), reach)
        for each in self.rays:
            found = np.fmin(found, each.first(starts, way, reach)[0])
        return found

    @cached_property
    def rays(self) -> list[Rays]:
        """The bodies, made ready for rays."""
        return [Rays(each) for each in self.objects]


def _axes() -> Array:
    return np.array([TOWARDS["superior"], *(way for name, way in TOWARDS.items() if name != "superior")], np.float64)


def _sphere() -> Array:
    """(n, 3) directions spread evenly: the points of a golden spiral."""
    number = np.arange(SPHERE) + 0.5
    height = 1 - 2 * number / SPHERE
    angle = np.pi * (1 + np.sqrt(5)) * number
    beside = np.sqrt(1 - height**2)
    return np.column_stack([beside * np.cos(angle), beside * np.sin(angle), height])


def _turn_to(up: Array) -> Array:
    """(3, 3) proper turn after which `up` points along z, by the shortest way."""
    z = np.array([0.0, 0.0, 1.0])
    cosine = float(up @ z)
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(up, z)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def _squared(flat: Array) -> Array:
    """(2, 2) the turn after which the rectangle round points, (n, 2), is smallest."""
    return about_vertical(smallest_rectangle_deg(flat))[:2, :2]


def support_room_mm3(objects: Sequence[Surface], places: Sequence[Transform], printer: Printer) -> float:
    """The room below overhangs, mm³ on the print, of all copies: down to the plate or to the part itself."""
    weighing = _Weighing(objects, (), printer, scale_of(places[0]))
    ups = [place.linear[2] / np.linalg.norm(place.linear[2]) for place in places]
    known: dict[tuple[float, ...], float] = {}
    for up in ups:
        key = tuple(np.round(up, 9))
        if key not in known:
            known[key] = weighing.weighed(up[None], closely=True, steadied=False)[0].support_mm3
    return sum(known[tuple(np.round(up, 9))] for up in ups)
