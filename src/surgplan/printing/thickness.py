"""How thick the walls of a solid are, everywhere.

From points spread over the surface a ray goes inward to the wall's other side. The thickness there is the diameter of
the ball that touches the surface at the point and the plane that the ray has hit: where the two sides are parallel
that is the ray's length, where they lean towards each other the ray is too long and the ball is right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.surface import Surface
from surgplan.printing.rays import Rays
from surgplan.surface.fidelity import spread

SAMPLES = 60_000
"""Points at which a large solid is measured: one on each 3 mm² of a skull."""
IN_A_CASE = 20_000
"""The same where a printer's profile is checked and a report is drawn: enough to find a hundredth of the walls within a
few hundredths; on a skull, one within 1.6 mm of half of all vertices."""
FEWEST, EACH = 5000, 2
"""Points for any solid, and further ones for each triangle: a coarse mesh has nothing to find between them."""
START_MM = 1e-4
"""A ray begins so far below the surface, not to hit the triangle that it leaves."""
MOST_LOST = 0.01
"""Within a closed solid every ray ends. When more than this share do not, nothing measured is to be trusted."""
STEEPEST = 0.5
"""Cosine of the largest angle between two sides of one wall, 60°: beyond, the ray has hit a floor or another wall."""
THIN_SHARE = 0.01
"""The thickness that this share of the surface stays below stands for the thinnest wall: ends of ridges taper to 0."""


@dataclass(frozen=True, eq=False)
class Walls:
    """Thickness at points spread evenly by area: `points` (n, 3) and `thickness` (n,), mm; NaN where there is no wall.

    `inward` are the directions, (n, 3), in which it was measured.
    `sample_mm2` is the part of the surface that each point stands for.
    """

    points: Array
    inward: Array
    thickness: Array
    sample_mm2: float

    @property
    def measured(self) -> Array:
        """The thickness where there is a wall, mm."""
        return np.asarray(self.thickness[np.isfinite(self.thickness)])

    @property
    def thin_mm(self) -> float | None:
        """What `THIN_SHARE` of the walls stays below; None where nothing could be measured."""
        return float(np.quantile(self.measured, THIN_SHARE)) if len(self.measured) else None

    @property
    def median_mm(self) -> float | None:
        """Half of the walls are thinner."""
        return float(np.median(self.measured)) if len(self.measured) else None

    def below(self, limit_mm: float) -> tuple[float, Array | None]:
        """The area, mm², of the walls that are thinner than the limit, and the place of the thinnest, (3,)."""
        with np.errstate(invalid="ignore"):
            thin = self.thickness < limit_mm
        place = self.points[np.nanargmin(self.thickness)] if thin.any() else None
        return float(thin.sum() * self.sample_mm2), place


def walls_in_a_case(surface: Surface) -> Walls:
    """Its walls as checks of a print and pictures of a report want them: the same for both, so measured once."""
    return walls(surface, min(IN_A_CASE, FEWEST + EACH * len(surface.triangles)))


def walls(surface: Surface, samples: int | None = None) -> Walls:
    """Measure a closed surface that faces outward, mm in its frame; the same points every time.

    Source: the ray after Shapira, Shamir and Cohen-Or, "Consistent mesh partitioning and skeletonisation using the
    shape diameter function", The Visual Computer 24, 2008; the ball after Ma, Bae and Choi, "3D medial axis point
    approximation using nearest neighbors and the normal field", The Visual Computer 28, 2012.
    """
    samples = samples or min(SAMPLES, FEWEST + EACH * len(surface.triangles))
    points, owners = spread(surface, samples)
    thickness, inward = thickness_at(surface, points, owners)
    return Walls(points, inward, thickness, surface.area_mm2 / samples)


def thickness_at(surface: Surface, points: Array, owners: NDArray[np.int64]) -> tuple[Array, Array]:
    """(n,) thickness, mm, under points, (n, 3), of the triangles `owners`, (n,); and the direction inward, (n, 3).

    NaN where there is no wall, and everywhere when more than `MOST_LOST` of the rays find no end.
    """
    a, b, c = surface.corners.transpose(1, 0, 2)
    inward = -np.cross(b - a, c - a)
    lengths = np.linalg.norm(inward, axis=1, keepdims=True)
    inward /= np.where(lengths > 0, lengths, 1)
    normals = inward[owners]
    far, hit = Rays(surface).first(points + START_MM * normals, normals)
    if np.isnan(far).mean() > MOST_LOST:
        return np.full(len(points), np.nan), normals
    far += START_MM
    facing = -np.einsum("ij,ij->i", normals, inward[hit])
    return np.where(facing >= STEEPEST, far * 2 * facing / (1 + np.maximum(facing, 0)), np.nan), normals
