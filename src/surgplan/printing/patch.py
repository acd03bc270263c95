"""Where on a surface there is room for letters: places that are flat enough, open to the view, and thick enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.rays import Rays
from surgplan.printing.shapes import axes_of
from surgplan.surface.fidelity import spread

FEWEST, MOST = 2000, 20_000
"""Points that tell the shape of a surface while looking for a patch."""
IN_PATCH = 80
"""So many of them lie in the smallest patch that is looked for, where `MOST` allow it."""
ENOUGH = 250
"""More points round a candidate tell nothing more."""
CANDIDATES = 240
"""Places that are tried as middles."""
TURNS_DEG = (0, -30, 30, -60, 60, 90, -90)
"""How letters may be turned from upright."""
UPRIGHT, NEAR = 0.1, 0.5
"""A degree of turning, and a millimetre from where the letters are wanted, count as so many degrees of tilt."""
STEEPEST_DEG = 32.0
"""The surface may lean so much within a patch: letters on steeper places cannot be read from one side."""
JUMP_MM = 1.2
"""A larger step between rays half a millimetre apart is an edge."""
TRIED = 12
"""So many of the flattest candidates are looked at closely."""
COARSE_MM, FINE = 0.6, 200
"""Rays of the close look are so far apart; the final ones a FINE-th of the patch's length."""
FINE_MM = 0.15
SUPERIOR, ANTERIOR = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Patch:
    """A place for letters: `origin` (3,) is its lower left end, `axes` rows right, up, outward; LPS mm.

    `heights` (rows up, columns right) of the surface above its plane, from `start` on every `pitch` mm; `thinnest` is
    the least material below, `tilt_deg` how far the surface leans within it.
    """

    origin: Array
    axes: Array
    heights: Array
    start: Array
    pitch: float
    thinnest: float
    tilt_deg: float


@dataclass(frozen=True)
class Wish:
    """What a patch must be: size, mm; material below; near a point; facing a direction (its least cosine is 0.5)."""

    width: float
    height: float
    material: float
    near: Array | None = None
    within: float = np.inf
    facing: Array | None = None


