"""The numbers of the page as text: with units, and no finer than they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from surgplan.model.frames import Transform
from surgplan.navigation.stage import NavigationPlan
from surgplan.navigation.trajectories import TrajectoryMeasures
from surgplan.report.stage import ReportInput
from surgplan.surface.stage import SurfaceMeasures

NOTHING = "–"

POSITIONS = {"HF": "head first", "FF": "feet first"}
POSTURES = {"S": "supine", "P": "prone", "DR": "on the right side", "DL": "on the left side"}
"""What DICOM's codes for the patient's position mean (PS3.3 C.7.3.1.1.2)."""


def number(value: float, digits: int) -> str:
    """A number with that many digits after the point; never `-0.00`."""
    return f"{round(value, digits) + 0.0:,.{digits}f}"


def lengths(values: ArrayLike, digits: int = 1) -> str:
    """Lengths along x, y and z: `146.3 × 178.2 × 177.9`."""
    return " × ".join(number(float(value), digits) for value in np.asarray(values))


def position(values: ArrayLike) -> str:
    """A place in mm."""
    return ", ".join(number(float(value), 2) for value in np.asarray(values))


def fact_rows(facts: Mapping[str, str | int | float]) -> list[tuple[str, str]]:
    """Name and value; a unit in the name, `slice thickness (mm)`, moves to the value."""
    rows = []
    for name, value in facts.items():
        found = re.fullmatch(r"(.*) \((\w+)\)", name)
        plain, unit = (found[1], " " + found[2]) if found else (name, "")
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        rows.append((plain, text + unit + _in_words(text)))
    return rows


def _in_words(text: str) -> str:
    """What follows a code for the patient's position: ` (head first, supine)`."""
    first, posture = POSITIONS.get(text[:2]), POSTURES.get(text[2:])
    return f" ({first}, {posture})" if first and posture else ""


def structure_rows(given: ReportInput) -> list[dict[str, Any]]:
    """Size and shape of each structure, and how far its surface lies from contour and scan."""
    return [
        {
            "name": label.name,
            "color": "#{:02x}{:02x}{:02x}".format(*label.color),
            "side": str(label.side) or NOTHING,
            "code": f"{label.code.meaning} ({label.code.scheme} {label.code.value})" if label.code else "",
            **_measured(measures),
        }
        for label, measures in zip(given.labels.labels, given.measures, strict=True)
    ]


def _measured(measures: SurfaceMeasures) -> dict[str, Any]:
    from surgplan.surface.repair import what_is_wrong

    shape, distances = measures.topology, measures.fidelity
    far = max(distances.to_contour.maximum, distances.from_contour.maximum)
    return {
        "level": NOTHING if measures.level is None else number(measures.level, 0),
        "volume": number(measures.volume_mm3 / 1000, 2 if measures.volume_mm3 >= 1000 else 3),
        "area": number(measures.area_mm2 / 100, 1),
        "size": lengths(measures.size_mm),
        "triangles": f"{shape.triangles:,}",
        "bodies": f"{shape.bodies:,}",
        "sound": shape.ok,
        "wrong": what_is_wrong(shape),
        "contour_p95": number(max(distances.to_contour.p95, distances.from_contour.p95), 3),
        "contour_max": number(far, 3),
        "within": far <= measures.tolerance_mm,
        "tolerance": f"{measures.tolerance_mm:g}",
        "scan_mean": number(distances.to_scan.mean, 3) if distances.to_scan else NOTHING,
        "scan_p95": number(distances.to_scan.p95, 3) if distances.to_scan else NOTHING,
        "volume_change": number(100 * distances.volume_change, 2),
    }


def print_rows(job: Mapping[str, Any]) -> dict[str, Any] | None:
    """What goes to the printer, plate by plate, whether it fits, and what it takes."""
    if not job:
        return None
    room = job["printer"]["build_volume_mm"]
    return {
        "printer": job["printer"]["description"] or job["printer"]["name"],
        "room": lengths(room, 0),
        "fits": all(np.less_equal(plate["size_mm"], np.array(room) + 0.001).all() for plate in job["plates"]),
        "scale": f"{job['scale']:g}",
        "plates": [_plate_row(plate, job["total"]["currency"]) for plate in job["plates"]],
        "assumptions": "; ".join(job["assumptions"]),
    }


