"""Trajectories from files to a file: one path measured, or entries searched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.case.bundle import trajectories_adapter
from surgplan.case.point_files import read_point_file, refuse_other_scan
from surgplan.case.registered import read_registration_error
from surgplan.case.steps import StepOutput
from surgplan.errors import BadInput, WrongUsage, blaming
from surgplan.findings import Finding, Level, verdict
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import StoredPoints
from surgplan.formats.meshes import read_mesh
from surgplan.formats.surface_maps import write_surface_map
from surgplan.model.frames import LPS, Array
from surgplan.model.points import PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.search import Search, SearchParams, entry_map, search_entries
from surgplan.navigation.stage import NavigationParams, refuse_other_scans_error, refuse_outside
from surgplan.navigation.trajectories import BoneLevels, TrajectoryMeasures, judge, measure_trajectory
from surgplan.navigation.tre import ErrorModel
from surgplan.params import nearest

FORMAT, VERSION = "surgplan-trajectories", 1


@dataclass(frozen=True)
class Asked:
    """What the command line names: places are names of points, or three numbers in LPS mm."""

    target: str
    points: Path | None = None
    entry: str | None = None
    patch: Path | None = None
    near: str | None = None
    radius_mm: float | None = None
    avoid: tuple[Path, ...] = ()
    volume: Path | None = None
    entry_map: Path | None = None
    registration: Path | None = None


def trajectories_step(asked: Asked, params: SearchParams, target: Path) -> StepOutput[tuple[TrajectoryMeasures, ...]]:
    """Measure one path, or search entries and measure the best; write it all as JSON.

    Raises
    ------
    BadInput
        A file is broken, of another scan, or in another frame than LPS; a place is unknown or outside of the scan.
    """
    stored = read_point_file(asked.points) if asked.points else StoredPoints(PointSet(()))
    scan, uid = _scan(asked, stored)
    known = stored.points
    if known.frame != LPS:
        raise BadInput(asked.points, f"lies in {known.frame}", "LPS", "Carry the points to the scan's frame first")
    avoid = {surface.label.name: surface for surface in map(_mesh, asked.avoid)}
    if len(avoid) != len(asked.avoid):
        raise WrongUsage("--avoid", "two meshes have one name", advice="Rename one of the files")
    aim = _place(asked.target, known, "--target")
    search: Search | None = None
    written: list[Written] = []
    if asked.patch is not None:
        search = _searched(asked, params, aim, known, avoid, written)
        paths = search.trajectories(params)
    else:
        start = _place(asked.entry or "", known, "--entry")
        with blaming("--entry", "Name two different places"):
            path = Trajectory("path", start, aim, LPS, tuple(avoid), params.margin_mm, params.diameter_mm)
        paths = [path]
    told = NavigationParams()
    levels = BoneLevels(told.bone_hu, told.cortex_hu)
    bodies = tuple(avoid.values())
    error = _error(asked, uid) or params.tre_mm
    made = tuple(measure_trajectory(path, scan, bodies, known, levels, error) for path in paths)
    findings = [found for each, path in zip(made, paths, strict=True) for found in judge(each, path, Level.REFUSE)]
    findings += _none_left(search)
    values = _as_dict(paths, made, search, findings, uid)
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    written.insert(0, write_text(target, text + "\n", lambda path: _same(path, values)))
    return StepOutput(made, tuple(written), tuple(findings), values)


def _error(asked: Asked, uid: str) -> ErrorModel | None:
    """The error of the registration that the path is followed by, when one is named."""
    if asked.registration is None:
        return None
    error = read_registration_error(asked.registration)
    refuse_other_scans_error(asked.registration, error, uid)
    return error.model()


def _scan(asked: Asked, stored: StoredPoints) -> tuple[Volume | None, str]:
    """The scan when it is CT, once the points were found to belong to it, and the Frame of Reference UID."""
    if asked.volume is None:
        return None, stored.frame_of_reference
    from surgplan.formats.images import read_volume

    volume = read_volume(asked.volume)
    names = [(asked.volume.name, volume.frame_of_reference), (str(asked.points), stored.frame_of_reference)]
    uid = refuse_other_scan(names)
    refuse_outside(volume, stored.points)
    return volume if volume.modality is Modality.CT else None, uid


def _mesh(path: Path) -> Surface:
    """A mesh in LPS, called as its file."""
    from dataclasses import replace

    surface = read_mesh(path)[0]
    if surface.frame != LPS:
        raise BadInput(path, f"lies in {surface.frame}", "LPS", "Use the meshes of the case's folder `surfaces`")
    return replace(surface, label=replace(surface.label, name=path.stem))


def _place(told: str, known: PointSet, option: str) -> Array:
    """A point's position, or the three numbers given."""
    names = [point.name for point in known]
    if told in names:
        return known[told].position
    try:
        place = np.array([float(number) for number in told.split(",")])
    except ValueError:
        place = np.empty(0)
    if place.shape != (3,) or not np.isfinite(place).all():
        advice = nearest(told, names) if names else "Give x,y,z in LPS mm, or name a point and pass --points"
        raise WrongUsage(option, f"`{told}` is no point and no place", "a point's name or x,y,z", advice)
    return place


def _searched(
    asked: Asked,
    params: SearchParams,
    aim: Array,
    known: PointSet,
    avoid: Mapping[str, Surface],
    written: list[Written],
) -> Search:
    assert asked.patch is not None
    patch = _mesh(asked.patch)
    middle = _place(asked.near, known, "--near") if asked.near else None
    radius = asked.radius_mm or np.inf
    if asked.entry_map is not None:
        values = entry_map(aim, patch, avoid, params)
        written.append(write_surface_map(asked.entry_map, patch, "clearance_mm", values))
    return search_entries(aim, patch, avoid, params, middle, radius)


def _none_left(search: Search | None) -> list[Finding]:
    if search is None or search.best:
        return []
    told = ", ".join(f"{count} {why}" for why, count in search.counts.items())
    advice = "Loosen --max-angle-deg, --max-length-mm or --margin-mm, or search another patch"
    return [Finding("no-entry", Level.REFUSE, f"none of {search.tried} entries keeps all limits: {told}", "1", advice)]


def _as_dict(
    paths: Sequence[Trajectory],
    made: tuple[TrajectoryMeasures, ...],
    search: Search | None,
    findings: Sequence[Finding],
    uid: str,
) -> dict[str, Any]:
    measured = trajectories_adapter().dump_python(made, mode="json")
    ends = [{"entry_mm": path.entry.tolist(), "target_mm": path.target.tolist()} for path in paths]
    ranked: list[dict[str, Any]] = [{**end, **each} for end, each in zip(ends, measured, strict=True)]
    for n, each in enumerate(search.best if search else ()):
        ranked[n]["angle_to_normal_deg"] = each.angle_deg
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "frame": "LPS",
        "unit": "mm",
        "frame_of_reference_uid": uid,
        "verdict": verdict(findings),
        "trajectories": ranked,
        **({"search": {"tried": search.tried, **search.counts}} if search else {}),
    }


def _same(path: Path, values: dict[str, Any]) -> None:
    if json.loads(path.read_text("utf-8")) != values:
        raise BadInput(path, "reading back gives other values", advice="Report this as a bug")
