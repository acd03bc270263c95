"""The navigation bundle: one truth, written in the formats that navigation systems and 3D Slicer read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.markups import write_fcsv, write_mrk_json
from surgplan.formats.transforms import transform_file, write_tfm
from surgplan.model.points import Landmark
from surgplan.navigation.stage import NavigationPlan


def write_navigation(folder: Path, plan: NavigationPlan) -> tuple[Written, ...]:
    """Landmarks and fiducials as `.mrk.json` and `.fcsv`, all of the plan as JSON, each transform as `.tfm`."""
    written = [
        write_mrk_json(folder / "landmarks.mrk.json", plan.points),
        write_fcsv(folder / "landmarks.fcsv", plan.points),
        _write_plan(folder / "plan.json", plan),
    ]
    written += [write_tfm(folder / transform_file(each), each) for each in plan.transforms]
    return tuple(written)


def plan_as_dict(plan: NavigationPlan) -> dict[str, Any]:
    """The plan as plain JSON values: positions in LPS mm, transforms as rows of 4 × 4 matrices."""
    return {
        "format": "surgplan-navigation",
        "format_version": 1,
        "frame": "LPS",
        "unit": "mm",
        "frame_of_reference_uid": plan.frame_of_reference,
        "landmarks": [_point(each) for each in plan.landmarks],
        "fiducials": [_point(each) for each in plan.fiducials],
        "trajectories": [
            {
                "name": each.name,
                "entry_mm": each.entry.tolist(),
                "target_mm": each.target.tolist(),
                "length_mm": each.length_mm,
                "avoid": list(each.avoid),
                "margin_mm": each.margin_mm,
            }
            for each in plan.trajectories
        ],
        "transforms": [
            {"to": str(each.fixed), "from": str(each.moving), "matrix": each.matrix.tolist()}
            for each in plan.transforms
        ],
    }


def _point(point: Landmark) -> dict[str, Any]:
    return {
        "name": point.name,
        "position_mm": point.position.tolist(),
        "description": point.description,
        "uncertainty_mm": point.uncertainty_mm,
    }


def _write_plan(path: Path, plan: NavigationPlan) -> Written:
    meant = plan_as_dict(plan)

    def check(written: Path) -> None:
        if json.loads(written.read_text("utf-8")) != meant:
            raise BadInput(path, "reading back gives another plan", advice="Report this as a bug")

    return write_text(path, json.dumps(meant, indent=1, ensure_ascii=False, allow_nan=False) + "\n", check)
