"""Landmarks, fiducial markers and frames: the stage's parameters and its function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import LPS, LPS_FROM_RAS, PRINT, Array, Frame, Transform, same_frame
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.registered import RegistrationError
from surgplan.navigation.trajectories import BoneLevels, TrajectoryMeasures, judge, measure_trajectory
from surgplan.params import Params

NO_ERRORS: Mapping[str, RegistrationError] = MappingProxyType({})

INSIDE_MM = 1e-6
"""A point on the outermost face of the scan's outermost voxel lies in the scan."""


class NavigationParams(Params):
    """What goes to the navigation system."""

    fiducials: Literal["auto", "none", "spheres", "donuts", "screws"] = Field(
        "auto", description="markers to look for in the scan: auto is spheres and donuts; screws only when asked for"
    )
    marker_diameter_mm: tuple[float, float] = Field((3.0, 9.0), description="smallest and largest sphere, in mm")
    marker_hu: float = Field(600.0, ge=-500, le=3000, description="a sphere is brighter than this, in HU")
    skin_mm: float = Field(5.0, ge=0, le=500, description="how deep below the skin a marker may lie, in mm")
    min_markers: int = Field(
        3, ge=1, le=100, description="fewer markers of a kind than this are left out: likely false"
    )
    donut_diameter_mm: tuple[float, float] = Field((10.0, 20.0), description="smallest and largest donut, in mm")
    donut_hole_mm: tuple[float, float] = Field((2.5, 7.0), description="smallest and largest hole of a donut, in mm")
    donut_hu: float = Field(200.0, ge=-500, le=3000, description="a donut is brighter than this, in HU")
    donut_point: Literal["middle", "skin"] = Field(
        "middle", description="a donut's point: the middle of the ring, or the skin on its axis, under the hole"
    )
    screw_diameter_mm: tuple[float, float] = Field((1.0, 3.0), description="thinnest and thickest screw, in mm")
    screw_length_mm: tuple[float, float] = Field((3.0, 12.0), description="shortest and longest screw, in mm")
    screw_hu: float = Field(1500.0, ge=-500, le=3000, description="a screw is brighter than this, in HU")
    screw_point: Literal["head", "tip", "middle"] = Field(
        "head", description="a screw's point: the middle of its outer face, of its inner face, or of its whole length"
    )
    broken_margin: Literal["refuse", "warn"] = Field(
        "refuse", description="what a trajectory is that comes nearer to a structure than its margin"
    )
    tre_mm: float = Field(
        0.0, ge=0, le=50, description="registration error to expect on trajectories (root mean square), in mm; 0: none"
    )
    bone_hu: float = Field(300.0, ge=-500, le=3000, description="bone on a trajectory is brighter than this, in HU")
    cortex_hu: float = Field(700.0, ge=-500, le=3000, description="cortex on a trajectory is brighter, in HU")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for key in ("marker_diameter_mm", "donut_diameter_mm", "donut_hole_mm", "screw_diameter_mm", "screw_length_mm"):
            smallest, largest = getattr(self, key)
            if not 0.5 <= smallest <= largest <= 50:
                raise ValueError(f"{key} [{smallest:g}, {largest:g}] is not two lengths in order, 0.5 to 50 mm")
        if self.donut_hole_mm[0] >= self.donut_diameter_mm[1]:
            raise ValueError("donut_hole_mm is wider than any donut of donut_diameter_mm")
        if self.cortex_hu < self.bone_hu:
            raise ValueError(f"cortex_hu {self.cortex_hu:g} lies below bone_hu {self.bone_hu:g}")
        return self


@dataclass(frozen=True, eq=False)
class NavigationPlan:
    """Everything that the navigation bundle holds, in LPS mm.

    `transforms` carry between LPS, RAS, IJK and, when there is a print, PRINT; each knows its frames.

    Raises
    ------
    FrameMismatch
        A point or trajectory does not lie in LPS.
    ValueError
        A landmark and a fiducial have one name, or two transforms lead between the same frames.
    """

    landmarks: PointSet
    fiducials: PointSet
    trajectories: tuple[Trajectory, ...]
    transforms: tuple[Transform, ...]
    frame_of_reference: str
    findings: tuple[Finding, ...]
    measures: tuple[TrajectoryMeasures, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "trajectories", tuple(self.trajectories))
        object.__setattr__(self, "transforms", tuple(self.transforms))
        same_frame(PointSet((), LPS), self.points, *self.trajectories)
        pairs = [frozenset((each.fixed, each.moving)) for each in self.transforms]
        if len(set(pairs)) != len(pairs):
            raise ValueError("two transforms lead between the same frames")

    @property
    def points(self) -> PointSet:
        """Landmarks and fiducials in one list."""
        return PointSet((*self.landmarks, *self.fiducials))


