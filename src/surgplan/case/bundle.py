"""The navigation bundle: one plan, written in the formats that 3D Slicer and navigation systems read.

`landmarks.*` hold what the case file names (targets, anatomy), `fiducials.*` the markers found in the scan: two lists,
because a registration pairs markers alone, and a target among them would be matched as one. `plan.json` holds all of
it with frames, unit and the scan's Frame of Reference UID; `docs/frames.md` documents it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from surgplan.errors import BadInput, SurgplanError, blaming
from surgplan.formats.atomic import Written, sha256_of, write_text
from surgplan.formats.line_markups import read_lines, write_lines
from surgplan.formats.line_tables import places_of, read_lines_csv, write_lines_csv
from surgplan.formats.markups import StoredPoints, read_points, text_of, write_fcsv, write_mrk_json
from surgplan.formats.mrml import SceneItem, read_scene, write_scene
from surgplan.formats.point_tables import read_csv, write_csv
from surgplan.formats.transforms import read_tfm, transform_file, transform_name, write_tfm
from surgplan.model.frames import LPS, Array, Frame, Transform
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.navigation.stage import NavigationPlan
from surgplan.navigation.trajectories import TrajectoryMeasures

FORMAT, VERSION = "surgplan-navigation", 2
LINES, LINES_CSV, SUMS = "trajectories.mrk.json", "trajectories.csv", "SHA256SUMS"
SCENE = "scene.mrml"
LARGEST_FILE = 64 << 20
SAME_MM = 0.01
"""No point of the bundle differs more than this between its files (they agree far better)."""

CONVENTION = (
    "Positions are columns (x, y, z, 1) in mm, in IJK voxel indices: position in `fixed` = matrix · position in "
    "`moving`. The .tfm files hold the inverse of their matrix, as ITK and 3D Slicer expect."
)
BUG = "Report this as a bug"


def write_navigation(folder: Path, plan: NavigationPlan, beside: Sequence[SceneItem] = ()) -> tuple[Written, ...]:
    """Write landmarks, fiducials, trajectories, transforms, the plan and the scene; read all of it back and compare.

    `beside` are the files of the case that the scene opens too, by their paths from `folder`.

    Raises
    ------
    BadInput
        A name does not fit into a format, or the files do not agree.
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    written = []
    for name, points in (("landmarks", plan.landmarks), ("fiducials", plan.fiducials)):
        written.append(write_mrk_json(folder / f"{name}.mrk.json", points, plan.frame_of_reference))
        written.append(write_fcsv(folder / f"{name}.fcsv", points, plan.frame_of_reference))
        written.append(write_csv(folder / f"{name}.csv", StoredPoints(points, plan.frame_of_reference)))
    written.append(_write_plan(folder / "plan.json", plan))
    names = [transform_file(each) for each in plan.transforms]
    if len(set(names)) != len(names):
        raise BadInput(folder, f"two transforms would be written to {max(names, key=names.count)}", advice=BUG)
    uid = plan.frame_of_reference
    notes = ("Unit: mm", *((f"Frame of Reference UID: {uid}",) if uid else ()))
    written += [write_tfm(folder / name, each, notes) for name, each in zip(names, plan.transforms, strict=True)]
    written.append(write_lines_csv(folder / LINES_CSV, plan.trajectories, plan.frame_of_reference))
    if plan.trajectories:
        written.append(write_lines(folder / LINES, plan.trajectories, plan.frame_of_reference))
    for number, each in enumerate(plan.trajectories, 1):
        written.append(write_lines(folder / line_file(number), [each], plan.frame_of_reference))
    written.append(write_scene(folder / SCENE, [*beside, *scene_items(plan)]))
    rows = sorted(f"{each.sha256}  {each.path.name}\n" for each in written)
    written.append(write_text(folder / SUMS, "".join(rows)))
    check_navigation(folder)
    return tuple(written)


def line_file(number: int) -> str:
    """The file of one trajectory alone: of a file with several, a scene of 3D Slicer opens the first only."""
    return f"trajectory-{number}.mrk.json"


def scene_items(plan: NavigationPlan) -> list[SceneItem]:
    """What the scene opens of the bundle itself."""
    lists = (("landmarks", plan.landmarks), ("fiducials", plan.fiducials))
    return [
        *(SceneItem("points", name, f"{name}.mrk.json") for name, points in lists if len(points)),
        *(SceneItem("line", each.name, line_file(number)) for number, each in enumerate(plan.trajectories, 1)),
        *(SceneItem("transform", transform_name(each), transform_file(each)) for each in plan.transforms),
    ]


