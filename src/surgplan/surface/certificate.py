"""The certificate: how far each step of making a surface lies from the boundary in the scan, and whether that will do.

The boundary is found in the voxels (`scan_boundary.py`), by another way than the contour that is judged. From the scan
to the surface: the distance of boundary points to the mesh. From the surface to the scan: at points of the mesh, the
distance to where the interpolated intensity crosses the level, to first order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.changes import ACCEPTED as ACCEPTED
from surgplan.model.changes import REJECTED as REJECTED
from surgplan.model.frames import Array
from surgplan.model.labels import Label, LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.surface.fidelity import FEWEST, Distances, level_distances, summary, surface_samples
from surgplan.surface.ruler import distances_of_few
from surgplan.surface.scan_boundary import Bools, ScanBoundary, scan_boundary

SAMPLES = 20_000
"""Points at which the finished surface is measured, each way; steps on the way to it at a quarter of them."""

MOST_PLACES = 10
"""So many places of lost parts are told."""


@dataclass(frozen=True)
class CertifiedStep:
    """One step's surface against the scan.

    `to_scan`: from the surface to the boundary in the scan; `from_scan`: back. None where nothing could be measured.
    `volume_change` is relative to the contour.
    """

    step: str
    triangles: int
    volume_mm3: float
    volume_change: float
    to_scan: Distances | None
    from_scan: Distances | None


@dataclass(frozen=True)
class Certificate:
    """What is certified of one structure.

    `boundary` says what the surface is held to: `scan` where intensities tell the boundary, `label` where only the
    voxels do: then what exceeds half the distance of two voxels counts. `decided_share` is the share of boundary
    points that the scan decides. `lost_share` is the share of boundary points farther than the largest voxel edge from
    the finished surface, and `lost_places` (LPS mm) are some of them: thin parts that were lost. `dropped_share` was
    left out on purpose, as specks.
    """

    name: str
    boundary: str
    level: float | None
    decided_share: float
    limit_p95_mm: float
    p95_mm: float
    maximum_mm: float
    verdict: str
    steps: tuple[CertifiedStep, ...]
    lost_share: float
    lost_places: tuple[tuple[float, float, float], ...]
    dropped_share: float

    def findings(self) -> tuple[Finding, ...]:
        """A rejection, and parts that were lost."""
        found = []
        if self.verdict == REJECTED:
            measured = f"95 % of the surface lies within {self.p95_mm:.3f} mm of the boundary in the scan"
            advice = "Use a smaller tolerance, allow more triangles, or scan with thinner slices"
            limit = f"{self.limit_p95_mm:g} mm"
            found.append(Finding("certificate", Level.REFUSE, measured, limit, advice, "the recipe", self.name))
        if self.lost_places:
            where = ", ".join(f"{value:.1f}" for value in self.lost_places[0])
            measured = (
                f"{100 * self.lost_share:.2f} % of the boundary has no surface near it, first at ({where}) mm LPS"
            )
            advice = "Look there: a thin part may be lost"
            found.append(Finding("thin parts", Level.WARN, measured, "0 %", advice, "the recipe", self.name))
        return tuple(found)


class Certifier:
    """Holds the surfaces of one structure, step by step, to the boundary in the scan."""

    def __init__(self, volume: Volume | None, labels: LabelMap, label: Label) -> None:
        self._volume, self._labels, self._label = volume, labels, label
        self._gone: Surface | None = None
        self._steps: list[CertifiedStep] = []
        self._lost: Array = np.empty((0, 3))

    def leave_out(self, gone: Surface) -> None:
        """Bodies that were dropped on purpose: the boundary there counts no longer."""
        self._gone = gone if len(gone.vertices) else None

    @cached_property
    def _boundary(self) -> ScanBoundary:
        return scan_boundary(self._volume, self._labels, self._label)

    @cached_property
    def _dropped(self) -> Bools:
        """Which of the thinned boundary's points lie on what was left out; where only the label decides, beside it."""
        some = self._boundary.thinned(SAMPLES)
        if self._gone is None:
            return np.zeros(len(some.points), dtype=bool)
        from scipy.spatial import cKDTree

        away, _ = cKDTree(self._gone.vertices).query(some.points)
        return np.asarray(away < 0.02 * self._labels.grid.spacing.min() + some.slack_mm)

    @cached_property
    def _some(self) -> ScanBoundary:
        return self._boundary.thinned(SAMPLES).without(self._dropped)

    def add(self, step: str, surface: Surface, last: bool = False) -> None:
        """Measure the surface of a step."""
        count = SAMPLES if last else SAMPLES // 4
        boundary = self._some if last else self._some.thinned(count)
        places = boundary.points.astype(np.float64)
        away = distances_of_few(places, surface.vertices, surface.triangles)
        from_scan = np.maximum(away - boundary.slack_mm, 0.0)
        first = self._steps[0].volume_mm3 if self._steps else surface.volume_mm3
        self._steps.append(
            CertifiedStep(
                step=step,
                triangles=len(surface.triangles),
                volume_mm3=surface.volume_mm3,
                volume_change=surface.volume_mm3 / first - 1.0,
                to_scan=self._to_scan(surface, count),
                from_scan=summary(from_scan, places) if len(away) >= FEWEST else None,
            )
        )
        if last:
            self._lost = places[from_scan > self._labels.grid.spacing.max()]

    def _to_scan(self, surface: Surface, count: int) -> Distances | None:
        points = surface_samples(surface, count)
        if self._volume is not None and self._label.level is not None:
            told, away = level_distances(points, self._volume, self._labels, self._label)
            return summary(away, points[told]) if len(away) >= FEWEST else None
        return summary(self._beyond_label(points), points)

    def distances_of(self, points: Array) -> NDArray[np.float32]:
        """(n,) distance, mm, of each point, (n, 3), to the boundary in the scan.

        Where the scan does not decide, only what the distance to the nearest boundary point has beyond a voxel counts.
        """
        away = np.full(len(points), -1.0)
        if self._volume is not None and self._label.level is not None:
            told, found = level_distances(points, self._volume, self._labels, self._label)
            away[told] = found
        open_ = away < 0
        if open_.any():
            away[open_] = self._beyond_label(points[open_])
        return away.astype(np.float32)

    def _beyond_label(self, points: Array) -> Array:
        """(n,) what the distance to the nearest boundary point exceeds half a voxel's diagonal by.

        The boundary runs somewhere through the voxels' neighbourhood: only what exceeds that can be held against them.
        """
        room = float(np.linalg.norm(self._labels.grid.spacing)) / 2
        away, _ = self._tree.query(points)
        return np.where(self._at_the_end(points), 0.0, np.maximum(away - room, 0.0))

    def _at_the_end(self, points: Array) -> NDArray[np.bool_]:
        """(n,) which points lie beyond the scan's outermost voxel centres: there the scan cuts the structure, and the
        flat end of its surface has no boundary to be held to."""
        grid = self._labels.grid
        ijk = grid.ijk_from_lps.apply(points)
        return np.asarray(((ijk < 0) | (ijk > np.array(grid.size) - 1)).any(axis=1))

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self._boundary.points, balanced_tree=False, compact_nodes=False)

    def certificate(self, most_p95_mm: float) -> Certificate:
        """The verdict on the last step that was added."""
        limit = min(most_p95_mm, float(self._labels.grid.spacing.max()) / 2)
        last = [way for way in (self._steps[-1].to_scan, self._steps[-1].from_scan) if way is not None]
        p95 = max((way.p95 for way in last), default=0.0)
        decided = float(self._boundary.decided.mean()) if len(self._boundary.decided) else 0.0
        places = self._lost[:: max(1, len(self._lost) // MOST_PLACES)][:MOST_PLACES]
        return Certificate(
            name=self._label.name,
            boundary="scan" if decided else "label",
            level=self._label.level,
            decided_share=decided,
            limit_p95_mm=limit,
            p95_mm=p95,
            maximum_mm=max((way.maximum for way in last), default=0.0),
            verdict=ACCEPTED if p95 <= limit else REJECTED,
            steps=tuple(self._steps),
            lost_share=len(self._lost) / max(1, len(self._some.points)),
            lost_places=tuple(tuple(place) for place in places.tolist()),
            dropped_share=float(self._dropped.mean()) if len(self._dropped) else 0.0,
        )
