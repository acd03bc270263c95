"""A registration joined to its files: the transform, and beside it everything that is known of its error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from surgplan.case.point_files import named_frame, read_point_file, refuse_other_scan
from surgplan.case.steps import StepOutput
from surgplan.findings import Finding, Level, verdict, worst
from surgplan.formats.atomic import Written
from surgplan.formats.markups import StoredPoints
from surgplan.formats.point_tables import in_frame
from surgplan.formats.transform_files import write_transform
from surgplan.model.frames import Frame
from surgplan.model.surface import Surface
from surgplan.navigation.register import RegisterParams, Registration, default_moving_frame, register_points
from surgplan.navigation.stage import refuse_outside


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
    worst_target = made.accuracy.worst
    notes = [
        f"Predicted TRE {worst_target.tre_mm:.3f} mm at its worst target (95 %: {worst_target.tre_95_mm:.3f} mm); "
        f"FRE {made.accuracy.fre_mm:.3f} mm at {len(made.pairs)} pairs"
    ]
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


@dataclass(frozen=True)
class Sides:
    """The points that were read: fixed, moving, and targets in either frame."""

    fixed: StoredPoints
    moving: StoredPoints
    targets: tuple[tuple[str, StoredPoints], ...]

    def targets_in(self, frame: Frame) -> list[tuple[str, StoredPoints]]:
        """Name of the file and points."""
        return [(name, stored) for name, stored in self.targets if stored.points.frame == frame]


def register_step(
    request: Request, params: RegisterParams, target: Path, tre_map: Path | None = None
) -> StepOutput[Registration]:
    """Register two files of points; write transform and accuracy.

    Raises
    ------
    BadInput
        A file is broken or of another scan, states no frame, or its points do not determine a transform.
    """
    sides = read_sides(request)
    uids, told = _checked_scans(request, sides)
    surface: Surface | None = None
    if request.surface is not None:
        from surgplan.formats.meshes import read_mesh

        surface, more = read_mesh(request.surface)
        told += more
    made = register_points(
        sides.fixed.points,
        sides.moving.points,
        params,
        (stored.points for _, stored in sides.targets),
        surface,
        request.stated,
    )
    made = replace(made, findings=(*made.findings, *told))
    return write_registration(target, made, uids, (tre_map, surface) if tre_map and surface else None)


def read_sides(request: Request) -> Sides:
    """Read all points; moving ones that lie in the world of another scan get a frame of their own."""
    given = [named_frame(name) if name else None for name in (request.fixed_frame, request.moving_frame)]
    fixed = read_point_file(request.fixed, given[0])
    moving = read_point_file(request.moving, given[1])
    if moving.points.frame == fixed.points.frame and given[1] is None:
        moving = in_frame(moving, default_moving_frame(fixed.points.frame))
    targets = tuple((path.name, read_point_file(path)) for path in request.targets)
    return Sides(fixed, moving, targets)


def _checked_scans(request: Request, sides: Sides) -> tuple[tuple[str, str], tuple[Finding, ...]]:
    """The Frame of Reference UIDs of both sides, once nothing was found to belong to another scan or to lie outside."""
    known = [(request.fixed.name, sides.fixed.frame_of_reference)]
    own = sides.targets_in(sides.fixed.points.frame)
    known += [(name, stored.frame_of_reference) for name, stored in own]
    if request.volume is not None:
        from surgplan.formats.images import read_volume

        scan = read_volume(request.volume)
        known.insert(0, (request.volume.name, scan.frame_of_reference))
        for points in (sides.fixed.points, *(stored.points for _, stored in own)):
            refuse_outside(scan, points)
    others = [(request.moving.name, sides.moving.frame_of_reference)]
    others += [(name, stored.frame_of_reference) for name, stored in sides.targets_in(sides.moving.points.frame)]
    uids = refuse_other_scan(known), refuse_other_scan(others)
    if uids[0] and uids[0] == uids[1]:
        measured = "fixed and moving points have one Frame of Reference UID: they lie in one frame already"
        advice = "A registration between them should be the identity; check that the right files were named"
        return uids, (Finding("same-scan", Level.WARN, measured, advice=advice, source="DICOM PS3.3 C.7.4.1"),)
    return uids, ()