def plan_navigation(
    volume: Volume,
    landmarks: PointSet,
    trajectories: Sequence[Trajectory],
    params: NavigationParams,
    placings: Sequence[Transform],
    surfaces: Sequence[Surface] | None = None,
    errors: Mapping[str, RegistrationError] = NO_ERRORS,
) -> NavigationPlan:
    """Check that points lie in the scan, find its fiducial markers, measure trajectories, gather the transforms.

    Parameters
    ----------
    volume:
        The scan.
    landmarks, trajectories:
        In LPS mm.
    params:
        How to look for markers.
    placings:
        From LPS to the build plate: one, one for each part that stands apart, or none when nothing was printed.
    surfaces:
        The structures that trajectories may have to avoid; None when there are none to measure.
    errors:
        Trajectory → the error of the registration by which it is followed; the others have `params.tre_mm`.

    Raises
    ------
    BadInput
        A landmark, entry or target lies outside of the scan; the message tells how far. A structure to avoid
        has no surface. A registration belongs to another scan.
    FrameMismatch
        Something does not lie in LPS, or the print's transform does not lead from there to the build plate.
    """
    from surgplan.navigation.fiducials import find_fiducials

    same_frame(PointSet((), LPS), landmarks, *trajectories)
    for name, place in _named_places(landmarks, trajectories):
        _refuse_outside(volume, name, place)
    names = [path.name for path in trajectories]
    if len(set(names)) != len(names):
        raise BadInput("trajectories", f"two are named {max(names, key=names.count)!r}", advice="Rename one of them")
    fiducials, findings = PointSet(()), tuple[Finding, ...]()
    if params.fiducials != "none":
        fiducials, findings = find_fiducials(volume, params, {point.name for point in landmarks})
    transforms = [LPS_FROM_RAS, volume.grid.lps_from_ijk]
    for each in placings:
        plate = Frame(PRINT.name, each.fixed.scope)  # which part of which plate
        # composing with the identities of both frames is what checks them
        transforms.append(Transform.identity(plate, plate) @ each @ Transform.identity(LPS, LPS))
    measures, told = _measured(volume, landmarks, trajectories, params, surfaces, errors)
    findings += (*told, *_told_reference(volume))
    uid = volume.frame_of_reference
    return NavigationPlan(landmarks, fiducials, tuple(trajectories), tuple(transforms), uid, findings, measures)


def _measured(
    volume: Volume,
    landmarks: PointSet,
    trajectories: Sequence[Trajectory],
    params: NavigationParams,
    surfaces: Sequence[Surface] | None,
    errors: Mapping[str, RegistrationError],
) -> tuple[tuple[TrajectoryMeasures, ...], list[Finding]]:
    levels, broken = BoneLevels(params.bone_hu, params.cortex_hu), Level(params.broken_margin)
    scan = volume if volume.modality is Modality.CT else None
    measures, findings = [], []
    for path in trajectories:
        known = errors.get(path.name)
        if known is not None:
            refuse_other_scans_error(f"registration of {path.name}", known, volume.frame_of_reference)
        error = known.model() if known else params.tre_mm
        measures.append(measure_trajectory(path, scan, surfaces, landmarks, levels, error))
        findings += judge(measures[-1], path, broken)
        if path.avoid and surfaces is None:
            measured = f"distances to {', '.join(path.avoid)} were not measured: no surfaces are at hand"
            findings.append(Finding("trajectory-unmeasured", Level.WARN, measured, subject=path.name))
    return tuple(measures), findings


def refuse_other_scans_error(subject: object, error: RegistrationError, uid: str) -> None:
    """`BadInput` when a registration leads to another scan than the one with this Frame of Reference UID."""
    known = error.frame_of_reference_uid
    if known and uid and known != uid:
        advice = "Register to this scan"
        raise BadInput(subject, f"leads to another scan: Frame of Reference UID {known}", uid, advice)


def _named_places(landmarks: PointSet, trajectories: Sequence[Trajectory]) -> Iterator[tuple[str, Array]]:
    for point in landmarks:
        yield f"landmark {point.name}", point.position
    for path in trajectories:
        yield f"entry of {path.name}", path.entry
        yield f"target of {path.name}", path.target
        yield f"end of {path.name}", path.end


def refuse_outside(volume: Volume, points: PointSet) -> None:
    """`BadInput` when a point, LPS mm, lies outside of the scan; it tells which and how far."""
    for point in points:
        _refuse_outside(volume, point.name, point.position)


def _refuse_outside(volume: Volume, name: str, place: Array) -> None:
    ijk = volume.grid.ijk_from_lps.apply(place)
    nearest = np.clip(ijk, -0.5, np.array(volume.grid.size) - 0.5)
    away = float(np.linalg.norm((ijk - nearest) * volume.grid.spacing))
    if away > INSIDE_MM:
        told = ", ".join(f"{value:.1f}" for value in place)
        advice = "Check its frame (LPS or RAS) and that it belongs to this scan"
        raise BadInput(name, f"[{told}] mm LPS lies {away:.1f} mm outside of the scan", "inside", advice)


def _told_reference(volume: Volume) -> Iterator[Finding]:
    if not volume.frame_of_reference:
        measured = "the scan has no Frame of Reference UID: nothing ties these positions to it but the file names"
        advice = "Give the DICOM series instead of a converted file, if there is one"
        yield Finding("frame-of-reference", Level.NOTE, measured, advice=advice, source="DICOM PS3.3 C.7.4.1")
