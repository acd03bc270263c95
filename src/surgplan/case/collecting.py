"""Points touched with a tracked pointer, from files to a file."""

from __future__ import annotations

from pathlib import Path

from surgplan.case.point_files import read_point_file, write_point_file
from surgplan.case.steps import StepOutput
from surgplan.errors import BadInput
from surgplan.formats.markups import StoredPoints
from surgplan.formats.plus import read_config, read_recording
from surgplan.formats.transform_files import read_transform
from surgplan.model.frames import Frame, Transform
from surgplan.model.points import PointSet
from surgplan.navigation.collect import CollectParams, collect_landmarks


def collect_step(
    recording: Path, calibration: Path, reference: str, tip: str, names: str | None, params: CollectParams, target: Path
) -> StepOutput[PointSet]:
    """Read a recording and a pointer's calibration; write the landmarks touched.

    Raises
    ------
    BadInput
        A file is broken, the calibration is not the pointer's, or no landmarks were touched.
    """
    pointer = _calibration(calibration, Frame(tip))
    points, findings = collect_landmarks(
        read_recording(recording), pointer, Frame(reference), params, _names(names) if names else ()
    )
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
