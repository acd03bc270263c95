"""What a structure's method may look at beside the scan: what the case gives, and the structures found before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding
from surgplan.model.frames import LPS, Array
from surgplan.model.masks import NamedMask
from surgplan.model.points import PointSet
from surgplan.model.volume import Volume
from surgplan.params import nearest
from surgplan.segment.components import LeftOut
from surgplan.segment.mask_params import MaskKey
from surgplan.segment.region import Region


@dataclass(frozen=True, eq=False)
class Given:
    """What only this case has: `case/` fills it from the case file and the files that it names.

    Parameters
    ----------
    landmarks:
        Points of the case file, LPS mm.
    masks:
        Where it comes from and its name there → mask, on any grid in the scan's frame.
    """

    landmarks: PointSet = field(default_factory=lambda: PointSet(()))
    masks: Mapping[MaskKey, NamedMask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.landmarks.frame != LPS:
            raise ValueError(f"landmarks must lie in LPS, not in {self.landmarks.frame}")


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a method works on: the scan, what the case gives, and the structures found so far, helpers too."""

    volume: Volume
    given: Given
    found: Mapping[str, Region]
    memory: dict[Any, Any] = field(default_factory=dict)
    """What a method worked out for one structure and another one can use; never more than a saving of time."""

    def structure(self, name: str, asking: str) -> Region:
        """A structure found before the one that asks for it.

        Raises
        ------
        WrongUsage
            No structure of that name stands before it.
        """
        if name not in self.found:
            found = f"refers to `{name}`, which is no structure that was found before it"
            raise WrongUsage(f"structure `{asking}`", found, advice=nearest(name, [*self.found]))
        return self.found[name]

    def landmark(self, name: str, asking: str) -> Array:
        """(3,) a landmark of the case file, LPS mm, which lies in the scan.

        Raises
        ------
        WrongUsage
            The case file has no landmark of that name.
        BadInput
            It lies outside of the scan.
        """
        known = [point.name for point in self.given.landmarks]
        if name not in known:
            advice = nearest(name, known) if known else f"Add [[landmark]] with name = {name!r} to the case file"
            raise WrongUsage(f"structure `{asking}`", f"needs the landmark `{name}`, which is not given", advice=advice)
        position = self.given.landmarks[name].position
        if not self.volume.grid.contains(position).all():
            x, y, z = position
            low, high = self.volume.grid.corners.min(axis=0), self.volume.grid.corners.max(axis=0)
            reach = " × ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))
            advice = "Check its frame (LPS or RAS) and that it was placed on this scan"
            found = f"lies at ({x:.1f}, {y:.1f}, {z:.1f}) mm LPS, outside of the scan"
            raise BadInput(f"landmark `{name}`", found, f"a place within {reach} mm", advice)
        return position


@dataclass(frozen=True, eq=False)
class Found:
    """One structure: its voxels, the intensity at which its boundary lies (if at any), and what was done for it."""

    region: Region
    level: float | None
    findings: tuple[Finding, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