def check_navigation(folder: Path) -> NavigationPlan:
    """The plan of a bundle, once all of its files were found to say the same.

    Raises
    ------
    BadInput
        A file is missing, broken, or differs from `plan.json` by more than `SAME_MM`.
    """
    plan = read_plan(folder / "plan.json")
    for name, points in (("landmarks", plan.landmarks), ("fiducials", plan.fiducials)):
        for ending in (".mrk.json", ".fcsv", ".csv"):
            _compare_points(folder / f"{name}{ending}", points, plan.frame_of_reference)
    # what no body is larger than: transforms that agree there agree everywhere that matters
    reach = np.array([[x, y, z] for x in (-2e3, 2e3) for y in (-2e3, 2e3) for z in (-2e3, 2e3)])
    for transform in plan.transforms:
        path = folder / transform_file(transform)
        found = read_tfm(path, transform.fixed, transform.moving)
        _refuse_apart(path, float(np.abs(found.apply(reach) - transform.apply(reach)).max()))
    _compare_lines(folder, plan)
    _compare_scene(folder, plan)
    _compare_sums(folder)
    return plan


def _compare_lines(folder: Path, plan: NavigationPlan) -> None:
    table, uid = read_lines_csv(folder / LINES_CSV)
    _refuse_other_uid(folder / LINES_CSV, uid, plan.frame_of_reference)
    _compare_places(folder / LINES_CSV, table, {each.name: places_of(each) for each in plan.trajectories})
    if plan.trajectories:
        ends = {each.name: np.array([each.entry, each.end]) for each in plan.trajectories}
        _compare_places(folder / LINES, read_lines(folder / LINES), ends)
        for number, (name, places) in enumerate(ends.items(), 1):
            _compare_places(folder / line_file(number), read_lines(folder / line_file(number)), {name: places})


def _compare_scene(folder: Path, plan: NavigationPlan) -> None:
    """The scene opens everything of the bundle; what lies outside of its folder need not be there in a copy."""
    inside = [item for item in read_scene(folder / SCENE) if Path(item[2]).name == item[2]]
    if inside != [(each.kind, each.name, each.file) for each in scene_items(plan)]:
        raise BadInput(folder / SCENE, "opens other files than plan.json tells of", advice=BUG)


def _compare_places(path: Path, found: dict[str, Array], meant: dict[str, Array]) -> None:
    if list(found) != list(meant):
        raise BadInput(path, "names other trajectories than plan.json", advice=BUG)
    _refuse_apart(path, max((float(np.abs(found[name] - meant[name]).max()) for name in meant), default=0.0))


def _refuse_apart(path: Path, apart_mm: float) -> None:
    if apart_mm > SAME_MM:
        raise BadInput(path, f"differs from plan.json by {apart_mm:.3f} mm", f"at most {SAME_MM:g} mm", BUG)


def _refuse_other_uid(path: Path, found: str, meant: str) -> None:
    if found != meant:
        raise BadInput(path, "states another Frame of Reference UID than plan.json", advice=BUG)


def _compare_sums(folder: Path) -> None:
    """Each file that the list names has its checksum, and the list names at least the plan."""
    path, advice = folder / SUMS, "Copy the whole folder again, or run the navigation step again"
    rows = [line.partition("  ") for line in text_of(path).splitlines()]
    names = [name for _, _, name in rows]
    if "plan.json" not in names or any(Path(name).name != name or len(told) != 64 for told, _, name in rows):
        raise BadInput(path, "is no list of this folder's checksums, or cut short", advice=advice)
    for told, _, name in rows:
        if not (folder / name).is_file() or sha256_of(folder / name) != told:
            raise BadInput(folder / name, f"is missing or has not the checksum of {SUMS}", advice=advice)


def _compare_points(path: Path, points: PointSet, uid: str) -> None:
    if path.suffix == ".csv":
        found, told = read_csv(path)
        _refuse_other_uid(path, told, uid)
    else:
        found = read_points(path)
    if [point.name for point in found] != [point.name for point in points]:
        raise BadInput(path, "names other points than plan.json", advice=BUG)
    if found.frame != points.frame:
        raise BadInput(path, f"lies in {found.frame}", f"{points.frame}", BUG)
    _refuse_apart(path, float(np.linalg.norm(found.positions - points.positions, axis=1).max(initial=0.0)))


