"""The viewer as `make setup` built it from `viewer/`: one script, and the licences of what is in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("viewer")
BUILT = FOLDER / "dist"


@dataclass(frozen=True)
class BuiltViewer:
    """The script, its style sheet, and name, version, licence and licence text of each library in it."""

    script: str
    style: str
    licences: tuple[Mapping[str, str], ...]

    @property
    def script_hash(self) -> str:
        """What the page's content security policy names: only this script may run."""
        return "sha256-" + base64.b64encode(hashlib.sha256(self.script.encode("utf-8")).digest()).decode("ascii")


def built_viewer(folder: Path = BUILT) -> BuiltViewer | None:
    """The viewer, or None where it was not built."""
    try:
        script = (folder / "viewer.js").read_text("utf-8").strip()
        licences = json.loads((folder / "licences.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not script or "</script" in script.lower():
        return None
    return BuiltViewer(script, (FOLDER / "viewer.css").read_text("utf-8"), tuple(licences))


def viewer_digests() -> dict[str, str]:
    """SHA-256 of the viewer's files, for the report's key: a report without viewer is made again once there is one."""
    files = [BUILT / "viewer.js", FOLDER / "viewer.css"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
