"""Points as CSV with a header and as JSON of our own: the two that can name any frame and keep uncertainties.

CSV, as any spreadsheet opens it; lines that begin with `#` before the header state what holds for all points:

    # frame = LPS
    # unit = mm
    # FrameOfReferenceUID = 1.2.840.…
    name,x_mm,y_mm,z_mm,uncertainty_mm,description

A file from elsewhere needs the columns name (or label), x, y and z; a frame (as such a line, as a column, or stated by
the caller), and, where it states a unit, mm.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import AGAIN, MOST_POINTS, UID_KEY, StoredPoints, text_of
from surgplan.model.frames import LPS_FROM_RAS, RAS, Frame
from surgplan.model.points import Landmark, PointSet

FORMAT, VERSION = "surgplan-points", 1
HEADER = ("name", "x_mm", "y_mm", "z_mm", "uncertainty_mm", "description")
SAME_MM = 1e-9

NO_FRAME = "State the frame: with the wrong one, every point would lie somewhere else, perhaps on the other side"


def write_csv(path: Path, stored: StoredPoints) -> Written:
    """Write points, in whatever frame they are, as CSV that states it.

    Raises
    ------
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    frame = stored.points.frame
    text = io.StringIO()
    text.write(comments(frame, stored.frame_of_reference))
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for point in stored.points:
        place = [repr(float(value) + 0.0) for value in point.position]
        sd = "" if point.uncertainty_mm is None else repr(point.uncertainty_mm)
        rows.writerow([point.name, *place, sd, " ".join(point.description.split())])
    return write_text(path, text.getvalue(), lambda written: _compare(path, read_csv(written), stored))


def comments(frame: Frame, frame_of_reference: str) -> str:
    """The lines above a table's header: what holds for all of its rows."""
    told = {"frame": frame.name, "scope": frame.scope, "unit": "mm", UID_KEY: frame_of_reference}
    return "".join(f"# {key} = {value}\n" for key, value in told.items() if value)


def statements(text: str) -> tuple[dict[str, str], list[str]]:
    """What the lines above a table's header state, and the table: names in it may begin with `#`."""
    lines = [line for line in text.splitlines() if line.strip()]
    head = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return dict(map(_statement, lines[:head])), lines[head:]


