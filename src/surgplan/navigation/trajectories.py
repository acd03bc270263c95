"""Planned straight paths, measured: what they keep away from and by how much, their angles, and the bone on their way.

All lengths are mm in LPS. Clearances are those of the instrument, a cylinder with round ends (a flat end reaches less
far, so the figures err to the safe side); with a registration's error they are those of the corridor that holds the
whole instrument in 95 of 100 cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.segment_distance import nearest_to_segment
from surgplan.navigation.tre import ErrorModel
from surgplan.params import nearest

SHARE = 0.95
DRAWS, SEED = 20_000, 20_240_229
"""Draws of a registration's error, the same each time: its 95th percentile is then known within about 1 %."""

FINE = 0.25
"""Samples along the path lie this part of the shortest voxel edge apart."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Clearance:
    """How a path keeps away from one structure.

    `axis_mm` is the distance of its axis, 0 where that goes through the structure, `inside_mm` the axis' length within
    it; `clearance_mm` is what is left beside the instrument, `clearance_95_mm` beside the corridor (None without a
    registration's error); negative: it reaches into the structure. `depth_mm` tells where along the path.
    """

    structure: str
    axis_mm: float
    clearance_mm: float
    clearance_95_mm: float | None
    margin_mm: float
    depth_mm: float
    nearest_mm: Vector
    inside_mm: float


@dataclass(frozen=True)
class Corridor:
    """How far a registration's error moves a path sideways, mm, not passed in 95 of 100 cases.

    `radius_mm` holds for the whole path at once, the others for its two ends.
    """

    radius_mm: float
    at_entry_mm: float
    at_end_mm: float


@dataclass(frozen=True)
class Stretch:
    """A stretch of the path, by depth from the entry, mm."""

    kind: str
    from_mm: float
    to_mm: float


@dataclass(frozen=True)
class TrajectoryMeasures:
    """Everything measured of one path.

    Angles are those of its direction with the sagittal, coronal and axial plane (0 to 90°), and with the named axis.
    `profile_hu` are intensities sampled trilinearly every `profile_step_mm` from the entry on.
    """

    name: str
    length_mm: float
    depth_mm: float
    diameter_mm: float
    sagittal_deg: float
    coronal_deg: float
    axial_deg: float
    axis_deg: float | None
    clearances: tuple[Clearance, ...]
    corridor: Corridor | None
    bone: tuple[Stretch, ...]
    bone_mm: float
    cortex_mm: float
    profile_step_mm: float
    profile_hu: tuple[float, ...]


@dataclass(frozen=True)
class BoneLevels:
    """From which intensity on there is bone, and cortex, HU."""

    bone_hu: float
    cortex_hu: float


def measure_trajectory(
    path: Trajectory,
    volume: Volume | None,
    surfaces: Sequence[Surface] | None,
    landmarks: PointSet,
    levels: BoneLevels,
    error: ErrorModel | float = 0.0,
) -> TrajectoryMeasures:
    """Measure one path.

    Parameters
    ----------
    path, landmarks:
        In LPS.
    volume:
        The scan, for the bone on the way; None leaves that out.
    surfaces:
        The structures that it may have to avoid; None when there are none to measure.
    levels:
        What is bone.
    error:
        A registration's error model in LPS, or its TRE as one number (root mean square, alike everywhere, mm).

    Raises
    ------
    BadInput
        A structure to avoid has no surface, or the axis names no landmark.
    """
    corridor = find_corridor(path, error)
    step, hu = _profile(path, volume)
    stretches = bone_stretches(np.array(hu), step, levels) if hu else ()
    by_kind = {kind: sum(each.to_mm - each.from_mm for each in stretches if each.kind == kind) for kind in KINDS}
    sagittal, coronal, axial = np.degrees(np.arcsin(np.minimum(np.abs(path.direction), 1.0))).tolist()
    return TrajectoryMeasures(
        path.name,
        path.length_mm,
        path.reach_mm,
        path.diameter_mm,
        sagittal,
        coronal,
        axial,
        _axis_angle(path, landmarks),
        tuple(_clearance(path, name, surfaces, corridor) for name in path.avoid) if surfaces is not None else (),
        corridor,
        stretches,
        by_kind["bone"] + by_kind["cortex"],
        by_kind["cortex"],
        step,
        tuple(hu),
    )


def find_corridor(path: Trajectory, error: ErrorModel | float) -> Corridor | None:
    """The corridor of a registration's error; None when there is none.

    The error is a small rigid motion, so the shift grows along the path as a straight line does, and its sideways
    length is greatest at one of the ends: holding both ends is holding all of the path.
    """
    if isinstance(error, float | int):
        if error == 0:
            return None
        rms = float(error) * np.sqrt(-2 * np.log(1 - SHARE) / 3)  # Rayleigh: two of three directions are sideways
        return Corridor(rms, rms, rms)
    from surgplan.navigation.fit import motion

    ends = np.array([path.entry, path.end])
    rng = np.random.default_rng(SEED)
    values, vectors = np.linalg.eigh(error.motion_covariance)
    draws = rng.standard_normal((DRAWS, len(values))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    if np.isfinite(error.degrees):
        draws *= np.sqrt(error.degrees / rng.chisquare(error.degrees, DRAWS))[:, None]
    shifts = np.einsum("eij,dj->dei", motion(ends - error.middle, error.scaled), draws)
    sideways = np.linalg.norm(shifts - (shifts @ path.direction)[..., None] * path.direction, axis=2)
    radius, first, second = (np.quantile(each, SHARE) for each in (sideways.max(axis=1), *sideways.T))
    return Corridor(float(radius), float(first), float(second))


def _axis_angle(path: Trajectory, landmarks: PointSet) -> float | None:
    if not path.axis:
        return None
    known = [point.name for point in landmarks]
    for name in path.axis:
        if name not in known:
            raise BadInput(path.name, f"its axis names {name!r}, which is no landmark", advice=nearest(name, known))
    axis = landmarks[path.axis[1]].position - landmarks[path.axis[0]].position
    length = float(np.linalg.norm(axis))
    if length == 0:
        raise BadInput(path.name, "its axis leads from a point to itself", "two places", "Name two landmarks apart")
    return float(np.degrees(np.arccos(np.clip(path.direction @ axis / length, -1, 1))))


def _clearance(path: Trajectory, name: str, surfaces: Sequence[Surface], corridor: Corridor | None) -> Clearance:
    found = [surface for surface in surfaces if surface.label.name == name and len(surface.triangles)]
    if not found:
        known = [surface.label.name for surface in surfaces]
        told = f"avoids `{name}`, which has no surface"
        raise BadInput(path.name, told, advice=nearest(name, known) if known else "Give the structures' surfaces")
    near = nearest_to_segment(path.entry, path.end, found[0])
    beside = near.distance_mm - path.diameter_mm / 2
    x, y, z = near.on_mesh.tolist()
    depth = float(np.linalg.norm(near.on_segment - path.entry))
    wide = None if corridor is None else beside - corridor.radius_mm
    return Clearance(name, near.distance_mm, beside, wide, path.margin_mm, depth, (x, y, z), near.inside_mm)


KINDS = ("bone", "cortex")


def _profile(path: Trajectory, volume: Volume | None) -> tuple[float, list[float]]:
    """Step, mm, and intensities along the path; none without a scan, and none beyond its edge."""
    from scipy.ndimage import map_coordinates

    if volume is None:
        return 0.0, []
    count = int(np.ceil(path.reach_mm / (FINE * float(volume.grid.spacing.min())))) + 1
    step = path.reach_mm / (count - 1)
    places = path.entry + np.linspace(0, path.reach_mm, count)[:, None] * path.direction
    places = places[volume.grid.contains(places)]
    index = volume.grid.ijk_from_lps.apply(places).T[::-1]
    # only the part of the scan that the path crosses: a copy of the whole in float64 would take gigabytes
    low = np.maximum(np.floor(index.min(axis=1)).astype(int), 0)
    high = np.ceil(index.max(axis=1)).astype(int) + 2
    part = volume.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float64)
    return step, map_coordinates(part, index - low[:, None], order=1, mode="nearest").tolist()


def bone_stretches(hu: Array, step_mm: float, levels: BoneLevels) -> tuple[Stretch, ...]:
    """Where the path runs in bone and in cortex: (n,) samples, ends between two samples by linear interpolation."""
    cortex = _above(hu, step_mm, levels.cortex_hu)
    found = [Stretch("cortex", a, b) for a, b in cortex]
    for a, b in _above(hu, step_mm, levels.bone_hu):
        at = a
        for low, high in [each for each in cortex if each[0] < b and each[1] > a] + [(b, b)]:
            if low > at:
                found.append(Stretch("bone", at, low))
            at = max(at, high)
    return tuple(sorted(found, key=lambda each: each.from_mm))


def _above(hu: Array, step_mm: float, level: float) -> list[tuple[float, float]]:
    """Runs of samples at or above a level, from and to, mm."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (hu >= level).astype(int), [0]])))
    runs = []
    for start, stop in edges.reshape(-1, 2).tolist():
        low, high = float(start), float(stop - 1)
        if start > 0:
            low -= (hu[start] - level) / (hu[start] - hu[start - 1])
        if stop < len(hu):
            high += (hu[stop - 1] - level) / (hu[stop - 1] - hu[stop])
        runs.append((float(low * step_mm), float(high * step_mm)))
    return runs


def judge(measures: TrajectoryMeasures, path: Trajectory, broken: Level) -> list[Finding]:
    """What to tell of a path: a broken margin at the level `broken`, one that the error may break as a warning."""
    findings = []
    for each in measures.clearances:
        limit = f"{each.margin_mm:g} mm"
        at = ", ".join(f"{value:.1f}" for value in each.nearest_mm)
        where = f"nearest at [{at}] mm LPS, {each.depth_mm:.1f} mm from the entry"
        if each.clearance_mm < each.margin_mm or each.inside_mm > 0:
            measured = f"{each.clearance_mm:.2f} mm from {each.structure}, {where}"
            if each.axis_mm == 0:
                measured = f"goes through {each.structure}, {each.inside_mm:.1f} mm within it, {where}"
            advice = "Move entry or target; `surgplan trajectories --search` finds entries that keep the margin"
            findings.append(Finding("trajectory-margin", broken, measured, limit, advice, "plan", path.name))
        elif each.clearance_95_mm is not None and each.clearance_95_mm < each.margin_mm:
            measured = f"{each.clearance_95_mm:.2f} mm from {each.structure} with the error in 95 of 100 cases, {where}"
            level = broken if each.clearance_95_mm < 0 else Level.WARN
            advice = "Register better (more fiducials, nearer to the target), or choose another path"
            findings.append(Finding("trajectory-corridor", level, measured, limit, advice, "plan", path.name))
    if path.reach_mm < path.length_mm - 0.01:
        measured = f"ends {path.length_mm - path.reach_mm:.1f} mm short of the target"
        advice = "Raise depth_mm, or leave it out to reach the target"
        findings.append(Finding("trajectory-depth", Level.WARN, measured, advice=advice, subject=path.name))
    return findings
