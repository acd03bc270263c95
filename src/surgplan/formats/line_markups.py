"""Trajectories as 3D Slicer's line markups: one file, a line of two points for each, in LPS.

Source: 3D Slicer, Markups module, markups-schema-v1.0.3.json, type `Line`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import AGAIN, SAME_MM, SCHEMA, UID_KEY, text_of
from surgplan.model.frames import LPS, Array
from surgplan.model.points import Trajectory

ENDS = ("entry", "end")


def write_lines(path: Path, paths: Sequence[Trajectory], frame_of_reference: str = "") -> Written:
    """Write each trajectory as a line from its entry to where the instrument ends.

    Raises
    ------
    ValueError
        A trajectory does not lie in LPS, or there is none: Slicer takes no empty list.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    if not paths or any(each.frame != LPS for each in paths):
        raise ValueError("lines are written of trajectories in LPS, one or more")
    whole = {
        "@schema": SCHEMA,
        **({UID_KEY: frame_of_reference} if frame_of_reference else {}),
        "markups": [_line(each) for each in paths],
    }
    meant = {each.name: np.array([each.entry, each.end]) for each in paths}

    def check(written: Path) -> None:
        found = read_lines(written)
        if list(found) != list(meant) or any(np.abs(found[name] - meant[name]).max() > SAME_MM for name in meant):
            raise BadInput(path, "reading back gives other lines", advice="Report this as a bug")

    return write_text(path, json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n", check)


def _line(path: Trajectory) -> dict[str, Any]:
    points = [
        {
            "id": str(number),
            "label": f"{path.name} {which}",
            "description": "",
            "associatedNodeID": "",
            "position": place.tolist(),
            "selected": True,
            "locked": True,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, (which, place) in enumerate(zip(ENDS, (path.entry, path.end), strict=True), 1)
    ]
    head = {"type": "Line", "name": path.name, "coordinateSystem": "LPS", "coordinateUnits": "mm", "locked": True}
    return {**head, "controlPoints": points}


def read_lines(path: Path) -> dict[str, Array]:
    """Name → (2, 3) LPS mm of each line that `write_lines` wrote.

    Raises
    ------
    BadInput
        Not such a file, cut short, or in another frame or unit.
    """
    text = text_of(path)
    try:
        with blaming(path, AGAIN):
            return dict(_read_line(path, each) for each in json.loads(text)["markups"])
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "lines of 3D Slicer", AGAIN) from None


def _read_line(path: Path, stored: dict[str, Any]) -> tuple[str, Array]:
    told = (stored["type"], stored["coordinateSystem"], stored["coordinateUnits"])
    if told != ("Line", "LPS", "mm"):
        raise BadInput(path, f"holds {' '.join(map(str, told))[:60]}", "Line LPS mm", AGAIN)
    ends = np.array([point["position"] for point in stored["controlPoints"]], dtype=np.float64)
    if ends.shape != (2, 3) or not np.isfinite(ends).all():
        raise BadInput(path, "holds a line that has not two ends", advice=AGAIN)
    return str(stored["name"]), ends
