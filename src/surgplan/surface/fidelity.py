"""How far a surface lies from the contour that it was made from, and from the scan itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgplan.model.changes import Distances as Distances
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.surface.everywhere import Everywhere, Place
from surgplan.surface.ruler import Ruler

SAMPLES = 20_000
"""Points at which a distance between surfaces is measured, each way."""

FAR_MM, FARTHEST_MM = 0.1, 2.0
"""What seems to be farther than the one from a crossing of the level is looked for along lines, up to the other."""

LINE_STEPS = 16
"""Places at which a line is looked at."""

WAYS = np.stack(np.meshgrid(*3 * [[-1.0, 0.0, 1.0]]), axis=-1).reshape(-1, 3)
WAYS = WAYS[WAYS.any(axis=1)] / np.linalg.norm(WAYS[WAYS.any(axis=1)], axis=1, keepdims=True)
"""(26, 3) unit vectors along the grid's axes and diagonals."""

MOST_SEARCHED = 2_000
"""So many places are looked at in this way, those that seem farthest."""

FEWEST = 10
"""Fewer points tell no distance."""


@dataclass(frozen=True)
class Fidelity:
    """What smoothing, simplifying and repair did to one structure.

    `to_contour`: from points of the result to the contour; `from_contour`: from points of the contour to the result;
    both point to surface, the largest everywhere. `to_scan`: at vertices of the result, the first-order distance to
    where the intensity crosses the label's level, by another code path than the contour's; None for masks without
    intensities, or where nothing could be measured. `volume_change` is relative to the contour's volume.
    """

    to_contour: Distances
    from_contour: Distances
    to_scan: Distances | None
    volume_change: float


def fidelity(result: Surface, contour: Contour, volume: Volume | None, labels: LabelMap) -> Fidelity:
    """Measure `result` against the contour of its label and against the scan; all in LPS mm."""
    to_contour, from_contour = contour.both_ways(result)
    return Fidelity(
        to_contour=to_contour,
        from_contour=from_contour,
        to_scan=None if volume is None else distance_to_scan(result, volume, labels),
        volume_change=float(result.volume_mm3 / contour.surface.volume_mm3 - 1.0),
    )


