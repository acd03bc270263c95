"""Where a plane cuts a solid: the section as a picture of how deep inside of the material each place lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.shapes import axes_of, unit

PITCH_MM = 0.25
"""Distance of the places, on the print's scale of a few millimetres."""
MOST_PLACES = 4_000_000
"""A larger section is looked at more coarsely."""


@dataclass(frozen=True, eq=False)
class Plane:
    """`normal · x = offset` in LPS mm, with right and up in it: `axes` are the rows right, up, normal."""

    axes: Array
    offset: float

    @classmethod
    def through(cls, point: Array, normal: Array) -> Plane:
        """The plane through a point, (3,) mm, that looks along a normal."""
        axes = axes_of(normal)
        return cls(axes, float(axes[2] @ point))

    @property
    def normal(self) -> Array:
        """(3,) unit vector."""
        return np.asarray(self.axes[2])

    def heights(self, points: Array) -> Array:
        """(n,) how far points, (n, 3), lie beyond the plane, mm."""
        return points @ self.normal - self.offset

    def place(self, right: float, up: float) -> Array:
        """(3,) a point of the plane by its coordinates in it."""
        return np.array([right, up, self.offset]) @ self.axes


@dataclass(frozen=True, eq=False)
class Section:
    """Depth inside of the material, mm, at places of the plane: `depth` (rows up, columns right), 0 outside.

    The first place lies at `start`, right and up in the plane's axes, and the others `pitch` mm apart.
    """

    depth: Array
    start: Array
    pitch: float

    @property
    def area_mm2(self) -> float:
        """The material's area."""
        return float(np.count_nonzero(self.depth) * self.pitch**2)

    def at(self, row: int, column: int) -> tuple[float, float]:
        """A place's coordinates right and up."""
        return float(self.start[0] + column * self.pitch), float(self.start[1] + row * self.pitch)


def segments(surface: Surface, plane: Plane, beyond_mm: float = 0.0) -> Array:
    """(k, 2, 2) pieces of the section's outline, right and up in the plane moved by `beyond_mm` along its normal."""
    height = plane.heights(surface.vertices) - beyond_mm
    above = height >= 0
    beyond = above[surface.triangles].sum(axis=1)
    corners = surface.triangles[(beyond == 1) | (beyond == 2)]
    if not len(corners):
        return np.empty((0, 2, 2))
    # turn each triangle so that its first corner is alone on its side
    side = above[corners]
    alone = np.where(side.sum(axis=1) == 1, side.argmax(axis=1), (~side).argmax(axis=1))
    one, two, three = (corners[np.arange(len(corners)), (alone + step) % 3] for step in range(3))
    ends = []
    for other in (two, three):
        share = (height[one] / (height[one] - height[other]))[:, None]
        ends.append(surface.vertices[one] + share * (surface.vertices[other] - surface.vertices[one]))
    return np.asarray(np.stack(ends, axis=1) @ plane.axes[:2].T)


def section(surface: Surface, plane: Plane, levels_mm: tuple[float, ...] = (0.0,), pitch: float = PITCH_MM) -> Section:
    """How deep places of the plane lie in the material at all of several levels beyond it; empty where it misses."""
    from scipy.ndimage import distance_transform_edt

    outlines = [segments(surface, plane, level) for level in levels_mm]
    drawn = [each.reshape(-1, 2) for each in outlines if len(each)]
    if len(drawn) < len(outlines):
        return Section(np.zeros((1, 1)), np.zeros(2), pitch)
    low, high = np.vstack(drawn).min(axis=0), np.vstack(drawn).max(axis=0)
    pitch = max(pitch, float(np.sqrt(np.prod(high - low) / MOST_PLACES)))
    start = low - 1.5 * pitch
    shape = tuple(int(length) for length in np.ceil((high - start) / pitch)[::-1] + 2)
    inside = np.ones(shape, dtype=bool)
    for outline in outlines:
        inside &= filled(outline, start, pitch, shape)
    return Section(np.asarray(distance_transform_edt(inside) * pitch), start, pitch)


def filled(outline: Array, start: Array, pitch: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(rows, columns) which places lie inside closed outlines, (k, 2, 2): with an odd number of them on the left."""
    ends = (outline - start) / pitch
    first = np.ceil(ends[:, :, 1].min(axis=1)).astype(int)
    count = np.ceil(ends[:, :, 1].max(axis=1)).astype(int) - first  # rows from its lower end to below its upper end
    number = np.repeat(np.arange(len(ends)), count)
    row = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count) + first[number]
    (x0, y0), (x1, y1) = ends[number, 0].T, ends[number, 1].T
    column = np.ceil(x0 + (row - y0) / (y1 - y0) * (x1 - x0)).astype(int)
    crossed = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(crossed, (row, np.clip(column, 0, shape[1])), 1)
    return np.asarray(np.cumsum(crossed, axis=1)[:, :-1] % 2 == 1)


def places(found: Section, depth_mm: float, count: int, apart_mm: float) -> list[tuple[float, float]]:
    """Up to `count` places at least so deep in the material, as far from each other as can be, never nearer than told.

    The first is the farthest from the middle of all that are deep enough; coordinates are right and up.
    """
    rows, columns = np.nonzero(found.depth >= depth_mm)
    if not len(rows):
        return []
    points = np.column_stack([columns, rows]) * found.pitch
    away = np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen: list[int] = []
    while len(chosen) < count:
        number = int(away.argmax())
        if chosen and away[number] < apart_mm:
            break
        chosen.append(number)
        reach = np.linalg.norm(points - points[number], axis=1)
        away = reach if len(chosen) == 1 else np.minimum(away, reach)
    return [found.at(int(rows[n]), int(columns[n])) for n in chosen]


def plane_of_three(points: Array) -> Plane:
    """The plane through three points, (3, 3) mm; `ValueError` when they lie on a line."""
    normal = np.cross(points[1] - points[0], points[2] - points[0])
    longest = float(np.linalg.norm(points - points[0], axis=1).max())
    if np.linalg.norm(normal) < 1e-3 * longest**2 or longest == 0:
        raise ValueError("the three landmarks lie on a line")
    return Plane.through(points[0], unit(normal))
