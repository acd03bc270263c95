"""The error of a registration from the JSON that `surgplan register` wrote, for a trajectory that is followed by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.findings import REJECTED
from surgplan.formats.limits import read_whole
from surgplan.formats.transform_files import FORMAT, read_transform
from surgplan.model.frames import LPS
from surgplan.navigation.registered import RegistrationError

LARGEST_FILE = 16 << 20
AGAIN = "Register again: surgplan register MOVING FIXED -o NAME.json"


def read_registration_error(path: Path) -> RegistrationError:
    """The error of the registration in a JSON file, in LPS.

    Raises
    ------
    Missing
        There is no such file.
    BadInput
        It is no registration of ours, was rejected, leads to another frame than LPS, or holds no error.
    """
    if path.suffix.lower() != ".json":
        advice = "Name the .json that `surgplan register` writes beside the transform"
        raise BadInput(path, f"ends in `{path.suffix[:20]}`", ".json", advice)
    if not path.is_file():
        raise Missing(path, "no such file", advice="Check the path, or register first: surgplan register")
    stored = _stored(path)
    if stored.get("verdict") == REJECTED:
        raise BadInput(path, "was rejected by its own checks", "a registration that passed", "Its findings tell why")
    fixed = read_transform(path).fixed
    if fixed != LPS:
        advice = "Register with the scan, or points in its frame, as FIXED"
        raise BadInput(path, f"leads to {fixed}: its error is known there", "LPS", advice)
    if "verdict" not in stored or not isinstance(stored.get("error_model"), dict):
        raise BadInput(path, "holds no error over space", "`verdict` and `error_model`", AGAIN)
    uids = stored.get("frame_of_reference_uids")
    uid = uids.get("fixed", "") if isinstance(uids, dict) else ""
    try:
        return RegistrationError.from_table({**stored["error_model"], "frame_of_reference_uid": uid}, "error_model")
    except WrongUsage as error:
        raise BadInput(path, str(error), "a registration's error", AGAIN) from None


def _stored(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(read_whole(path, LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        raise BadInput(path, "is no JSON, or cut short", FORMAT, AGAIN) from None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        raise BadInput(path, "is not what `surgplan register` writes", FORMAT, AGAIN)
    return stored