def _plate_row(plate: Mapping[str, Any], currency: str) -> dict[str, str]:
    told = plate["estimate"]
    parts = [f"{part['copies']} × {part['name']}" if part["copies"] > 1 else part["name"] for part in plate["parts"]]
    return {
        "number": str(plate["number"]),
        "file": plate["file"],
        "size": lengths(plate["size_mm"]),
        "parts": ", ".join(parts),
        "layers": f"{told['layers']:,}",
        "material": number(told["mass_g"], 0),
        "time": duration(told["time_s"]),
        "cost": NOTHING if told["cost"] is None else f"{told['cost']:.2f} {currency}",
    }


def duration(seconds: float) -> str:
    """`2 h 05 min`."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def plan_rows(plan: NavigationPlan | None) -> dict[str, Any] | None:
    """Points, trajectories and transforms; points are numbered as in the pictures."""
    if plan is None:
        return None
    kinds = ["landmark"] * len(plan.landmarks) + ["fiducial marker"] * len(plan.fiducials)
    points = [
        {
            "name": point.name,
            "kind": kind,
            "place": position(point.position),
            "uncertainty": NOTHING if point.uncertainty_mm is None else number(point.uncertainty_mm, 2),
            "description": point.description,
        }
        for point, kind in zip(plan.points, kinds, strict=True)
    ]
    measured = {each.name: each for each in plan.measures}
    trajectories = [
        {
            "name": path.name,
            "entry": position(path.entry),
            "target": position(path.target),
            "length": number(path.length_mm, 1),
            "avoid": ", ".join(path.avoid) or NOTHING,
            "margin": number(path.margin_mm, 1) if path.avoid else NOTHING,
            **(_path_rows(measured[path.name]) if path.name in measured else _NOT_MEASURED),
        }
        for path in plan.trajectories
    ]
    return {
        "points": points,
        "trajectories": trajectories,
        "transforms": [transform_rows(transform) for transform in plan.transforms],
        "reference": plan.frame_of_reference,
    }


_NOT_MEASURED = {"angles": NOTHING, "clearances": NOTHING, "corridor": NOTHING, "bone": NOTHING}


def _path_rows(measures: TrajectoryMeasures) -> dict[str, str]:
    """Angles to the sagittal, coronal and axial plane, clearances, corridor and bone of a path."""
    planes = (measures.sagittal_deg, measures.coronal_deg, measures.axial_deg)
    kept = [f"{each.structure} {number(each.clearance_mm, 2)}" for each in measures.clearances]
    bone = f"{number(measures.bone_mm, 1)} ({number(measures.cortex_mm, 1)})" if measures.profile_hu else NOTHING
    return {
        "angles": " / ".join(number(value, 1) for value in planes),
        "clearances": ", ".join(kept) or NOTHING,
        "corridor": number(measures.corridor.radius_mm, 2) if measures.corridor else NOTHING,
        "bone": bone,
    }


def transform_rows(transform: Transform) -> dict[str, Any]:
    """Name and the four rows of the matrix."""
    return {
        "name": f"{transform.fixed} from {transform.moving}",
        "matrix": [[number(float(value), 6) for value in row] for row in transform.matrix],
    }


def parameter_rows(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested parameters as one list of names and values; entries of lists carry their name or number."""
    rows: list[tuple[str, str]] = []
    for name, value in parameters.items():
        rows += _flat(str(name), value)
    return rows


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [row for key, inner in value.items() for row in _flat(f"{name}.{key}", inner)]
    if _holds_tables(value):
        tables = [(str(entry.get("name") or place), entry) for place, entry in enumerate(value, 1)]
        return [
            row for title, entry in tables for key, inner in entry.items() for row in _flat(f"{title}: {key}", inner)
        ]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(name, ", ".join(map(_plain, value)) or NOTHING)]
    return [(name, _plain(value))]


def _holds_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
