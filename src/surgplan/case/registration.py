"""A registration joined to its files: the transform, and beside it everything that is known of its error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from surgplan.case.frames import SCANS
from surgplan.case.point_files import named_frame, read_point_file, refuse_other_scan
from surgplan.case.steps import StepOutput
from surgplan.errors import WrongUsage
from surgplan.findings import Finding, Level, verdict, worst
from surgplan.formats.atomic import Written
from surgplan.formats.markups import StoredPoints
from surgplan.formats.point_tables import in_frame
from surgplan.formats.transform_files import read_transform, write_transform
from surgplan.model.frames import LPS, Frame
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.register import (
    RegisterParams,
    Registration,
    default_moving_frame,
    gravest_first,
    register_points,
)
from surgplan.navigation.registered import RegistrationError
from surgplan.navigation.stage import refuse_outside

MESHES = (".stl", ".ply", ".obj", ".off", ".glb")


def registration_files(target: Path) -> tuple[Path, ...]:
    """What is written for a target: itself, and the JSON with the accuracy."""
    report = target.with_suffix(".json")
    return (target,) if report == target else (target, report)


def write_registration(
    target: Path, made: Registration, uids: tuple[str, str] = ("", ""), tre_map: tuple[Path, Surface] | None = None
) -> StepOutput[Registration]:
    """Write a registration.

    Parameters
    ----------
    target:
        The transform, `.tfm`, `.h5`, `.txt` or `.json`; a JSON of the same stem holds transform, accuracy and findings.
    made:
        What to write. One that a check refused is written too, and says so in each file that has a place for it.
    uids:
        Frame of Reference UIDs of the fixed and the moving side.
    tre_map:
        Where to write the predicted error over a surface, in the fixed frame.
    """
    results = registration_as_dict(made, uids)
    notes = [made.accuracy.summary()]
    if worst(made.findings) is Level.REFUSE:
        notes.insert(0, "REJECTED: do not use. The .json of the same name tells why")
    sides = zip(("fixed", "moving"), uids, strict=True)
    notes += [f"Frame of Reference UID of {which}: {uid}" for which, uid in sides if uid]
    written: list[Written] = []
    for path in registration_files(target):
        written.append(write_transform(path, made.transform, tuple(notes), results))
    if tre_map is not None:
        from surgplan.formats.surface_maps import write_surface_map

        path, surface = tre_map
        written.append(write_surface_map(path, surface, "TRE_mm", made.accuracy.model.rms(surface.vertices)))
    return StepOutput(made, tuple(written), made.findings, results)


def registration_as_dict(made: Registration, uids: tuple[str, str]) -> dict[str, Any]:
    """What the JSON holds besides the transform; the command line prints the same."""
    return {
        "verdict": verdict(made.findings),
        "accuracy": made.accuracy.as_dict(),
        "error_model": RegistrationError.of(made.accuracy.model).model_dump(exclude={"frame_of_reference_uid"}),
        **({"confirmation": made.confirmation.as_dict()} if made.confirmation else {}),
        "findings": [finding.as_dict() for finding in made.findings],
        "frame_of_reference_uids": {"fixed": uids[0], "moving": uids[1]},
    }


@dataclass(frozen=True)
class Request:
    """What a registration is asked for: files, and the frames of those that do not say theirs."""

    moving: Path
    fixed: Path
    targets: tuple[Path, ...] = ()
    stated: tuple[tuple[str, str], ...] = ()
    fixed_frame: str | None = None
    moving_frame: str | None = None
    volume: Path | None = None
    surface: Path | None = None
    start: Path | None = None


@dataclass(frozen=True)
class Side:
    """What was read of one side: points, a surface or a scan, its frame and its Frame of Reference UID."""

    thing: PointSet | Surface | Volume
    frame: Frame
    uid: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Sides:
    """What was read: fixed, moving, and targets in either frame."""

    fixed: Side
    moving: Side
    targets: tuple[tuple[str, StoredPoints], ...]

    def targets_in(self, frame: Frame) -> list[tuple[str, StoredPoints]]:
        """Name of the file and points."""
        return [(name, stored) for name, stored in self.targets if stored.points.frame == frame]


def register_step(
    request: Request, params: RegisterParams, target: Path, tre_map: Path | None = None
) -> StepOutput[Registration]:
    """Register points or a surface to points or a surface; write transform and accuracy.

    Raises
    ------
    BadInput
        A file is broken or of another scan, states no frame, or does not determine a transform.
    Missing
        A confirmation is demanded, and open3d is not there.
    """
    sides = read_sides(request)
    uids, told = _checked_scans(request, sides)
    surface = sides.fixed.thing if isinstance(sides.fixed.thing, Surface) else None
    if request.surface is not None:
        from surgplan.formats.meshes import read_mesh

        surface, more = read_mesh(request.surface)
        told += more
    if tre_map is not None and surface is None:
        raise WrongUsage("--tre-map", "needs a surface", advice="Pass --surface MESH as well")
    made = _registered(request, sides, params, surface)
    made = replace(made, findings=gravest_first((*made.findings, *told, *sides.fixed.findings, *sides.moving.findings)))
    return write_registration(target, made, uids, (tre_map, surface) if tre_map and surface else None)


def _registered(request: Request, sides: Sides, params: RegisterParams, surface: Surface | None) -> Registration:
    from surgplan.navigation.confirm import confirmed, refuse_without_open3d
    from surgplan.navigation.register_scan import register_scans
    from surgplan.navigation.register_surface import register_to_surface

    fixed, moving = sides.fixed.thing, sides.moving.thing
    aims = [stored.points for _, stored in sides.targets]
    start = read_transform(request.start, sides.fixed.frame, sides.moving.frame) if request.start else None
    if params.confirm and not isinstance(fixed, Surface):
        advice = "Leave it out, or say --no-confirm: only points or a mesh laid on a mesh are confirmed by open3d"
        raise WrongUsage("--confirm", f"FIXED is {_kind(fixed)}", "a mesh", advice)
    if isinstance(fixed, Volume) and isinstance(moving, Volume):
        if sides.fixed.frame != LPS:
            advice = "Leave --fixed-frame out: the fixed scan's world is LPS"
            raise WrongUsage("--fixed-frame", f"{sides.fixed.frame} for a scan", "LPS", advice)
        return register_scans(fixed, moving, params, sides.moving.frame, aims, start)
    if isinstance(fixed, Surface) and not isinstance(moving, Volume):
        if params.confirm:
            refuse_without_open3d()
        made = register_to_surface(fixed, moving, params, aims, start)
        return confirmed(made, fixed, moving, any(len(points) for points in aims), params.confirm)
    if not isinstance(fixed, PointSet) or not isinstance(moving, PointSet):
        advice = "Give points and points, points or a mesh and a mesh (as FIXED), or two scans"
        raise WrongUsage(request.fixed, f"is {_kind(fixed)}, and MOVING is {_kind(moving)}", "a pair that fits", advice)
    if start is not None:
        raise WrongUsage("--start", "given for paired points", "none", "Paired points need no start: leave it out")
    return register_points(fixed, moving, params, aims, surface, request.stated)


def _kind(thing: PointSet | Surface | Volume) -> str:
    return {PointSet: "points", Surface: "a mesh", Volume: "a scan"}[type(thing)]


def read_sides(request: Request) -> Sides:
    """Read both sides and all targets; what lies in the world of another scan gets a frame of its own."""
    fixed = _side(request.fixed, request.fixed_frame)
    moving = _side(request.moving, request.moving_frame)
    if moving.frame == fixed.frame and request.moving_frame is None:
        moving = _placed(moving, default_moving_frame(fixed.frame))
    return Sides(fixed, moving, tuple((path.name, read_point_file(path)) for path in request.targets))


def _side(path: Path, name: str | None) -> Side:
    given = named_frame(name) if name else None
    if path.suffix.lower() in SCANS:
        from surgplan.formats.images import read_volume

        volume = read_volume(path)
        return Side(volume, given or LPS, volume.frame_of_reference)
    if path.suffix.lower() in MESHES:
        from surgplan.formats.meshes import read_mesh

        surface, findings = read_mesh(path)
        side = Side(surface, surface.frame, "", findings)
        return _placed(side, given) if given else side
    stored = read_point_file(path, given)
    return Side(stored.points, stored.points.frame, stored.frame_of_reference)


def _placed(side: Side, frame: Frame) -> Side:
    """The same positions said to lie in another frame."""
    thing = side.thing
    if isinstance(thing, Surface):
        thing = replace(thing, frame=frame)
    elif isinstance(thing, PointSet):
        thing = in_frame(StoredPoints(thing), frame).points
    return replace(side, thing=thing, frame=frame)


def _checked_scans(request: Request, sides: Sides) -> tuple[tuple[str, str], tuple[Finding, ...]]:
    """The Frame of Reference UIDs of both sides, once nothing was found to belong to another scan or to lie outside."""
    known = [(request.fixed.name, sides.fixed.uid)]
    own = sides.targets_in(sides.fixed.frame)
    known += [(name, stored.frame_of_reference) for name, stored in own]
    if request.volume is not None:
        from surgplan.formats.images import read_volume

        scan = read_volume(request.volume)
        known.insert(0, (request.volume.name, scan.frame_of_reference))
        own_points = [sides.fixed.thing] if isinstance(sides.fixed.thing, PointSet) else []
        for points in (*own_points, *(stored.points for _, stored in own)):
            refuse_outside(scan, points)
    others = [(request.moving.name, sides.moving.uid)]
    others += [(name, stored.frame_of_reference) for name, stored in sides.targets_in(sides.moving.frame)]
    uids = refuse_other_scan(known), refuse_other_scan(others)
    if uids[0] and uids[0] == uids[1]:
        measured = "fixed and moving points have one Frame of Reference UID: they lie in one frame already"
        advice = "A registration between them should be the identity; check that the right files were named"
        return uids, (Finding("same-scan", Level.WARN, measured, advice=advice, source="DICOM PS3.3 C.7.4.1"),)
    return uids, ()
