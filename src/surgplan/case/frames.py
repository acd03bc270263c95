"""The graph of frames of a case, or of files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from surgplan.case.bundle import FORMAT as PLAN_FORMAT
from surgplan.case.bundle import read_plan
from surgplan.errors import BadInput, SurgplanError
from surgplan.formats.transform_files import read_transform
from surgplan.model.frames import IJK, LPS, Frame, Transform
from surgplan.model.labels import file_stem
from surgplan.navigation.frames_graph import TOLERANCE_MM, Edge, FrameGraph

SCANS = (".nrrd", ".nii", ".gz", ".mha", ".mhd")


def frame_graph(paths: Sequence[Path], tolerance_mm: float = TOLERANCE_MM) -> FrameGraph:
    """All transforms of case folders, bundles, transform files, scans and PLUS configurations in one graph.

    Raises
    ------
    BadInput
        A file is broken or names no frames, holds no transforms, or two ways between the same frames disagree.
    """
    scans: list[str] = []
    edges = [edge for path in paths for edge in _edges(path, scans)]
    if not edges:
        raise BadInput(", ".join(map(str, paths)), "no transform is there", "one or more", "Name a case or a .tfm file")
    return FrameGraph(_once(edges), tolerance_mm)


def _once(edges: Iterable[Edge]) -> list[Edge]:
    """A transform that a plan and its own file both hold, told once."""
    found: list[Edge] = []
    for edge in edges:
        if not any(_same(edge.transform, each.transform) for each in found):
            found.append(edge)
    return found


def _same(one: Transform, other: Transform) -> bool:
    if (one.fixed, one.moving) != (other.fixed, other.moving):
        return False
    return bool(abs(one.matrix - other.matrix).max() < 1e-6)


def _edges(path: Path, scans: list[str]) -> list[Edge]:
    if path.is_dir():
        return _folder(path, scans)
    ending = path.suffix.lower()
    if ending == ".xml":
        from surgplan.formats.plus import read_config

        return [Edge(each, path.name) for each in read_config(path)[0]]
    if ending in SCANS:
        return [Edge(_scan(path, scans), path.name)]
    if ending == ".json" and PLAN_FORMAT.encode() in path.read_bytes()[: 1 << 20]:
        return [Edge(each, path.name) for each in read_plan(path).transforms]
    if ending == ".h5" and path.with_suffix(".json").is_file():
        beside = read_transform(path.with_suffix(".json"))
        return [Edge(read_transform(path, beside.fixed, beside.moving), path.name)]
    return [Edge(read_transform(path), path.name)]


def _folder(folder: Path, scans: list[str]) -> list[Edge]:
    """A case's own plan, and every registration beside it that names its frames."""
    bundle = folder / "navigation" if (folder / "navigation").is_dir() else folder
    found: list[Edge] = []
    for path in sorted(bundle.iterdir()):
        if path.name == "plan.json" or path.suffix == ".tfm":
            found += _edges(path, scans)
        elif path.suffix in (".json", ".txt"):
            try:
                found.append(Edge(read_transform(path), path.name))
            except SurgplanError:
                continue  # lists of points and other files live here too
    return found


def _scan(path: Path, scans: list[str]) -> Transform:
    """From voxels to LPS; a second scan, whose world is another one, gets frames of its own."""
    from surgplan.formats.images import read_volume

    volume = read_volume(path)
    uid = volume.frame_of_reference
    same = not scans or (bool(uid) and uid == scans[0])
    first = not scans
    scans.append(uid)
    scope = file_stem(path.name.partition(".")[0])
    found = volume.grid.lps_from_ijk
    world = LPS if same else Frame("LPS", scope)
    return Transform(world, IJK if first else Frame("IJK", scope), found.matrix)
