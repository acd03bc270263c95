"""Landmarks as 3D Slicer's markups: `.mrk.json` and `.fcsv`.

Written in LPS, read from LPS or RAS; points are always handed on in LPS millimetres. A file that does not say its
coordinate system is refused unless the caller states it: half of Slicer's files lie in RAS, where x and y have the
other sign. Source: 3D Slicer, Markups module, markups-schema-v1.0.3.json; the fiducial list format as Slicer 4.11
writes it and as its readers of all versions take it apart.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.limits import read_whole
from surgplan.model.frames import LPS, LPS_FROM_RAS, RAS, Frame
from surgplan.model.points import Landmark, PointSet

SCHEMA = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
SCHEMA += "markups-schema-v1.0.3.json#"
"""Slicer compares this text; that the address leads nowhere any more does not matter to it."""

COLUMNS = ("id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label", "desc", "associatedNodeID")
SYSTEMS = {"RAS": RAS, "LPS": LPS, "0": RAS, "1": LPS}
"""`CoordinateSystem` of `.fcsv`: words since version 4.11, numbers before."""

LARGEST_FILE, MOST_POINTS = 16 << 20, 100_000
LONGEST_LINE = 1000
"""Bytes: Slicer reads `.fcsv` into 1024, and stops without a word at a longer line."""

UID_KEY = "FrameOfReferenceUID"
"""A key of our own in files that have no place for it; Slicer skips what it does not know."""

SAME_MM = 1e-6
AGAIN = "Export the points again"


class StoredPoints(NamedTuple):
    """Points as a file holds them, and the DICOM Frame of Reference UID of the scan that they belong to, or ""."""

    points: PointSet
    frame_of_reference: str = ""


def write_mrk_json(path: Path, points: PointSet, frame_of_reference: str = "") -> Written:
    """Write points in LPS as Slicer's markups JSON: one list, visible, locked against dragging.

    `frame_of_reference` is written beside the list, where Slicer does not look.

    Raises
    ------
    ValueError
        The points do not lie in LPS.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    _must_be_lps(points)
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [_control(number, point) for number, point in enumerate(points, 1)],
    }
    whole = {"@schema": SCHEMA, **({UID_KEY: frame_of_reference} if frame_of_reference else {}), "markups": [markup]}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n", lambda written: _compare(path, written, points, frame_of_reference))


def _control(number: int, point: Landmark) -> dict[str, Any]:
    return {
        "id": str(number),
        "label": point.name,
        "description": point.description,
        "associatedNodeID": "",
        "position": _numbers(point),
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "selected": True,
        "locked": True,
        "visibility": True,
        "positionStatus": "defined",
    }