def write_points_json(path: Path, stored: StoredPoints) -> Written:
    """Write points, in whatever frame they are, as JSON that states it.

    Raises
    ------
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    frame = stored.points.frame
    whole = {
        "format": FORMAT,
        "format_version": VERSION,
        "frame": {"name": frame.name, "scope": frame.scope},
        "unit": "mm",
        "frame_of_reference_uid": stored.frame_of_reference,
        "points": [
            {
                "name": point.name,
                "position_mm": [float(value) + 0.0 for value in point.position],
                "uncertainty_mm": point.uncertainty_mm,
                "description": point.description.encode("utf-8", "replace").decode(),
            }
            for point in stored.points
        ],
    }
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_text(path, text, lambda written: _compare(path, read_points_json(written), stored))


def _compare(path: Path, found: StoredPoints, meant: StoredPoints) -> None:
    names = [[point.name for point in each.points] for each in (found, meant)]
    same = names[0] == names[1] and found.points.frame == meant.points.frame
    same = same and found.frame_of_reference == meant.frame_of_reference
    if not same or np.abs(found.points.positions - meant.points.positions).max(initial=0.0) > SAME_MM:
        raise BadInput(path, "reading back gives other points", advice="Report this as a bug")


def read_csv(path: Path, frame: Frame | None = None) -> StoredPoints:
    """The points of a CSV file with a header; those in RAS are carried to LPS.

    Parameters
    ----------
    path:
        The file; columns are parted by commas, semicolons or tabs.
    frame:
        Where the points lie, for files that do not say; one that contradicts the file is refused.

    Raises
    ------
    BadInput
        No header, a column is missing, no or two frames, another unit, a position that is not three finite numbers, or
        two points of one name.
    """
    told, table = statements(text_of(path))
    if not table:
        raise BadInput(path, "has no header", f"`{','.join(HEADER[:4])}`", AGAIN)
    parting = max(",;\t", key=table[0].count)
    with _whole(path):
        rows = list(csv.reader(table, delimiter=parting, strict=True))
        columns = [_column(name) for name in rows[0]]
        if not {"name", "x", "y", "z"} <= set(columns):
            raise BadInput(path, f"has the columns {', '.join(rows[0])[:80]}", "name, x_mm, y_mm, z_mm", AGAIN)
        points = []
        for number, row in enumerate(rows[1:], 1):
            if len(row) != len(columns):
                raise ValueError(f"point {number} has {len(row)} columns, not {len(columns)}")
            points.append(dict(zip(columns, row, strict=True)))
        stated = {each.get("frame", "").strip() for each in (told, *points)} - {""}
        units = {point.get("unit", "mm").strip() for point in points} | {told.get("unit", "mm")}
        _refuse_unit(path, units - {"mm", "", "millimeter", "millimetre"})
        if len(stated) > 1:
            raise BadInput(path, f"mixes the frames {' and '.join(sorted(stated))[:80]}", "one", AGAIN)
        name = stated.pop() if stated else ""
        return _stored(path, points, Frame(name, told.get("scope", "")) if name else None, frame, told.get(UID_KEY, ""))


def _statement(line: str) -> tuple[str, str]:
    key, _, value = line.lstrip("# ").partition("=")
    return key.strip(), value.strip()


def _column(name: str) -> str:
    plain = re.sub(r"[\s(\[]+(mm)[)\]]?$|_mm$", "", name.strip().lower())
    return {"label": "name", "desc": "description"}.get(plain, plain)


def read_points_json(path: Path, frame: Frame | None = None) -> StoredPoints:
    """The points of a JSON file of ours; those in RAS are carried to LPS.

    Raises
    ------
    BadInput
        Not such a file, of a later version, another frame than the one stated, another unit, or positions that are not
        three finite numbers.
    """
    with _whole(path):
        whole = json.loads(text_of(path))
        if whole.get("format") != FORMAT or whole.get("format_version") != VERSION:
            found = f"is {str(whole.get('format'))[:40]} {str(whole.get('format_version'))[:10]}"
            raise BadInput(path, found, f"{FORMAT} {VERSION}", "Use the version of surgplan that wrote it")
        _refuse_unit(path, {str(whole.get("unit"))} - {"mm"})
        points = [{**point, **dict(zip("xyz", point["position_mm"], strict=True))} for point in list(whole["points"])]
        own = whole["frame"]
        return _stored(path, points, Frame(own["name"], own["scope"]), frame, str(whole["frame_of_reference_uid"]))


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turns what broken tables raise into `BadInput`."""
    try:
        with blaming(path, AGAIN):
            yield
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError, csv.Error) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a list of points", AGAIN) from None


def _refuse_unit(path: Path, units: set[str]) -> None:
    if units:
        raise BadInput(path, f"has the unit {min(units)[:20]!r}", "mm", "Export the points in millimetres")


def _stored(
    path: Path, rows: Iterable[Mapping[str, Any]], own: Frame | None, wanted: Frame | None, uid: str
) -> StoredPoints:
    if own and wanted and own != wanted:
        raise BadInput(path, f"says that it lies in {own}", f"{wanted}", "Do not state a frame for it, or correct it")
    given = own or wanted
    if given is None:
        raise BadInput(path, "does not say in which frame its points lie", "a frame", NO_FRAME)
    points = PointSet((_landmark(row, given) for row in rows), given)
    if len(points) > MOST_POINTS:
        raise BadInput(path, f"holds {len(points)} points", f"at most {MOST_POINTS}", "This is no list of landmarks")
    return StoredPoints(LPS_FROM_RAS @ points if given == RAS else points, uid)


def _landmark(row: Mapping[str, Any], frame: Frame) -> Landmark:
    place = [row[axis] for axis in "xyz"]
    if any(isinstance(value, bool) for value in place):
        raise ValueError(f"the position of {row['name']!r} is not three numbers")
    sd = row.get("uncertainty")
    sd = row.get("uncertainty_mm") if sd is None else sd
    return Landmark(
        str(row["name"]),
        np.array([float(value) for value in place]),
        frame,
        str(row.get("description") or ""),
        None if sd in (None, "") else float(sd),
    )


def in_frame(stored: StoredPoints, frame: Frame) -> StoredPoints:
    """The same positions said to lie in another frame, which only who knows it may say."""
    points = (Landmark(p.name, p.position, frame, p.description, p.uncertainty_mm) for p in stored.points)
    return StoredPoints(PointSet(points, frame), stored.frame_of_reference)
