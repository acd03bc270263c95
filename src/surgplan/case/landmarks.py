"""Lists of landmarks converted, renamed, matched, carried and found, from files to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from surgplan.case.point_files import named_frame, read_point_file, refuse_other_scan, write_point_file
from surgplan.case.steps import StepOutput
from surgplan.errors import BadInput, WrongUsage, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.markups import StoredPoints
from surgplan.formats.transform_files import read_transform
from surgplan.model.frames import LPS, LPS_FROM_RAS, RAS, Frame
from surgplan.model.points import PointSet
from surgplan.navigation.anatomy import RULES, Near, find_anatomical
from surgplan.navigation.pairs import normalised
from surgplan.navigation.register import RegisterParams
from surgplan.navigation.stage import refuse_outside


@dataclass(frozen=True)
class LandmarkWork:
    """What shall be done with landmarks, in this order."""

    files: tuple[Path, ...] = ()
    frame: str | None = None
    surface: Path | None = None
    find: tuple[str, ...] = ()
    atlas: Path | None = None
    rename: tuple[str, ...] = ()
    match: Path | None = None
    match_how: str = "normalised"
    carry: Path | None = None
    volume: Path | None = None


def landmark_step(work: LandmarkWork, target: Path) -> StepOutput[PointSet]:
    """Read, find or carry over, rename, match, carry and check landmarks; write them.

    Raises
    ------
    BadInput
        A file is broken, of another scan or in another frame, a landmark lies outside of the scan, or none are left.
    WrongUsage
        Things that do not go together.
    """
    stored, findings = _gathered(work)
    stored = stored._replace(points=_renamed(stored.points, work.rename))
    if work.match is not None:
        points, told = matched(stored.points, read_point_file(work.match).points, work.match_how)
        stored, findings = stored._replace(points=points), [*findings, *told]
    if work.carry is not None:
        transform = read_transform(work.carry)
        if transform.moving != stored.points.frame and transform.fixed == stored.points.frame:
            transform = transform.inverse()
        if transform.moving != stored.points.frame:
            found = f"leads from {transform.moving} to {transform.fixed}"
            raise BadInput(work.carry, found, f"{stored.points.frame}", "Use the transform of these points")
        stored = StoredPoints(transform @ stored.points)
    if stored.points.frame == RAS:
        stored = stored._replace(points=LPS_FROM_RAS @ stored.points)
    if work.volume is not None:
        stored = _in_scan(work.volume, stored)
    if not len(stored.points):
        raise BadInput("landmarks", "none are left", "one or more", "Check the names")
    written = write_point_file(target, stored)
    return StepOutput(stored.points, (written,), tuple(findings), _results(stored))


def _results(stored: StoredPoints) -> dict[str, Any]:
    return {
        "frame": {"name": stored.points.frame.name, "scope": stored.points.frame.scope},
        "frame_of_reference_uid": stored.frame_of_reference,
        "points": [
            {"name": p.name, "position_mm": p.position.tolist(), "uncertainty_mm": p.uncertainty_mm}
            for p in stored.points
        ],
    }


def _gathered(work: LandmarkWork) -> tuple[StoredPoints, list[Finding]]:
    given = named_frame(work.frame) if work.frame else None
    stored = [(path.name, read_point_file(path, given)) for path in work.files]
    uid = refuse_other_scan((name, each.frame_of_reference) for name, each in stored)
    points = [each.points for _, each in stored]
    if work.surface is None:
        if work.find or work.atlas:
            raise WrongUsage("--find, --atlas", "need a surface", advice="Pass --on MESH as well")
        return StoredPoints(_joined(points), uid), []
    from surgplan.formats.meshes import read_mesh

    surface, findings = read_mesh(work.surface)
    told = list(findings)
    if work.atlas is not None:
        from surgplan.navigation.atlas import carry_landmarks

        atlas, more = read_mesh(work.atlas)
        own = Frame(surface.frame.name, "atlas")
        theirs = PointSet([replace(p, frame=own) for p in _joined(points)], own)
        carried, doubts = carry_landmarks(surface, replace(atlas, frame=own), theirs, RegisterParams(max_tre_mm=100))
        points, told, uid = [carried], [*told, *more, *doubts], ""
    found = [p for rule in work.find for p in find_anatomical(surface, *_rule(rule))]
    return StoredPoints(_joined([*points, PointSet(found, surface.frame)]), uid), told


def _joined(lists: Sequence[PointSet]) -> PointSet:
    frames = {points.frame for points in lists if len(points)}
    if len(frames) > 1:
        told = " and ".join(sorted(map(str, frames)))
        raise BadInput("landmarks", f"lie in {told}", "one frame", "Carry one list to the other's frame first")
    with blaming("landmarks", "Rename one of them"):
        return PointSet([point for points in lists for point in points], frames.pop() if frames else LPS)


def _rule(told: str) -> tuple[str, str, Near | None]:
    """`NAME=RULE` or `NAME=RULE@x,y,z,reach`."""
    name, _, rest = told.partition("=")
    rule, sign, place = rest.partition("@")
    try:
        numbers = [float(part) for part in place.split(",")] if sign else []
    except ValueError:
        numbers = [0.0]
    if not name.strip() or rule not in RULES or len(numbers) not in (0, 4):
        expected = f"NAME=RULE or NAME=RULE@x,y,z,reach with a rule of {', '.join(RULES)}"
        raise WrongUsage(f"--find {told}", "is no rule", expected, "Correct it")
    near = Near((numbers[0], numbers[1], numbers[2]), numbers[3]) if numbers else None
    return name.strip(), rule, near


def _renamed(points: PointSet, renames: Sequence[str]) -> PointSet:
    names = {}
    for each in renames:
        old, sign, new = each.partition("=")
        if not sign or not new.strip() or old not in {point.name for point in points}:
            known = ", ".join(point.name for point in list(points)[:8])
            raise WrongUsage(f"--rename {each}", "names no landmark", f"OLD=NEW, OLD of {known}", "Check the name")
        names[old] = new.strip()
    with blaming("--rename", "Choose another name"):
        return PointSet([replace(p, name=names.get(p.name, p.name)) for p in points], points.frame)


def matched(points: PointSet, like: PointSet, how: str) -> tuple[PointSet, tuple[Finding, ...]]:
    """The points that `like` names too, called as there and in its order; what did not match is listed.

    Raises
    ------
    BadInput
        Two points have one normalised name.
    """
    key = normalised if how == "normalised" else str
    own: dict[str, str] = {}
    for point in points:
        if key(point.name) in own:
            found = f"{own[key(point.name)]!r} and {point.name!r} have one normalised name"
            raise BadInput("landmarks", found, "different ones", "Rename one, or use --match-how exact")
        own[key(point.name)] = point.name
    kept = [replace(points[own[key(p.name)]], name=p.name) for p in like if key(p.name) in own]
    theirs = {key(point.name) for point in like}
    findings = []
    for which, alone in (
        ("landmarks have", [point.name for point in points if key(point.name) not in theirs]),
        ("names of the other list have", [point.name for point in like if key(point.name) not in own]),
    ):
        if alone:
            measured = f"{len(alone)} {which} no partner: {', '.join(alone)}"
            findings.append(Finding("not-matched", Level.WARN, measured, advice="They were left out"))
    return PointSet(kept, points.frame), tuple(findings)


def _in_scan(path: Path, stored: StoredPoints) -> StoredPoints:
    from surgplan.formats.images import read_volume

    if stored.points.frame != LPS:
        advice = "Carry them to LPS first: --with TRANSFORM"
        raise BadInput("landmarks", f"lie in {stored.points.frame}", "LPS, where the scan is", advice)
    scan = read_volume(path)
    uid = refuse_other_scan([(path.name, scan.frame_of_reference), ("the landmark file", stored.frame_of_reference)])
    refuse_outside(scan, stored.points)
    return stored._replace(frame_of_reference=uid)
