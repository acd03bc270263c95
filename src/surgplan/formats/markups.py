"""Landmarks as 3D Slicer's markups: `.mrk.json` and `.fcsv`.

Written in LPS, read from LPS or RAS; points are always handed on in LPS millimetres. A file that does not say its
coordinate system is refused unless the caller states it.

Source: 3D Slicer, Markups module, markups-schema-v1.0.3.json and the fiducial list format 4.11.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.errors import BadInput, SurgplanError, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.model.frames import LPS, LPS_FROM_RAS, RAS, Frame
from surgplan.model.points import Landmark, PointSet

SCHEMA = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
SCHEMA += "markups-schema-v1.0.3.json#"
COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
CODES = {"0": RAS, "1": LPS, "RAS": RAS, "LPS": LPS}
"""`CoordinateSystem` of `.fcsv`: words since version 4.11, numbers before."""

LARGEST_FILE = 16 << 20
SAME_MM = 1e-6
EXPORT_AGAIN = "Export the points again"


def write_mrk_json(path: Path, points: PointSet) -> Written:
    """Slicer's markups JSON, one list of points, in LPS."""
    _must_be_lps(points)
    controls = [
        {
            "id": str(number),
            "label": point.name,
            "description": point.description,
            "associatedNodeID": "",
            "position": [float(value) for value in point.position],
            "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": True,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, point in enumerate(points, 1)
    ]
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "labelFormat": "%N-%d",
        "controlPoints": controls,
    }
    text = json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1, ensure_ascii=False) + "\n"
    return write_text(path, text, lambda written: _compare(written, points))


def write_fcsv(path: Path, points: PointSet) -> Written:
    """Slicer's fiducial list, in LPS."""
    _must_be_lps(points)
    table = io.StringIO()
    table.write("# Markups fiducial file version = 4.11\n# CoordinateSystem = LPS\n")
    table.write(f"# columns = {COLUMNS}\n")
    rows = csv.writer(table, lineterminator="\n")
    for number, point in enumerate(points, 1):
        place = [repr(float(value)) for value in point.position]
        rows.writerow([number, *place, 0, 0, 0, 1, 1, 1, 1, point.name, point.description, ""])
    return write_text(path, table.getvalue(), lambda written: _compare(written, points))


def _must_be_lps(points: PointSet) -> None:
    if points.frame != LPS:
        raise ValueError(f"markups are written in LPS, not in {points.frame}")


def _compare(path: Path, points: PointSet) -> None:
    found = read_points(path)
    same = [point.name for point in found] == [point.name for point in points]
    if not same or np.abs(found.positions - points.positions).max(initial=0.0) > SAME_MM:
        raise BadInput(path, "reading back gives other points", advice="Report this as a bug")


def read_points(path: Path, frame: Frame | None = None) -> PointSet:
    """The points of a `.mrk.json` or `.fcsv` file, in LPS mm.

    Parameters
    ----------
    path:
        The file; its ending tells the format.
    frame:
        LPS or RAS, for files that do not say; one that contradicts the file is refused.

    Raises
    ------
    BadInput
        Not such a file, no or another coordinate system, a position that is not finite, or two points of one name.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise BadInput(path, f"has {size} bytes", f"at most {LARGEST_FILE}", "This is no list of points")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise BadInput(path, "cannot be read as text", "a list of points", "Check the file") from None
    try:
        with blaming(path, EXPORT_AGAIN):
            if path.suffix.lower() == ".json":
                told, points = _from_json(path, text)
            elif path.suffix.lower() == ".fcsv":
                told, points = _from_fcsv(path, text)
            else:
                raise BadInput(path, f"ends in `{path.suffix}`", ".mrk.json or .fcsv", EXPORT_AGAIN)
            given = _frame(path, told, frame)
            placed = PointSet((Landmark(name, place, given, text) for name, place, text in points), given)  # type: ignore[arg-type]
    except SurgplanError:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a list of points", EXPORT_AGAIN) from None
    return placed if given == LPS else LPS_FROM_RAS @ placed


Row = tuple[str, list[float], str]


def _frame(path: Path, told: str, wanted: Frame | None) -> Frame:
    found = CODES.get(told)
    if told and found is None:
        raise BadInput(path, f"has the coordinate system `{told}`", "LPS or RAS", EXPORT_AGAIN)
    if found and wanted and found != wanted:
        raise BadInput(path, f"says that it lies in {found}", f"{wanted}", "Leave --frame out")
    chosen = found or wanted
    if chosen is None:
        advice = "Pass --frame LPS or --frame RAS: a wrong guess would mirror every point"
        raise BadInput(path, "does not say its coordinate system", "LPS or RAS", advice)
    return chosen


def _from_json(path: Path, text: str) -> tuple[str, list[Row]]:
    try:
        lists = json.loads(text)["markups"]
    except (json.JSONDecodeError, KeyError, TypeError, RecursionError):
        raise BadInput(path, "is no markups JSON", advice=EXPORT_AGAIN) from None
    systems = {str(each.get("coordinateSystem", "")) for each in lists}
    if len(systems) > 1:
        raise BadInput(path, f"mixes the coordinate systems {sorted(systems)}", "one", EXPORT_AGAIN)
    units = {str(each.get("coordinateUnits", "mm")) for each in lists}
    if units - {"mm"}:
        raise BadInput(path, f"has the unit {sorted(units)}", "mm", "Export the points in millimetres")
    points = [_control(point, number) for each in lists for number, point in enumerate(each["controlPoints"], 1)]
    return systems.pop() if systems else "LPS", [point for point in points if point is not None]


def _control(point: dict[str, Any], number: int) -> Row | None:
    if point.get("positionStatus", "defined") != "defined":
        return None
    place = [float(value) for value in point["position"]]
    return str(point.get("label") or f"P-{number}"), place, str(point.get("description") or "")


def _from_fcsv(path: Path, text: str) -> tuple[str, list[Row]]:
    told = ""
    columns = COLUMNS.split(",")
    start = 0
    lines = text.splitlines(keepends=True)
    for line in lines:
        if not line.startswith("#"):
            break
        start += 1
        key, _, value = line.lstrip("# ").partition("=")
        if key.strip() == "CoordinateSystem":
            told = value.strip()
        elif key.strip() == "columns":
            columns = [column.strip() for column in value.split(",")]
    if not {"x", "y", "z", "label"} <= set(columns):
        raise BadInput(path, f"has the columns {','.join(columns)}", "x, y, z and label among them", EXPORT_AGAIN)
    points: list[Row] = []
    for row in csv.reader(io.StringIO("".join(lines[start:]))):
        if not row:
            continue
        if len(row) < columns.index("label") + 1:
            raise BadInput(path, f"has a row of {len(row)} columns", f"{len(columns)}", "The file is cut short")
        cells = dict(zip(columns, row, strict=False))
        place = [float(cells[axis]) for axis in "xyz"]
        points.append((cells["label"] or f"P-{len(points) + 1}", place, cells.get("desc", "")))
    return told, points
