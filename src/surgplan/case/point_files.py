"""Lists of points from and to every format that people keep them in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from surgplan.case.bundle import FORMAT as PLAN_FORMAT
from surgplan.case.bundle import read_plan
from surgplan.case.casefile import LandmarkEntry
from surgplan.case.toml_files import read_toml, write_toml
from surgplan.errors import BadInput, SurgplanError, WrongUsage, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import StoredPoints, read_markups, text_of, write_fcsv, write_mrk_json
from surgplan.formats.point_tables import FORMAT as POINTS_FORMAT
from surgplan.formats.point_tables import in_frame, read_csv, read_points_json, write_csv, write_points_json
from surgplan.model.frames import LPS, RAS, Frame
from surgplan.model.points import PointSet

READ = ".mrk.json .json .fcsv .csv .toml .xml, or a case folder"
WRITTEN = ".mrk.json .fcsv .csv .json .toml"
KNOWN = {"LPS": LPS, "RAS": RAS}


def named_frame(name: str) -> Frame:
    """The frame of a name given on the command line: `LPS`, `RAS`, `tracker`, or `LPS:second scan` with a scope."""
    word, _, scope = name.partition(":")
    try:
        return Frame(KNOWN[word.upper()].name if word.upper() in KNOWN else word, scope)
    except ValueError as error:
        raise WrongUsage(f"frame `{name}`", str(error), advice="Give it a short printable name") from None


def read_point_file(path: Path, frame: Frame | None = None) -> StoredPoints:
    """The points of a case folder, case file, plan, markups, fiducial list, table or PLUS configuration.

    Parameters
    ----------
    path:
        The file or folder.
    frame:
        Where its points lie, for files that do not say. One that says LPS or RAS may be given a scope (`LPS` of a
        second scan); any other contradiction is refused.

    Raises
    ------
    BadInput
        Not such a file, no frame, another unit, positions that are no finite numbers, two points of one name.
    """
    if frame is not None and frame.scope and frame.name in KNOWN:
        stored = read_point_file(path, None if _says(path) else Frame(frame.name))
        return in_frame(stored, Frame(stored.points.frame.name, frame.scope))
    return _read(path, frame)


def _says(path: Path) -> bool:
    """Whether a file states its frame by itself."""
    try:
        _read(path, None)
    except SurgplanError:
        return False
    return True


def _read(path: Path, frame: Frame | None) -> StoredPoints:
    if path.is_dir():
        return _stated(path, _from_plan(path / "navigation" / "plan.json"), frame)
    ending = path.suffix.lower()
    if ending == ".csv":
        return read_csv(path, frame)
    if ending == ".fcsv":
        return read_markups(path, frame)
    if ending == ".toml":
        return _stated(path, _from_case_file(path), frame)
    if ending == ".xml":
        return _stated(path, _from_plus(path), frame)
    if ending == ".json":
        return _from_json(path, frame)
    raise BadInput(path, f"ends in `{path.suffix[:20]}`", READ, "Convert it to one of these")


def _from_json(path: Path, frame: Frame | None) -> StoredPoints:
    try:
        whole = json.loads(text_of(path))
    except (ValueError, RecursionError):
        return read_markups(path, frame)  # it tells what is wrong with it
    kind = whole.get("format") if isinstance(whole, dict) else None
    if kind == PLAN_FORMAT:
        return _stated(path, _from_plan(path), frame)
    return read_points_json(path, frame) if kind == POINTS_FORMAT else read_markups(path, frame)


def _from_plan(path: Path) -> StoredPoints:
    plan = read_plan(path)
    return StoredPoints(plan.points, plan.frame_of_reference)


def _from_case_file(path: Path) -> StoredPoints:
    entries = read_toml(path).get("landmark", [])
    if not isinstance(entries, list) or not entries:
        raise BadInput(path, "has no [[landmark]]", "one or more", "Name a case file with landmarks")
    points = [LandmarkEntry.from_table(entry, f"{path.name}, [[landmark]]").landmark() for entry in entries]
    with blaming(path, "Rename one of them"):
        return StoredPoints(PointSet(points))


def _from_plus(path: Path) -> StoredPoints:
    from surgplan.formats.plus import read_config

    stored = read_config(path)[1]
    if stored is None:
        raise BadInput(path, "has no PhantomDefinition with landmarks", advice="Name a configuration with a phantom")
    return stored


def _stated(path: Path, stored: StoredPoints, frame: Frame | None) -> StoredPoints:
    own = stored.points.frame
    if frame is not None and frame != own:
        raise BadInput(path, f"says that it lies in {own}", f"{frame}", "Do not state a frame for it")
    return stored


def write_point_file(path: Path, stored: StoredPoints) -> Written:
    """Write points in the format that the file's ending tells.

    Raises
    ------
    WrongUsage
        Another ending, a format that holds LPS alone while the points lie elsewhere, or an unwritable folder.
    OutOfResources
        The disk is full.
    """
    name = path.name.lower()
    if name.endswith((".mrk.json", ".fcsv", ".toml")) and stored.points.frame != LPS:
        advice = "Write .csv or .json, or carry the points to LPS with a transform first"
        raise WrongUsage(path, f"this format has no place for the frame {stored.points.frame}", "LPS", advice)
    if name.endswith(".mrk.json"):
        return write_mrk_json(path, stored.points, stored.frame_of_reference)
    if name.endswith(".fcsv"):
        return write_fcsv(path, stored.points, stored.frame_of_reference)
    if name.endswith(".csv"):
        return write_csv(path, stored)
    if name.endswith(".json"):
        return write_points_json(path, stored)
    if name.endswith(".toml"):
        return _write_case_file(path, stored)
    raise WrongUsage(path, f"ends in `{path.suffix[:20]}`", WRITTEN, "Choose such a name")


def _write_case_file(path: Path, stored: StoredPoints) -> Written:
    """`[[landmark]]` tables, ready to be put into a case file."""
    entries = [
        {
            "name": point.name,
            "position_mm": [float(value) + 0.0 for value in point.position],
            "frame": "LPS",
            **({"description": point.description} if point.description else {}),
            **({"uncertainty_mm": point.uncertainty_mm} if point.uncertainty_mm is not None else {}),
        }
        for point in stored.points
    ]
    for entry in entries:
        LandmarkEntry.from_table(entry, f"landmark {str(entry['name'])[:64]}")
    return write_text(path, write_toml({"landmark": entries}), lambda written: _same_points(path, written, stored))


def _same_points(path: Path, written: Path, stored: StoredPoints) -> None:
    found = _from_case_file(written).points
    names = [[point.name for point in points] for points in (found, stored.points)]
    if names[0] != names[1] or abs(found.positions - stored.points.positions).max(initial=0.0) > 1e-9:
        raise BadInput(path, "reading back gives other points", advice="Report this as a bug")


def refuse_other_scan(uids: Iterable[tuple[str, str]]) -> str:
    """The one Frame of Reference UID that all (what, UID) share; those without one are not asked.

    Raises
    ------
    BadInput
        Two of them belong to different scans.
    """
    known = [(what, uid) for what, uid in uids if uid]
    for what, uid in known[1:]:
        if uid != known[0][1]:
            found = f"belongs to another scan than {known[0][0]}: Frame of Reference UID {uid}"
            advice = "Use the points of this scan, or register the two scans"
            raise BadInput(what, found, known[0][1], advice)
    return known[0][1] if known else ""
