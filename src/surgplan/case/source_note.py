"""Where scan and masks of a case lie on this machine: kept outside of it, for paths often carry patients' names."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

Kind = Literal["source", "masks"]


def _notes() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "surgplan" / "places"


def _of_folder(case: Path) -> str:
    return hashlib.sha256(os.fsencode(case.resolve())).hexdigest()


def remember(case: Path, scan: str, kind: Kind, place: str) -> None:
    """Note a place, for this user alone: by the hash of the scan that the case is made from, and by the case's folder.

    Where that cannot be written, the place has to be named the next time.
    """
    with suppress(OSError):
        _notes().mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (scan, _of_folder(case)):
            note = _notes() / f"{name}.{kind}"
            note.touch(0o600)
            note.write_bytes(os.fsencode(place))


def remembered(case: Path, kind: Kind) -> str | None:
    """What was noted when the case in this folder, or one of which it is a copy, was run here."""
    from surgplan.case.manifest import read_manifest
    from surgplan.errors import SurgplanError

    names = [_of_folder(case)]
    with suppress(SurgplanError):
        manifest = read_manifest(case)
        if manifest is not None and "ingest" in manifest.stages:
            names.append(manifest.stages["ingest"].inputs.get("scan", ""))
    for name in filter(None, names):
        with suppress(OSError):
            return os.fsdecode((_notes() / f"{name}.{kind}").read_bytes())
    return None
