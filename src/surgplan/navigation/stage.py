"""Landmarks, fiducial markers and frames: the stage's parameters and its function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding
from surgplan.model.frames import LPS_FROM_RAS, Transform
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.volume import Volume
from surgplan.params import Params


class NavigationParams(Params):
    """What goes to the navigation system."""

    fiducials: Literal["auto", "none"] = Field("auto", description="look for fiducial markers in the scan, or not")
    marker_diameter_mm: tuple[float, float] = Field((3.0, 9.0), description="smallest and largest marker, in mm")
    marker_hu: float = Field(600.0, description="a marker is brighter than this at its centre, in HU")
    min_markers: int = Field(3, ge=1, le=100, description="fewer markers than this are not told: likely false")


@dataclass(frozen=True)
class NavigationPlan:
    """Everything that the navigation bundle holds, in LPS mm.

    `transforms` carry between LPS, RAS, IJK and, when there is a print, PRINT; each knows its frames.
    """

    landmarks: PointSet
    fiducials: PointSet
    trajectories: tuple[Trajectory, ...]
    transforms: tuple[Transform, ...]
    frame_of_reference: str
    findings: tuple[Finding, ...]

    @property
    def points(self) -> PointSet:
        """Landmarks and fiducials in one list."""
        return PointSet((*self.landmarks, *self.fiducials))


def plan_navigation(
    volume: Volume,
    landmarks: PointSet,
    trajectories: Sequence[Trajectory],
    params: NavigationParams,
    print_from_lps: Transform | None,
) -> NavigationPlan:
    """Check that landmarks and trajectories lie in the scan, find its fiducial markers, gather the transforms.

    Raises
    ------
    BadInput
        A landmark, entry or target lies outside of the scan; the message tells how far.
    """
    from surgplan.navigation.fiducials import find_fiducials

    for name, place in _named_places(landmarks, trajectories):
        _refuse_outside(volume, name, place)
    if params.fiducials == "auto":
        taken = {point.name for point in landmarks}
        fiducials, findings = find_fiducials(volume, params, taken)
    else:
        fiducials, findings = PointSet(()), ()
    transforms = [LPS_FROM_RAS, volume.grid.lps_from_ijk]
    transforms += [print_from_lps] if print_from_lps is not None else []
    return NavigationPlan(
        landmarks, fiducials, tuple(trajectories), tuple(transforms), volume.frame_of_reference, findings
    )


def _named_places(
    landmarks: PointSet, trajectories: Iterable[Trajectory]
) -> Iterable[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]]:
    for point in landmarks:
        yield f"landmark {point.name}", point.position
    for path in trajectories:
        yield f"entry of {path.name}", path.entry
        yield f"target of {path.name}", path.target


def _refuse_outside(volume: Volume, name: str, place: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    ijk = volume.grid.ijk_from_lps.apply(place)
    nearest = np.clip(ijk, -0.5, np.array(volume.grid.size) - 0.5)
    away = float(np.linalg.norm(volume.grid.direction @ ((ijk - nearest) * volume.grid.spacing)))
    if away > 1e-6:
        told = ", ".join(f"{value:.1f}" for value in place)
        advice = "Check its frame (LPS or RAS) and that it belongs to this scan"
        raise BadInput(name, f"[{told}] mm LPS lies {away:.1f} mm outside of the scan", "inside", advice)
