"""What `surgplan repair` makes of meshes from anywhere, as a table: `python -m tests.benchmarks.corpus FOLDER`."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import trimesh

from surgplan.errors import SurgplanError
from surgplan.formats.meshes import read_mesh
from surgplan.model.surface import Surface
from surgplan.surface.repair import RepairParams, RepairResult, repair, what_is_wrong
from surgplan.surface.topology import topology

HEAD = "| file | triangles | faults | how it ends | volume change | largest distance | s |\n"
HEAD += "| --- | --- | --- | --- | --- | --- | --- |"


def main(folder: Path) -> None:
    """Print the table."""
    print(HEAD)
    for path in sorted(folder.iterdir(), key=lambda each: each.name.lower()):
        print(row(path))


def row(path: Path) -> str:
    """What was wrong with a file, how it was mended or why it was refused, and by how much it was changed."""
    before = spent()
    given, faults, ends, volume, most = None, "", "", "", ""
    try:
        given, _ = read_mesh(path)
        faults = what_is_wrong(topology(given.vertices, given.triangles)) or "none"
        result = repair(given, RepairParams())
        seen = trimesh.Trimesh(result.surface.vertices, result.surface.triangles, process=False)
        assert result.topology.ok, path
        assert seen.is_watertight, path
        ends = "; ".join(f.measured for f in result.findings if f.check != "repair-change") or "nothing to do"
        volume, most = changes(given, result)
    except SurgplanError as error:
        ends = f"**refused**: {error.found}"
    count = len(given.triangles) if given else 0
    return f"| `{path.name}` | {count:,} | {faults} | {ends} | {volume} | {most} | {spent() - before:.1f} |"


def changes(given: Surface, result: RepairResult) -> tuple[str, str]:
    """The change of volume, where it had one before, and the largest distance both ways in parts of the size."""
    if result.change is None:
        return "0", "0"
    volume = "—" if result.change.volume_percent is None else f"{result.change.volume_percent:+.3f} %"
    size = float((given.bounds[1] - given.bounds[0]).max())
    most = max(result.change.added_mm, result.change.lost_mm)
    return volume, f"{100 * most / size:.2g} % of its size" if most > 1e-6 * size else "0"


def spent() -> float:
    """Processor seconds of this process and its children."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