class Finder:
    """A surface made ready once for finding patches of several sizes."""

    def __init__(self, surface: Surface, smallest_mm2: float) -> None:
        from scipy.spatial import cKDTree

        count = int(np.clip(IN_PATCH * surface.area_mm2 / smallest_mm2, FEWEST, MOST))
        self.points, owners = spread(surface, count)
        a, b, c = surface.corners[owners].transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        self.normals = normals / np.where(lengths > 0, lengths, 1)
        self.spacing = float(np.sqrt(surface.area_mm2 / count))
        self.longest = float(np.linalg.norm(np.ptp(self.points, axis=0)))
        self.tree = cKDTree(self.points)
        self.rays = Rays(surface)
        self._open = np.zeros(len(self.points), np.int8)
        """Whether a sample is open to the view: 1 yes, −1 no, 0 not known yet."""

    def find(self, wish: Wish) -> Patch | None:
        """The flattest patch that fulfils the wish; None where there is none."""
        if np.hypot(wish.width, wish.height) > self.longest:
            return None
        scored = []
        for number in self._candidates(wish):
            scored += self._tilts(int(number), wish)
        scored.sort(key=lambda each: each[0])
        for _, middle, axes in scored[:TRIED]:
            patch = self._looked_at(middle, axes, wish, COARSE_MM)
            if patch is not None:
                fine = max(FINE_MM, wish.width / FINE)
                return self._looked_at(middle, axes, wish, fine) or patch
        return None

    def _candidates(self, wish: Wish) -> NDArray[np.int64]:
        """Samples that may be the middle of a patch, spread evenly."""
        fit = np.ones(len(self.points), dtype=bool)
        if wish.near is not None:
            fit &= np.linalg.norm(self.points - wish.near, axis=1) <= wish.within
        if wish.facing is not None:
            fit &= self.normals @ wish.facing >= 0.5
        numbers = np.flatnonzero(fit)
        numbers = numbers[:: max(1, len(numbers) // CANDIDATES)]
        unknown = numbers[self._open[numbers] == 0]
        starts = self.points[unknown] + 0.05 * self.normals[unknown]
        away, _ = self.rays.first(starts, self.normals[unknown])
        self._open[unknown] = np.where(np.isnan(away), 1, -1)
        return numbers[self._open[numbers] > 0]

    def _tilts(self, number: int, wish: Wish) -> list[tuple[float, Array, Array]]:
        """Score, middle and axes of each turning in which samples cover the patch and lean little."""
        reach = np.hypot(wish.width, wish.height) / 2 + self.spacing
        near = np.sort(np.array(self.tree.query_ball_point(self.points[number], reach)))
        step = max(1, len(near) // ENOUGH)
        near, apart = near[::step], self.spacing * np.sqrt(step)
        near = near[self.normals[near] @ self.normals[number] > 0.5]
        if len(near) < 3:
            return []
        out = self.normals[near].mean(axis=0)
        base = axes_of(out, up_for(out))
        flat = (self.points[near] - self.points[number]) @ base.T
        lean = np.degrees(np.arccos(np.clip(self.normals[near] @ base[2], -1, 1)))
        always = np.hypot(flat[:, 0], flat[:, 1]) <= min(wish.width, wish.height) / 2
        if not always.any() or np.quantile(lean[always], 0.8) > STEEPEST_DEG:
            return []
        found = []
        away = 0.0 if wish.near is None else NEAR * float(np.linalg.norm(self.points[number] - wish.near))
        for turn in TURNS_DEG:
            angle = np.radians(turn)
            turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            place = flat[:, :2] @ turned.T
            inside = (np.abs(place) <= np.array([wish.width, wish.height]) / 2 + apart / 2).all(axis=1)
            if inside.sum() < 3:
                continue
            tilt = float(np.quantile(lean[inside], 0.95))
            if tilt <= STEEPEST_DEG and _covered(place[inside], wish, apart):
                axes = np.vstack([turned @ base[:2], base[2]])
                found.append((tilt + away + UPRIGHT * abs(turn), self.points[number], axes))
        return found

    def _looked_at(self, middle: Array, axes: Array, wish: Wish, pitch: float) -> Patch | None:
        """The patch by rays from outside; None where one misses, the surface jumps, leans, is hidden or too thin."""
        size = np.array([wish.width, wish.height])
        count = np.ceil(size / pitch).astype(int) + 3
        start = -size / 2 - pitch
        right, up = (start[axis] + pitch * np.arange(count[axis]) for axis in (0, 1))
        grid = np.stack(np.meshgrid(right, up), axis=-1).reshape(-1, 2)
        above = np.hypot(*size) / 2 + 2
        starts = middle + grid @ axes[:2] + above * axes[2]
        length, _ = self.rays.first(starts, -axes[2], 2 * above)
        if np.isnan(length).any():
            return None
        heights = (above - length).reshape(count[::-1])
        # a smooth surface: no jumps, and nowhere steeper than told
        slopes = np.hypot(*np.gradient(heights, pitch))
        steps = max(np.abs(np.diff(heights, axis=0)).max(), np.abs(np.diff(heights, axis=1)).max())
        tilt = float(np.degrees(np.arctan(np.quantile(slopes, 0.98))))
        if steps > max(JUMP_MM, pitch * np.tan(np.radians(60))) or tilt > STEEPEST_DEG:
            return None
        corners = np.array([0, count[0] - 1, len(grid) - count[0], len(grid) - 1, len(grid) // 2])
        if np.isfinite(self.rays.first(starts[corners], axes[2])[0]).any():
            return None  # something stands before it
        places = starts - length[:, None] * axes[2]
        every = max(1, round(COARSE_MM / pitch)) if pitch < COARSE_MM else 1
        below, _ = self.rays.first((places - 1e-3 * axes[2])[::every], -axes[2])
        thinnest = float(np.nanmin(below)) if np.isfinite(below).any() else 0.0
        if thinnest < wish.material:
            return None
        origin = middle - size / 2 @ axes[:2]
        return Patch(origin, axes, heights, start + size / 2, pitch, thinnest, tilt)


def _covered(place: Array, wish: Wish, apart: float) -> bool:
    """Whether samples lie all over the patch, none of the cells of a few samples' size empty."""
    cell = 2.5 * apart
    size = np.array([wish.width, wish.height])
    count = np.maximum(1, np.floor(size / cell)).astype(int)
    if len(place) < count.prod():
        return False
    cells = np.clip(np.floor((place + size / 2) / (size / count)), 0, count - 1).astype(int)
    return bool(len(np.unique(cells[:, 0] * count[1] + cells[:, 1])) == count.prod())


def up_for(normal: Array) -> Array:
    """The direction in which letters stand on a patch: superior, or anterior on a patch that faces up or down."""
    return ANTERIOR if abs(normal[2]) > 0.8 * np.linalg.norm(normal) else SUPERIOR
