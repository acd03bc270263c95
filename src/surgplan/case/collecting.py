"""Points touched with a tracked pointer, from files to a file."""

from __future__ import annotations

from pathlib import Path

from surgplan.case.point_files import read_point_file, write_point_file
from surgplan.case.steps import StepOutput
from surgplan.errors import BadInput
from surgplan.findings import Level, verdict, worst
from surgplan.formats.markups import StoredPoints
from surgplan.formats.plus import read_config, read_recording
from surgplan.formats.transform_files import read_transform, write_transform
from surgplan.model.frames import Frame, Transform
from surgplan.model.points import PointSet
from surgplan.model.tracking import Recording
from surgplan.navigation.collect import CollectParams, collect_landmarks
from surgplan.navigation.pivot import Pivot, calibrate_pivot


def take_recording(path: Path | None, igtl: str | None, seconds: float) -> Recording:
    """A recording from a file, or from an OpenIGTLink server."""
    from surgplan.case.receiving import record_stream, split_address

    return read_recording(path) if path is not None else record_stream(*split_address(igtl or ""), seconds)


def pivot_step(recording: Recording, reference: str, marker: str, tip: str, target: Path) -> StepOutput[Pivot]:
    """Calibrate a pointer that was turned about its resting tip; write the transform from its tip to its marker.

    Raises
    ------
    BadInput
        There are no such poses, or they do not tell where the tip is.
    """
    made = calibrate_pivot(recording, Frame(reference), Frame(marker), Frame(tip))
    results = {
        "tip_mm": made.stylus_from_tip.offset.tolist(),
        "rms_mm": made.rms_mm,
        "tip_sd_mm": made.tip_sd_mm,
        "poses": made.poses,
        "left_out": made.left_out,
        "turned_deg": made.turn_deg,
        "verdict": verdict(made.findings),
    }
    note = (
        f"pivot calibration: {made.poses} poses, {made.rms_mm:.3f} mm left over, tip known to {made.tip_sd_mm:.3f} mm"
    )
    rejected = ("REJECTED: do not use",) if worst(made.findings) is Level.REFUSE else ()
    written = write_transform(target, made.stylus_from_tip, (*rejected, note), results)
    return StepOutput(made, (written,), made.findings, results)


def collect_step(
    recording: Recording,
    calibration: Path,
    reference: str,
    tip: str,
    names: str | None,
    params: CollectParams,
    target: Path,
) -> StepOutput[PointSet]:
    """Read a pointer's calibration, find what it touched; write the landmarks touched.

    Raises
    ------
    BadInput
        A file is broken, the calibration is not the pointer's, or no landmarks were touched.
    """
    pointer = _calibration(calibration, Frame(tip))
    points, findings = collect_landmarks(recording, pointer, Frame(reference), params, _names(names) if names else ())
    written = write_point_file(target, StoredPoints(points))
    results = {
        "frame": reference,
        "points": [
            {"name": each.name, "position_mm": each.position.tolist(), "uncertainty_mm": each.uncertainty_mm}
            for each in points
        ],
    }
    return StepOutput(points, (written,), findings, results)


def _calibration(path: Path, tip: Frame) -> Transform:
    if path.suffix.lower() != ".xml":
        return read_transform(path)
    found = [each for each in read_config(path)[0] if each.moving == tip]
    if len(found) != 1:
        advice = "Name the pointer tip's frame with --tip"
        raise BadInput(path, f"holds {len(found)} transforms from {tip}", "1", advice)
    return found[0]


def _names(told: str) -> list[str]:
    path = Path(told)
    if path.is_file():
        return [point.name for point in read_point_file(path).points]
    return [name.strip() for name in told.split(",")]
