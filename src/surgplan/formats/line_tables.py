"""Trajectories as CSV with a header, for spreadsheets and systems that read no markups.

The lines above the header are those of the points' tables (`point_tables`): frame, unit, Frame of Reference UID.
`end_*` is where the instrument's tip comes to lie: the target, unless a depth was planned.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import AGAIN, SAME_MM, UID_KEY, text_of
from surgplan.formats.point_tables import comments, statements
from surgplan.model.frames import LPS, Array
from surgplan.model.points import Trajectory

PLACES = ("entry", "target", "end")
HEADER = (
    "name",
    *(f"{place}_{axis}_mm" for place in PLACES for axis in "xyz"),
    *("length_mm", "depth_mm", "diameter_mm", "margin_mm", "avoid"),
)


def places_of(path: Trajectory) -> Array:
    """(3, 3) entry, target and end, mm, as rows."""
    return np.array([path.entry, path.target, path.end])


def write_lines_csv(path: Path, paths: Sequence[Trajectory], frame_of_reference: str = "") -> Written:
    """Write trajectories in LPS, one a row, as CSV that states frame, unit and scan.

    Raises
    ------
    ValueError
        A trajectory does not lie in LPS.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    if any(each.frame != LPS for each in paths):
        raise ValueError("the table is written of trajectories in LPS")
    text = io.StringIO()
    text.write(comments(LPS, frame_of_reference))
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for each in paths:
        places = [repr(float(value) + 0.0) for value in places_of(each).ravel()]
        sizes = [repr(float(value)) for value in (each.length_mm, each.reach_mm, each.diameter_mm, each.margin_mm)]
        rows.writerow([each.name, *places, *sizes, "; ".join(each.avoid)])
    meant = {each.name: places_of(each) for each in paths}

    def check(written: Path) -> None:
        found, uid = read_lines_csv(written)
        same = uid == frame_of_reference and list(found) == list(meant)
        if not same or any(np.abs(found[name] - meant[name]).max() > SAME_MM for name in meant):
            raise BadInput(path, "reading back gives other trajectories", advice="Report this as a bug")

    return write_text(path, text.getvalue(), check)


def read_lines_csv(path: Path) -> tuple[dict[str, Array], str]:
    """Name → (3, 3) LPS mm, entry, target and end, of each row that `write_lines_csv` wrote; and the scan's UID.

    Raises
    ------
    BadInput
        Not such a file, cut short, or in another frame or unit.
    """
    told, table = statements(text_of(path))
    stated = (told.get("frame"), told.get("unit"))
    if stated != ("LPS", "mm"):
        raise BadInput(path, f"states {' '.join(map(str, stated))[:60]}", "frame LPS, unit mm", AGAIN)
    with blaming(path, AGAIN):
        try:
            rows = list(csv.reader(table, strict=True))
        except csv.Error as error:
            raise BadInput(path, f"is no table: {error}", advice=AGAIN) from None
        if not rows or tuple(rows[0]) != HEADER:
            raise BadInput(path, "has not the header of trajectories", f"`{','.join(HEADER[:4])},…`", AGAIN)
        return dict(_read_row(number, row) for number, row in enumerate(rows[1:], 1)), told.get(UID_KEY, "")


def _read_row(number: int, row: list[str]) -> tuple[str, Array]:
    if len(row) != len(HEADER):
        raise ValueError(f"trajectory {number} has {len(row)} columns, not {len(HEADER)}")
    places = np.array([float(cell) for cell in row[1:10]]).reshape(3, 3)
    if not np.isfinite(places).all():
        raise ValueError(f"trajectory {number} holds a place that is not three finite numbers")
    return row[0], places
