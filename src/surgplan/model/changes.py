"""What a step did to a surface, measured: distances, and what was changed where it was not meant to be."""

from __future__ import annotations

from dataclasses import dataclass

from surgplan.findings import Finding, Level

ACCEPTED, REJECTED = "accepted", "rejected"

Place = tuple[float, float, float]
"""A point, LPS mm."""


@dataclass(frozen=True)
class Distances:
    """Absolute distances, mm, at `samples` points; `place` (LPS mm) is where the largest one is."""

    samples: int
    mean: float
    rms: float
    p95: float
    maximum: float
    place: tuple[float, float, float]


@dataclass(frozen=True)
class ChangedStep:
    """What a change did to one structure where it was not meant to: distances, mm, in the frame of the surfaces.

    `to_before`: from points of the changed surface outside of the intended places to the surface before;
    `from_before`: back; None where nothing is left outside of them. `intended_share` is the share of the changed
    surface's area within them. `volume_change` is relative to the volume before. `lost_places` are
    some of the places before that have no surface within the limit;  `lost_bodies` tells a
    place in each body that is gone. `scan_maximum_mm` is the most that the changed surface can lie from the boundary in
    the scan: the maximum that was certified before, and what was changed since (None when that is not known).
    """

    name: str
    step: str
    triangles: int
    volume_mm3: float
    volume_change: float
    intended_share: float
    to_before: Distances | None
    from_before: Distances | None
    lost_places: tuple[Place, ...]
    lost_bodies: tuple[Place, ...]
    limit_mm: float
    maximum_mm: float
    scan_maximum_mm: float | None
    verdict: str

    def findings(self) -> tuple[Finding, ...]:
        """A rejection, with the place."""
        if self.verdict == ACCEPTED:
            return ()
        if self.lost_bodies:
            measured = (
                f"{self.step}: {len(self.lost_bodies)} bodies are gone, the first at {_told(self.lost_bodies[0])}"
            )
        else:
            ways = [way for way in (self.to_before, self.from_before) if way is not None]
            worst = max(ways, key=lambda way: way.maximum)
            measured = f"{self.step}: changed by {worst.maximum:.3f} mm at {_told(worst.place)}, where it should not be"
        advice = "Look there, and choose another place or size for the change"
        return (
            Finding("unintended-change", Level.REFUSE, measured, f"{self.limit_mm:g} mm", advice, subject=self.name),
        )


def _told(place: Place) -> str:
    return f"({', '.join(f'{value:.1f}' for value in place)}) mm"