class Contour:
    """A contour, made ready once for measuring many surfaces against it."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self.samples = surface_samples(surface, SAMPLES)
        self._measured: tuple[Surface, Distances, Distances] | None = None

    @cached_property
    def ruler(self) -> Ruler:
        """Made when it is first needed: it takes three times the memory of the surface."""
        return Ruler(self.surface.vertices, self.surface.triangles)

    @cached_property
    def everywhere(self) -> Everywhere:
        """What measures at all vertices, not at samples."""
        return Everywhere(self.surface, self.ruler)

    def both_ways(self, surface: Surface) -> tuple[Distances, Distances]:
        """From points of the surface to the contour, and from points of the contour to the surface."""
        if self._measured is None or not _same_mesh(surface, self._measured[0]):
            there = surface_samples(surface, SAMPLES)
            out, back = self.everywhere.farthest(surface)
            to_contour = _reaching(summary(self.ruler(there), there), out)
            from_contour = _reaching(summary(distance_to(self.samples, surface), self.samples), back)
            self._measured = surface, to_contour, from_contour
        return self._measured[1:]

    def farthest(self, surface: Surface) -> float:
        """The largest distance, mm, found from the surface to the contour and back."""
        return max(way.maximum for way in self.both_ways(surface))


def _reaching(distances: Distances, farthest: Place) -> Distances:
    """The distances with the largest one at a place that may lie farther."""
    most, place = farthest
    return distances if most <= distances.maximum else replace(distances, maximum=most, place=tuple(place.tolist()))


def _same_mesh(one: Surface, two: Surface) -> bool:
    return np.array_equal(one.vertices, two.vertices) and np.array_equal(one.triangles, two.triangles)


def surface_samples(surface: Surface, count: int) -> Array:
    """`count` points spread evenly by area over the surface, (n, 3) mm; the same ones every time."""
    return spread(surface, count)[0]


def spread(surface: Surface, count: int) -> tuple[Array, NDArray[np.int64]]:
    """The points of `surface_samples`, and the triangle that each one lies in, (n,).

    They lie in the triangles in which equal steps of accumulated area end.
    """
    area = np.cumsum(surface.areas, dtype=np.float64)
    steps = (np.arange(count) + 0.5) / count * area[-1]
    chosen = np.minimum(np.searchsorted(area, steps), len(area) - 1)
    # spread within large triangles, which are hit several times, by a low-discrepancy sequence
    golden = (np.arange(count) * np.array([[0.7548776662466927], [0.5698402909980532]])) % 1.0
    u, v = np.where(golden.sum(axis=0) > 1, 1 - golden, golden)
    a, b, c = surface.vertices[surface.triangles[chosen]].transpose(1, 0, 2)
    return np.asarray(a + u[:, None] * (b - a) + v[:, None] * (c - a)), chosen


def distance_to(points: Array, surface: Surface) -> Array:
    """(n,) distance, mm, of each point to the nearest point of the surface."""
    return Ruler(surface.vertices, surface.triangles)(points)


def summary(distances: Array, points: Array) -> Distances:
    """Mean, RMS, 95th percentile and maximum of the distances at the points."""
    worst = int(distances.argmax())
    return Distances(
        samples=len(distances),
        mean=float(distances.mean()),
        rms=float(np.sqrt(np.mean(distances**2))),
        p95=float(np.percentile(distances, 95)),
        maximum=float(distances[worst]),
        place=tuple(points[worst].tolist()),
    )


def distance_to_scan(surface: Surface, volume: Volume, labels: LabelMap) -> Distances | None:
    """Distance of the surface's vertices to the level set; see `level_distances`. None where nothing can be told."""
    points = surface.vertices[:: max(1, len(surface.vertices) // SAMPLES)]
    told, away = level_distances(points, volume, labels, surface.label)
    return summary(away, points[told]) if len(away) >= FEWEST else None


def level_distances(points: Array, volume: Volume, labels: LabelMap, label: Label) -> tuple[NDArray[np.int64], Array]:
    """Numbers of those of the points, (n, 3) LPS mm, where the scan decides, and their distances to the level set, mm.

    To first order, the distance is |intensity − level| / |gradient|. That overestimates by far where the gradient is
    weak, as on the crest of a thin wall; so what seems far is looked for along straight lines (`_along_lines`). The
    scan does not decide beside voxels whose label contradicts the level, outside of the scan, and where the gradient is
    too weak (below a fifth of its median).

    Source: Taubin, "Distance approximations for rasterizing implicit curves", ACM TOG 13(1), 1994.
    """
    level = label.level
    none = np.empty(0, np.int64), np.empty(0)
    if level is None:
        return none
    ijk = volume.grid.ijk_from_lps.apply(points)
    number = np.flatnonzero(((ijk >= 1) & (ijk <= np.array(volume.grid.size) - 3)).all(axis=1))
    number = number[_scan_decides(ijk[number], volume, labels, label.value, level)]
    ijk = ijk[number]
    if len(number) < FEWEST:
        return none
    offset = trilinear(volume.array, ijk) - level
    slopes = []
    for axis in range(3):
        half = np.zeros(3)
        half[axis] = 0.5
        rise = trilinear(volume.array, ijk + half) - trilinear(volume.array, ijk - half)
        slopes.append(rise / volume.grid.spacing[axis])
    steepness = np.linalg.norm(slopes, axis=0)
    steep = steepness > 0.2 * np.median(steepness)
    ijk, offset, steepness = ijk[steep], offset[steep], steepness[steep]
    away = np.abs(offset) / steepness
    seem_far = np.argsort(away)[::-1][:MOST_SEARCHED]
    seem_far = seem_far[away[seem_far] > FAR_MM]
    uphill = (np.array(slopes)[:, steep] / steepness).T
    away[seem_far] = _along_lines(ijk[seem_far], offset[seem_far], away[seem_far], uphill[seem_far], volume, level)
    return number[steep], away


def _along_lines(ijk: Array, offset: Array, away: Array, uphill: Array, volume: Volume, level: float) -> Array:
    """(n,) distance, mm, from each place to where the intensity crosses the level on a straight line from there.

    The nearest crossing along the gradient, `uphill` (n, 3), and along the grid's axes and diagonals; what was there
    before, `away`, when there is none within half as much again. Each crossing is a point of the boundary, so what is
    told is never too little.
    """
    best, top = np.full(len(ijk), np.inf), np.array(volume.grid.size) - 1.0
    reach = np.minimum(1.5 * away, FARTHEST_MM)
    for way in (-np.sign(offset)[:, None] * uphill, *WAYS):
        step = np.broadcast_to(way, ijk.shape) / volume.grid.spacing
        before, at_before = offset, np.zeros(len(ijk))
        for turn in range(1, LINE_STEPS + 1):
            at = reach * turn / LINE_STEPS
            here = trilinear(volume.array, np.clip(ijk + at[:, None] * step, 0, top)) - level
            across = (here > 0) != (before > 0)
            share = np.abs(before) / np.maximum(np.abs(before) + np.abs(here), 1e-12)
            best = np.where(across, np.minimum(best, at_before + share * (at - at_before)), best)
            before, at_before = here, at
    return np.where(np.isfinite(best), best, away)


def _scan_decides(ijk: Array, volume: Volume, labels: LabelMap, value: int, level: float) -> NDArray[np.bool_]:
    """(n,) whether the eight voxels round each point are in the label exactly where they are above the level."""
    cell = np.floor(ijk).astype(np.int64)
    agrees = np.ones(len(ijk), dtype=bool)
    for corner in range(8):
        i, j, k = (cell + np.array([corner & 1, corner >> 1 & 1, corner >> 2])).T
        agrees &= (labels.array[k, j, i] == value) == (volume.array[k, j, i] > level)
    return agrees


def trilinear(array: NDArray[np.generic], ijk: Array) -> Array:
    """(n,) values of a (k, j, i) array at fractional voxel indices, (n, 3) i, j, k, inside of it."""
    cell = np.clip(np.floor(ijk).astype(np.int64), 0, np.array(array.shape[::-1]) - 2)
    part = (ijk - cell).T
    weights = np.stack([1 - part, part])  # (2, 3, n)
    steps = (1, array.shape[2], array.shape[1] * array.shape[2])
    first = cell @ np.array(steps)
    flat = array.ravel()
    total = np.zeros(len(ijk))
    for corner in range(8):
        i, j, k = corner & 1, corner >> 1 & 1, corner >> 2
        weight = weights[i, 0] * weights[j, 1] * weights[k, 2]
        total += weight * np.take(flat, first + (i * steps[0] + j * steps[1] + k * steps[2]))
    return total