def write_fcsv(path: Path, points: PointSet, frame_of_reference: str = "") -> Written:
    """Write points in LPS as Slicer's fiducial list, version 4.11.

    Slicer's reader is bound to lines: a description is put on one line, and cut when the line would be too long.

    Raises
    ------
    ValueError
        The points do not lie in LPS.
    BadInput
        A name is so long that Slicer would stop reading there.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    _must_be_lps(points)
    lines = ["# Markups fiducial file version = 4.11", "# CoordinateSystem = LPS"]
    lines += [f"# columns = {','.join(COLUMNS)}"]
    lines += [_row(path, number, point) for number, point in enumerate(points, 1)]
    # last, because many scripts skip a header of exactly three lines
    lines += [f"# {UID_KEY} = {frame_of_reference}"] if frame_of_reference else []
    text = "\n".join(lines) + "\n"
    return write_text(path, text, lambda written: _compare(path, written, points, frame_of_reference))


def _row(path: Path, number: int, point: Landmark) -> str:
    description = " ".join(point.description.split())
    while True:
        line = io.StringIO()
        cells = [number, *map(repr, _numbers(point)), 0, 0, 0, 1, 1, 1, 1, point.name, description, ""]
        csv.writer(line, lineterminator="").writerow(cells)
        too_long = len(line.getvalue().encode()) - LONGEST_LINE
        if too_long <= 0:
            return line.getvalue()
        if not description:
            found = f"the name of point {number} has {len(point.name.encode())} bytes"
            raise BadInput(path, found, f"so few that its line fits into {LONGEST_LINE}", "Choose a shorter name")
        description = description[: -max(1, too_long // 4)]


def _numbers(point: Landmark) -> list[float]:
    return [float(value) + 0.0 for value in point.position]  # no negative zeros


def _must_be_lps(points: PointSet) -> None:
    if points.frame != LPS:
        raise ValueError(f"markups are written in LPS, not in {points.frame}")


def _compare(path: Path, written: Path, points: PointSet, frame_of_reference: str) -> None:
    found, uid = read_markups(written)
    same = [point.name for point in found] == [point.name for point in points]
    if not same or uid != frame_of_reference or np.abs(found.positions - points.positions).max(initial=0.0) > SAME_MM:
        raise BadInput(path, "reading back gives other points", advice="Report this as a bug")


class _Row(NamedTuple):
    name: str
    position: list[float]
    description: str


def read_points(path: Path, frame: Frame | None = None) -> PointSet:
    """The points of `read_markups`, without what ties them to a scan."""
    return read_markups(path, frame).points


def read_markups(path: Path, frame: Frame | None = None) -> StoredPoints:
    """The points of a `.mrk.json` (or `.json`) or `.fcsv` file, in LPS mm.

    Parameters
    ----------
    path:
        The file; its ending tells the format.
    frame:
        LPS or RAS, for files that do not say; one that contradicts the file is refused.

    Raises
    ------
    BadInput
        Not such a file, cut short, no or another coordinate system, another unit, another kind of markup, a position
        that is not finite, or two points of one name.
    """
    if frame not in (None, LPS, RAS):
        raise BadInput(path, f"cannot be read in the frame {frame}", "LPS or RAS", "Points of a scan lie in LPS or RAS")
    readers = {".json": _from_json, ".fcsv": _from_fcsv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BadInput(path, f"ends in `{path.suffix[:20]}`", ".mrk.json or .fcsv", AGAIN)
    text = text_of(path)
    try:
        with blaming(path, AGAIN):
            told, rows, uid = reader(path, text)
            given = _frame(path, told, frame)
            _refuse_odd_names(path, rows)
            points = PointSet((Landmark(row.name, row.position, given, row.description) for row in rows), given)  # type: ignore[arg-type]
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError, csv.Error) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a list of points", AGAIN) from None
    return StoredPoints(points if given == LPS else LPS_FROM_RAS @ points, uid)


def text_of(path: Path) -> str:
    """The text of a list of points; `BadInput` when it is none or too large."""
    try:
        return read_whole(path, LARGEST_FILE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadInput(path, "cannot be read as text", "a list of points", "Check the file") from None


def _refuse_odd_names(path: Path, rows: list[_Row]) -> None:
    if len(rows) > MOST_POINTS:
        raise BadInput(path, f"holds {len(rows)} points", f"at most {MOST_POINTS}", "This is no list of landmarks")
    name, count = max(Counter(row.name for row in rows).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise BadInput(path, f"has {count} points named {name[:64]!r}", "1", "Rename all but one of them")


def _frame(path: Path, told: str, wanted: Frame | None) -> Frame:
    found = SYSTEMS.get(told.upper())
    if told and found is None:
        raise BadInput(path, f"has the coordinate system `{told[:40]}`", "LPS or RAS", AGAIN)
    if found and wanted and found != wanted:
        raise BadInput(path, f"says that it lies in {found}", f"{wanted}", "Do not state a frame for it, or correct it")
    chosen = found or wanted
    if chosen is None:
        advice = "State the frame: with the wrong one, every point would lie on the other side of the body"
        raise BadInput(path, "does not say its coordinate system", "LPS or RAS", advice)
    return chosen


def _from_json(path: Path, text: str) -> tuple[str, list[_Row], str]:
    try:
        stored = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadInput(path, f"is no JSON, or cut short: {error.msg} at line {error.lineno}", advice=AGAIN) from None
    markups = stored.get("markups") if isinstance(stored, dict) else None
    if not isinstance(markups, list) or not markups:
        raise BadInput(path, "has no list `markups`", "3D Slicer's markups JSON", AGAIN)
    kinds = {str(each.get("type", "")) for each in markups} - {"Fiducial"}
    if kinds:
        raise BadInput(path, f"holds markups of the type `{min(kinds)[:40]}`", "Fiducial", "Export the points alone")
    units = {_unit(each.get("coordinateUnits", "mm")) for each in markups} - {"mm"}
    if units:
        raise BadInput(path, f"has the unit `{min(units)[:40]}`", "mm", "Export the points in millimetres")
    systems = {str(each.get("coordinateSystem", "")) for each in markups}
    if len(systems) > 1:
        told = " and ".join(sorted(systems))[:80]
        raise BadInput(path, f"mixes the coordinate systems {told}", "one", "Export each list to a file of its own")
    rows = _controls(each for markup in markups for each in markup.get("controlPoints", []))
    return systems.pop(), rows, str(stored.get(UID_KEY, ""))


def _refuse_constant(word: str) -> float:
    raise ValueError(f"holds {word} where a number belongs")


def _unit(stored: Any) -> str:
    """A unit as Slicer writes it: its code, or code, coding scheme and meaning."""
    return str(stored[0] if isinstance(stored, list) and stored else stored)


def _controls(points: Iterable[dict[str, Any]]) -> list[_Row]:
    """The points whose position is defined; Slicer keeps places for points that were not set yet."""
    rows = []
    for number, point in enumerate(points, 1):
        if point.get("positionStatus", "defined") != "defined":
            continue
        place = point["position"]
        if not isinstance(place, list) or any(type(value) not in (int, float) for value in place):
            raise ValueError(f"the position of point {number} is not a list of numbers")
        # JSON can spell half characters, which no file can hold
        description = str(point.get("description") or "").encode("utf-8", "replace").decode()
        rows.append(_Row(str(point.get("label") or f"P-{number}"), [float(value) for value in place], description))
    return rows


def _from_fcsv(path: Path, text: str) -> tuple[str, list[_Row], str]:
    """Line by line, as Slicer reads it, so that an open quote cannot swallow the points after it."""
    lines = [line for line in text.split("\n") if line.strip()]
    told = _header([line for line in lines if line.startswith("#")])
    columns = told.get("columns", "").split(",") if "columns" in told else list(COLUMNS)
    if not {"x", "y", "z", "label"} <= set(columns) or not {"columns", "Markups fiducial file version"} & set(told):
        raise BadInput(path, "has no header of a fiducial list", "`# columns = id,x,y,z,…,label,…`", AGAIN)
    rows = []
    for number, line in enumerate((line for line in lines if not line.startswith("#")), 1):
        cells = next(csv.reader([line]))
        if len(cells) != len(columns):
            found = f"point {number} has {len(cells)} columns"
            raise BadInput(path, found, f"{len(columns)}", "The file is cut short, or a name holds a bare comma")
        point = dict(zip(columns, cells, strict=True))
        place = [float(point[axis]) for axis in "xyz"]
        rows.append(_Row(point["label"] or f"P-{number}", place, point.get("desc", "")))
    return told.get("CoordinateSystem", ""), rows, told.get(UID_KEY, "")


def _header(lines: list[str]) -> dict[str, str]:
    parts = [line.lstrip("# ").partition("=") for line in lines]
    return {key.strip(): value.strip().replace(" ", "") for key, sign, value in parts if sign}
