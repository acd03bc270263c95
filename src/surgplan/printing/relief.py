"""Strokes as a solid that follows a curved surface: as deep everywhere below it, or as high above it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from surgplan.model.frames import Array

ROUND = 24
"""Sides of a stroke's round end."""
CHORD_MM = 0.008
"""Between the corners of its faces the solid is straight: it may leave the curved surface by so much."""
SHORTEST, LONGEST = 0.5, 4.0
"""Edges of its faces, in widths of a stroke."""
SOFT = 5.0
"""The heights are softened by so many of their steps to tell slopes and bends of the surface from those of facets."""
PLAIN = 0.035
"""The outline may be simplified by this share of a stroke's width: slivers would become triangles that cross."""


@dataclass(frozen=True, eq=False)
class Relief:
    """Strokes on a patch of a surface.

    Parameters
    ----------
    strokes:
        Lines, each (n, 2) mm, right and up in the patch.
    stroke_mm:
        Their width.
    origin, axes:
        (3,) LPS mm, and (3, 3) rows right, up and outward of the patch's frame.
    heights:
        (rows up, columns right) of the surface above the patch's plane, mm, at `start` and then every `pitch` mm.
    low, high:
        Where the solid begins and ends, mm above the surface and across it: negative below.
    """

    strokes: tuple[Array, ...]
    stroke_mm: float
    origin: Array
    axes: Array
    heights: Array
    start: Array
    pitch: float
    low: float
    high: float

    def solid(self) -> Any:
        """The `manifold3d.Manifold`."""
        from manifold3d import CrossSection, OpType

        dot = CrossSection.circle(self.stroke_mm / 2, ROUND)
        pieces = [
            CrossSection.batch_hull([dot.translate(tuple(map(float, here))), dot.translate(tuple(map(float, there)))])
            for stroke in self.strokes
            for here, there in pairwise(stroke)
        ]
        outline = CrossSection.batch_boolean(pieces, OpType.Add).simplify(PLAIN * self.stroke_mm)
        return outline.extrude(1.0).refine_to_length(self._edge()).warp_batch(self._placed)

    def _edge(self) -> float:
        """Longest edge of the faces, mm: short where the surface is curved."""
        soft = _softened(self.heights)
        bends = [np.abs(np.diff(soft, 2, axis=axis)).ravel() / self.pitch**2 for axis in (0, 1)]
        curved = float(np.quantile(np.concatenate(bends), 0.95))
        edge = np.sqrt(8 * CHORD_MM / max(curved, 1e-9))
        return float(np.clip(edge, SHORTEST * self.stroke_mm, LONGEST * self.stroke_mm))

    def _placed(self, points: Array) -> Array:
        """(n, 3) points of the flat solid, between 0 and 1 high, in their places on the surface, LPS mm."""
        right_up = points[:, :2]
        soft = _softened(self.heights)
        slope_up, slope_right = (np.asarray(np.gradient(soft, self.pitch, axis=axis)) for axis in (0, 1))
        steeper = np.sqrt(1 + self._at(slope_up, right_up) ** 2 + self._at(slope_right, right_up) ** 2)
        above = (self.low + points[:, 2] * (self.high - self.low)) * steeper
        height = self._at(self.heights, right_up) + above
        return np.asarray(self.origin + np.column_stack([right_up, height]) @ self.axes)

    def _at(self, grid: Array, right_up: Array) -> Array:
        """(n,) a grid's values between its places."""
        place = np.clip((right_up - self.start) / self.pitch, 0, np.array(grid.shape[::-1]) - 1.000001)
        column, row = np.floor(place).astype(int).T
        right, up = (place - np.floor(place)).T
        low = grid[row, column] * (1 - right) + grid[row, column + 1] * right
        high = grid[row + 1, column] * (1 - right) + grid[row + 1, column + 1] * right
        return np.asarray(low * (1 - up) + high * up)


def _softened(heights: Array) -> Array:
    """Without the facets of the mesh, whose slopes would step."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(heights, SOFT, mode="nearest"))
