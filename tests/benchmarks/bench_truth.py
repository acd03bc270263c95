"""How far surfaces lie from the truth of analytic bodies: surgplan beside dicom2stl, with as many triangles.

dicom2stl is given what it does best with: all voxels, as many triangles as surgplan's surface has, and its usual 25
rounds of smoothing, which came nearer to the torus than 5 or none. Twice: with its own setting for bone, which is what
a lab would use; and told the very level that surgplan found in the scan, which it cannot find itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_dicom2stl import VERSION, installed
from tests.benchmarks.case_large import BUILD
from tests.benchmarks.measure import run

TOLERANCE_MM = 0.1
THRESHOLD_HU = (300, 1900)
BOUNDARIES = {"surgplan": "level", "surgplan, local level": "local-half-maximum"}
WANTED = {"mean_mm": 0.05, "p95_mm": 0.12, "volume_percent": 0.5, "times": 4.0}


def bench(say: Callable[[str], None]) -> dict[str, Any]:
    """All bodies at all voxel sizes."""
    from tests.benchmarks.bodies import BODIES, SPACINGS

    rows = []
    for name in BODIES:
        for size in SPACINGS:
            for row in one(name, size):
                rows.append({"body": name, "voxels": size, **row})
                say(f"{name}, {size}: {row}")
    return {"tolerance_mm": TOLERANCE_MM, "dicom2stl": VERSION, "wanted": WANTED, "rows": rows}


def one(name: str, size: str) -> list[dict[str, Any]]:
    """The rows of one scan."""
    from surgplan.formats.images import write_volume
    from surgplan.segment.stage import SegmentParams, segment
    from surgplan.surface.stage import SurfaceParams, make_surfaces
    from tests.benchmarks.bodies import BODIES, SPACINGS, held_to_truth, scanned

    body = BODIES[name]
    volume = scanned(body, SPACINGS[size])
    structure = {"name": body.structure, "threshold_hu": THRESHOLD_HU, "keep_largest": body.parts}
    params = SegmentParams.model_validate({"structures": [structure | {"boundary": "half-maximum"}]})
    labels = segment(volume, params).labels
    rows = []
    for tool, boundary in BOUNDARIES.items():
        made = make_surfaces(volume, labels, SurfaceParams(tolerance_mm=TOLERANCE_MM, boundary=boundary))
        sound = made.measures[0].topology.ok
        rows.append({"tool": tool, **held_to_truth(body, made.surfaces[0]), "sound": sound})
    scan = BUILD / "truth.nrrd"
    scan.unlink(missing_ok=True)
    write_volume(scan, volume)
    largest = ["--largest"] if body.parts == 1 else []
    count, level = rows[0]["triangles"], labels.labels[0].level
    settings = {
        "dicom2stl, its bone setting": ["--type", "bone", *largest],
        "dicom2stl, told the level": ["--isovalue", f"{level:g}", *largest],
    }
    for tool, words in settings.items():
        whole = len(_dicom2stl(scan, [*words, "--reduce", "0", "--smooth", "0"]).triangles)
        fewer = ["--reduce", f"{max(0.0, 1 - count / whole):.5f}"]
        rows.append({"tool": tool, **_judged(body, _dicom2stl(scan, [*words, *fewer]))})
    return rows


def _dicom2stl(scan: Path, words: list[str]) -> Any:
    """The surface that it makes of the scan."""
    from surgplan.formats.meshes import read_mesh

    target = BUILD / "truth.stl"
    target.unlink(missing_ok=True)
    command = [str(installed()), "--disable", "shrink", *words, "-o", str(target), str(scan)]
    run(command, BUILD / "logs" / "truth.log")
    return read_mesh(target)[0]


def _judged(body: Any, surface: Any) -> dict[str, Any]:
    """Its surface, welded and turned outward so that its volume counts, held to the truth."""
    from surgplan.surface.clean import oriented, welded
    from surgplan.surface.repair import RepairParams
    from surgplan.surface.topology import topology
    from tests.benchmarks.bodies import held_to_truth

    mesh = oriented(*welded(surface.vertices, surface.triangles, RepairParams().weld_mm, _quiet), _quiet)
    return {**held_to_truth(body, surface.with_mesh(*mesh)), "sound": topology(*mesh).ok}


def _quiet(*_: object) -> None:
    """What was welded is of no interest here."""