def plan_as_dict(plan: NavigationPlan) -> dict[str, Any]:
    """The plan as plain JSON values: positions in LPS mm, transforms as the rows of 4 × 4 matrices."""
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "frame": LPS.name,
        "unit": "mm",
        "frame_of_reference_uid": plan.frame_of_reference,
        "landmarks": [_point(each) for each in plan.landmarks],
        "fiducials": [_point(each) for each in plan.fiducials],
        "trajectories": [_trajectory(each) for each in plan.trajectories],
        "trajectory_measures": trajectories_adapter().dump_python(plan.measures, mode="json"),
        "transforms": [_transform(each) for each in plan.transforms],
        "transforms_convention": CONVENTION,
    }


def _point(point: Landmark) -> dict[str, Any]:
    return {
        "name": point.name,
        "position_mm": point.position.tolist(),
        "description": point.description,
        "uncertainty_mm": point.uncertainty_mm,
    }


def _trajectory(path: Trajectory) -> dict[str, Any]:
    return {
        "name": path.name,
        "entry_mm": path.entry.tolist(),
        "target_mm": path.target.tolist(),
        "length_mm": path.length_mm,
        "avoid": list(path.avoid),
        "margin_mm": path.margin_mm,
        "diameter_mm": path.diameter_mm,
        "depth_mm": path.depth_mm,
        "axis": list(path.axis),
    }


@cache
def trajectories_adapter() -> TypeAdapter[tuple[TrajectoryMeasures, ...]]:
    """Measures of trajectories to plain JSON values and back."""
    return TypeAdapter(tuple[TrajectoryMeasures, ...])


def _transform(transform: Transform) -> dict[str, Any]:
    return {
        "name": transform_name(transform),
        "fixed": {"name": transform.fixed.name, "scope": transform.fixed.scope},
        "moving": {"name": transform.moving.name, "scope": transform.moving.scope},
        "matrix": transform.matrix.tolist(),
        "file": transform_file(transform),
    }


def _write_plan(path: Path, plan: NavigationPlan) -> Written:
    meant = plan_as_dict(plan)
    text = json.dumps(meant, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)

    def check(written: Path) -> None:
        if plan_as_dict(read_plan(written)) != meant:
            raise BadInput(path, "reading back gives another plan", advice=BUG)

    return write_text(path, text + "\n", check)


def read_plan(path: Path) -> NavigationPlan:
    """The plan that a `plan.json` holds, without findings.

    Raises
    ------
    BadInput
        Not such a file, of a later version, in another frame or unit, or with values that no plan can have.
    """
    advice = "Run the navigation step of the case again"
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(path, f"has {path.stat().st_size} bytes", f"at most {LARGEST_FILE}", advice)
        with blaming(path, advice):
            stored = json.loads(path.read_text("utf-8"))
            _check_kind(path, stored)
            return _plan(stored)
    except SurgplanError:
        raise
    except (OSError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadInput(path, f"cannot be read: {type(error).__name__}", "a navigation plan", advice) from None


def _check_kind(path: Path, stored: Any) -> None:
    told = {key: stored.get(key) for key in ("format", "format_version", "frame", "unit")}
    meant = {"format": FORMAT, "format_version": VERSION, "frame": LPS.name, "unit": "mm"}
    for key, value in meant.items():
        if told[key] != value:
            advice = "Use the version of surgplan that wrote it" if key == "format_version" else "Check the file"
            raise BadInput(path, f"has the {key} {str(told[key])[:40]!r}", f"{value!r}", advice)


def _plan(stored: dict[str, Any]) -> NavigationPlan:
    return NavigationPlan(
        PointSet(map(_landmark, stored["landmarks"])),
        PointSet(map(_landmark, stored["fiducials"])),
        tuple(
            Trajectory(
                _text(each["name"]),
                each["entry_mm"],
                each["target_mm"],
                LPS,
                tuple(each["avoid"]),
                float(each["margin_mm"]),
                float(each["diameter_mm"]),
                each["depth_mm"],
                tuple(map(_text, each["axis"])),
            )
            for each in stored["trajectories"]
        ),
        tuple(
            Transform(Frame(**each["fixed"]), Frame(**each["moving"]), each["matrix"]) for each in stored["transforms"]
        ),
        _text(stored["frame_of_reference_uid"]),
        (),
        trajectories_adapter().validate_python(stored["trajectory_measures"]),
    )


def _text(stored: Any) -> str:
    if not isinstance(stored, str):
        raise ValueError(f"holds {str(stored)[:40]} where text belongs")
    return stored


def _landmark(stored: dict[str, Any]) -> Landmark:
    place: Sequence[float] = stored["position_mm"]
    return Landmark(_text(stored["name"]), np.array(place), LPS, _text(stored["description"]), stored["uncertainty_mm"])
