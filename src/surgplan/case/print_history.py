"""Measured prints: read from a job sheet and what was measured, and kept as a history for each printer.

The history lies in the user's state folder, one line of JSON for each check: no case, no path, nothing of a patient.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from surgplan.errors import BadInput, WrongUsage, blaming
from surgplan.formats.atomic import write_text
from surgplan.formats.limits import read_whole
from surgplan.model.labels import file_stem
from surgplan.params import nearest
from surgplan.printing.job import FORMAT
from surgplan.printing.printcheck import Measured, PrintCheck

LARGEST_FILE = 64 << 20
AGAIN = "Give the .json that surgplan print --job made"


def read_job(path: Path) -> dict[str, Any]:
    """A job sheet's JSON.

    Raises
    ------
    BadInput
        It is none.
    """
    try:
        job = json.loads(read_whole(path, LARGEST_FILE).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(path, f"cannot be read as JSON: {error}", "a job sheet", AGAIN) from None
    if not isinstance(job, dict) or job.get("format") != FORMAT:
        raise BadInput(path, "is no job sheet of surgplan", f"the format {FORMAT}", AGAIN)
    return job


def nominal(path: Path, job: Mapping[str, Any]) -> dict[str, tuple[float, tuple[float, float, float]]]:
    """Name → expected length, mm, and direction, of all distances that may be measured.

    These are the distances that the sheet asks for, and the size of each part along the printer's axes (`skull x`).
    """
    with blaming(path, AGAIN):
        try:
            known = {
                f"{part['name']} {axis}": (float(part["size_mm"][number]), _axis(number))
                for plate in job["plates"]
                for part in plate["parts"]
                for number, axis in enumerate("xyz")
            }
            for each in job["measures"]:
                x, y, z = map(float, each["direction"])
                known[str(each["name"])] = (float(each["expected_mm"]), (x, y, z))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"lacks {error}") from None
    return known


def _axis(number: int) -> tuple[float, float, float]:
    return (float(number == 0), float(number == 1), float(number == 2))


def measured(
    known: Mapping[str, tuple[float, tuple[float, float, float]]], told: Sequence[tuple[str, float]]
) -> tuple[Measured, ...]:
    """What was measured, with what was meant.

    Raises
    ------
    WrongUsage
        A name that the sheet does not have; the nearest is told.
    BadInput
        A length that is none.
    """
    found = []
    for name, length in told:
        if name not in known:
            raise WrongUsage(f"distance `{name}`", "is not on the job sheet", advice=nearest(name, list(known)))
        expected, direction = known[name]
        with blaming("--measured", "Give lengths in mm"):
            found.append(Measured(name, expected, length, direction))
    return tuple(found)


def history_file(printer: str) -> Path:
    """Where the history of a printer lies."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "surgplan" / "printcheck" / f"{file_stem(printer)}.jsonl"


def read_history(path: Path) -> list[dict[str, Any]]:
    """The checks of a printer, the oldest first; empty when there were none.

    Raises
    ------
    BadInput
        A line of the file is no check.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(read_whole(path, LARGEST_FILE).decode("utf-8", "replace").splitlines(), 1):
        try:
            entry = json.loads(line)
            float(entry["all"]["bias_mm"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BadInput(path, f"line {number} is no check of a print", advice="Remove that line") from None
        found.append(entry)
    return found


def keep(path: Path, check: PrintCheck, printer: str, time: str) -> list[dict[str, Any]]:
    """Add a check to the history; returns all of it. Names of distances are not kept: they may name parts of a case."""
    entry = {
        "time": time,
        "printer": printer,
        "expected_mm": [each.expected_mm for each in check.distances],
        "measured_mm": [each.measured_mm for each in check.distances],
        "axes": [each.axis for each in check.distances],
        **{key: asdict(check)[key] for key in ("all", "within_layers", "across_layers")},
        **{key: asdict(check)[key] for key in ("scale", "offset_mm", "xy_compensation_mm")},
    }
    entries = [*read_history(path), entry]
    write_text(path, "".join(json.dumps(each) + "\n" for each in entries))
    return entries
