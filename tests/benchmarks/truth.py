"""A case held against the truth of its example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def compare(case: Path, truth: Path) -> dict[str, Any]:
    """For each structure its volume, for the fiducial markers their largest error."""
    meant = json.loads(truth.read_text("utf-8"))
    measures = json.loads((case / "manifest.json").read_text("utf-8"))["stages"]["surface"]["results"]["measures"]
    rows: dict[str, Any] = {}
    for told in measures:
        volume = meant["volumes_mm3"].get(told["name"])
        if volume is not None:
            error = f"{100 * (told['volume_mm3'] / volume - 1):+.2f} %"
            rows[f"{told['name']}, volume mm³"] = _row(round(told["volume_mm3"]), round(volume), error)
    if "markers_mm" in meant:
        rows["fiducial markers"] = _markers(case, np.array(meant["markers_mm"]))
    return rows


def _markers(case: Path, places: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> dict[str, Any]:
    plan = json.loads((case / "navigation" / "plan.json").read_text("utf-8"))
    found = np.array([each["position_mm"] for each in plan["fiducials"]]).reshape(-1, 3)
    if len(found) != len(places):
        return _row(len(found), len(places), "not all found")
    apart = np.linalg.norm(found[:, None] - places[None], axis=2).min(axis=0)
    return _row(len(found), len(places), f"{apart.max():.3f} mm at the most")


def _row(found: object, truth: object, error: str) -> dict[str, Any]:
    return {"found": found, "truth": truth, "error": error}
