"""Measurements from files to a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.case.point_files import read_point_file
from surgplan.case.steps import StepOutput
from surgplan.errors import BadInput, WrongUsage
from surgplan.formats.atomic import write_text
from surgplan.formats.meshes import read_mesh
from surgplan.model.frames import Array
from surgplan.model.points import PointSet
from surgplan.navigation.measure import angle_deg, compare_sides, intensities, plane_normal
from surgplan.params import nearest

FORMAT, VERSION = "surgplan-measurements", 1

Names = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Wanted:
    """What shall be measured: names of points, and files."""

    points: Path | None = None
    distance: Names = ()
    angle: Names = ()
    axes: Names = ()
    planes: Names = ()
    surface: tuple[Path, ...] = ()
    symmetry: tuple[Path, ...] = ()
    volume: Path | None = None
    labels: Path | None = None


def measure_step(wanted: Wanted, target: Path) -> StepOutput[list[dict[str, Any]]]:
    """Measure what is wanted; write it as JSON.

    Raises
    ------
    WrongUsage
        A point is unknown.
    BadInput
        A file is broken, or a measurement is not determined.
    """
    stored = read_point_file(wanted.points) if wanted.points else None
    points = stored.points if stored else PointSet(())
    made = [*_of_points(wanted, points), *_of_surfaces(wanted), *_of_voxels(wanted)]
    values: dict[str, Any] = {
        "format": FORMAT,
        "format_version": VERSION,
        "frame": str(points.frame),
        "unit": "mm",
        "frame_of_reference_uid": stored.frame_of_reference if stored else "",
        "measurements": made,
    }
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)

    def check(path: Path) -> None:
        if path.read_text("utf-8") != text + "\n":
            raise BadInput(path, "reading back gives another text", advice="Report this as a bug")

    return StepOutput(made, (write_text(target, text + "\n", check),), (), values)


def _of_points(wanted: Wanted, points: PointSet) -> Iterator[dict[str, Any]]:
    for names in wanted.distance:
        a, b = _places(names, points)
        yield {"kind": "distance", "points": names, "value_mm": float(np.linalg.norm(b - a))}
    for names in wanted.angle:
        a, b, c = _places(names, points)
        yield {"kind": "angle", "points": names, "value_deg": angle_deg(a - b, c - b)}
    for names in wanted.axes:
        a, b, c, d = _places(names, points)
        yield {"kind": "axes", "points": names, "value_deg": angle_deg(b - a, d - c)}
    for names in wanted.planes:
        places = np.array(_places(names, points))
        turn = angle_deg(plane_normal(places[:3]), plane_normal(places[3:]))
        yield {"kind": "planes", "points": names, "value_deg": min(turn, 180 - turn)}


def _places(names: tuple[str, ...], points: PointSet) -> list[Array]:
    known = [point.name for point in points]
    for name in names:
        if name not in known:
            advice = nearest(name, known) if known else "Pass --points"
            raise WrongUsage("measure", f"`{name}` is no point", advice=advice)
    return [points[name].position for name in names]


def _of_surfaces(wanted: Wanted) -> Iterator[dict[str, Any]]:
    for path in wanted.surface:
        mesh = read_mesh(path)[0]
        size = np.diff(mesh.bounds, axis=0)[0].tolist()
        figures = {"area_mm2": mesh.area_mm2, "volume_mm3": mesh.volume_mm3, "size_mm": size}
        yield {"kind": "surface", "name": path.stem, "frame": str(mesh.frame), **figures}
    for path in wanted.symmetry:
        yield {"kind": "symmetry", "name": path.stem, **asdict(compare_sides(read_mesh(path)[0]))}


def _of_voxels(wanted: Wanted) -> Iterator[dict[str, Any]]:
    if wanted.volume is None or wanted.labels is None:
        return
    from surgplan.formats.images import read_volume
    from surgplan.formats.segmentations import read_labels

    volume, labels = read_volume(wanted.volume), read_labels(wanted.labels)
    for label in labels.labels:
        modality = str(volume.modality)
        yield {"kind": "intensities", "modality": modality, **asdict(intensities(volume, labels, label))}
