"""Each kernel beside the fastest library for its job, on the same input: `python -m tests.benchmarks.side_by_side JOB`.

Prints one JSON document: processor time of both (least of three, in turns) and their ratio. Each job's first line says
what the library does; what surgplan's kernel does beyond that counts in the ratio.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TIMES = 3
TOLERANCE_MM = 0.1
LEVEL_HU = 300
OUTPUT = "bench"
"""Folder in the case for what jobs write."""
Work = Callable[[], Any]


@cache
def _case(folder: Path) -> tuple[Any, Any]:
    from surgplan.formats.images import read_volume
    from surgplan.formats.segmentations import read_labels

    return read_volume(folder / "volume.nrrd"), read_labels(folder / "labels.seg.nrrd")


@cache
def _contour(folder: Path) -> Any:
    from surgplan.surface.contour import contour

    volume, labels = _case(folder)
    return contour(volume, labels, labels.labels[0])


def thresholding(folder: Path) -> tuple[Work, Work]:
    """numpy's two comparisons."""
    from surgplan.segment.threshold import between

    array = _case(folder)[0].array
    return lambda: between(array, LEVEL_HU, 3071), lambda: (array >= LEVEL_HU) & (array <= 3071)


def largest_part(folder: Path) -> tuple[Work, Work]:
    """SimpleITK's components, and numpy to find the largest."""
    import SimpleITK as sitk

    from surgplan.segment.components import Rule, keep_parts
    from surgplan.segment.threshold import threshold

    volume = _case(folder)[0]
    region = threshold(volume, LEVEL_HU, 3071)
    mask = volume.array >= LEVEL_HU

    def rival() -> Any:
        image = sitk.ConnectedComponent(sitk.GetImageFromArray(mask.view(np.uint8)))
        parts = sitk.GetArrayViewFromImage(image)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        return parts == sizes.argmax()

    return lambda: keep_parts(volume, region, Rule(largest=1)), rival


def filling(folder: Path) -> tuple[Work, Work]:
    """SimpleITK's components of the background, all but the outer one set."""
    import SimpleITK as sitk

    from surgplan.segment.components import fill_cavities
    from surgplan.segment.threshold import threshold

    volume = _case(folder)[0]
    region = threshold(volume, LEVEL_HU, 3071)
    mask = volume.array >= LEVEL_HU

    def rival() -> Any:
        outside = sitk.ConnectedComponent(sitk.GetImageFromArray((~mask).view(np.uint8)))
        parts = sitk.GetArrayViewFromImage(outside)
        return mask | (parts != parts[0, 0, 0])

    return lambda: fill_cavities(region), rival


def contouring(folder: Path) -> tuple[Work, Work]:
    """vtkFlyingEdges3D on the whole volume at one level: no label, no clamping, no place in the patient."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    from surgplan.surface.contour import contour

    volume, labels = _case(folder)

    def rival() -> Any:
        image = vtkImageData()
        image.SetDimensions(*volume.grid.size)
        image.GetPointData().SetScalars(numpy_to_vtk(volume.array.ravel()))
        edges = vtkFlyingEdges3D()
        edges.SetInputData(image)
        edges.SetValue(0, labels.labels[0].level or LEVEL_HU)
        edges.ComputeNormalsOff()
        edges.ComputeScalarsOff()
        edges.Update()
        return edges.GetOutput().GetNumberOfCells()

    return lambda: contour(volume, labels, labels.labels[0]), rival


def smoothing(folder: Path) -> tuple[Work, Work]:
    """vtkWindowedSincPolyDataFilter alone: no vertex is held within a budget."""
    from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

    from surgplan.surface.finish import SMOOTHING_SHARE
    from surgplan.surface.smooth import smooth
    from surgplan.surface.vtk_mesh import to_polydata

    surface = _contour(folder)

    def rival() -> Any:
        low_pass = vtkWindowedSincPolyDataFilter()
        low_pass.SetInputData(to_polydata(surface.vertices, surface.triangles))
        low_pass.SetNumberOfIterations(25)
        low_pass.SetPassBand(0.05)
        low_pass.Update()
        return low_pass.GetOutput().GetNumberOfPoints()

    return lambda: smooth(surface, SMOOTHING_SHARE * TOLERANCE_MM), rival


def simplifying(folder: Path) -> tuple[Work, Work]:
    """manifold3d's simplify(tolerance) alone: surgplan's is smoothed on the way, measured everywhere, and mended."""
    from manifold3d import Manifold, Mesh

    from surgplan.surface.fidelity import Contour
    from surgplan.surface.finish import SMOOTHING_SHARE
    from surgplan.surface.keeping import settled
    from surgplan.surface.simplify import SHARES, simplify
    from surgplan.surface.smooth import smooth

    contour = Contour(_contour(folder))
    surface = smooth(contour.surface, SMOOTHING_SHARE * TOLERANCE_MM)

    def rival() -> Any:
        mesh = Mesh(surface.vertices.astype(np.float32), surface.triangles.astype(np.uint32))
        return Manifold(mesh).simplify(SHARES[0][1] * TOLERANCE_MM).num_tri()

    def own() -> Any:
        return simplify(surface, TOLERANCE_MM, lambda made: settled(made, contour.everywhere, TOLERANCE_MM), True)

    return own, rival


def topology(folder: Path) -> tuple[Work, Work]:
    """trimesh: watertight, winding, number of bodies; no self-intersections and no test of vertices."""
    import trimesh

    from surgplan.surface.topology import topology as own

    surface = _contour(folder)
    none = np.empty((0, 2), np.int32)

    def rival() -> Any:
        mesh = trimesh.Trimesh(surface.vertices, surface.triangles, process=False)
        return mesh.is_watertight, mesh.is_winding_consistent, mesh.body_count, mesh.volume

    return lambda: own(surface.vertices, surface.triangles, none), rival


def repairing(folder: Path) -> tuple[Work, Work]:
    """pymeshfix on the finished skull with torn places: surgplan's is held to a budget, and measured."""
    import pymeshfix

    from surgplan.formats.meshes import read_mesh
    from surgplan.surface.repair import RepairParams, repair

    whole = read_mesh(folder / "surfaces" / "skull.ply")[0]
    some = whole.triangles[np.arange(len(whole.triangles)) % 2003 != 0]
    torn = whole.with_mesh(whole.vertices, some)

    def rival() -> Any:
        fixer = pymeshfix.MeshFix(torn.vertices, torn.triangles)
        fixer.repair()
        return fixer

    return lambda: repair(torn, RepairParams()), rival


def writing_volume(folder: Path) -> tuple[Work, Work]:
    """SimpleITK's raw NRRD: surgplan's is read back and hashed before it gets its name."""
    import SimpleITK as sitk

    from surgplan.formats.images import write_volume

    volume = _case(folder)[0]
    image = sitk.GetImageFromArray(volume.array)

    def rival() -> None:
        sitk.WriteImage(image, str(_anew(folder, "rival.nrrd")), useCompression=False)

    return lambda: write_volume(_anew(folder, "own.nrrd"), volume), rival


def writing_volume_surely(folder: Path) -> tuple[Work, Work]:
    """SimpleITK's raw NRRD too is flushed, read back, compared and hashed before it gets its name."""
    import SimpleITK as sitk

    own, write = writing_volume(folder)
    volume, path = _case(folder)[0], folder / OUTPUT / "rival.nrrd"

    def rival() -> Any:
        write()
        _flush(path)
        image = sitk.ReadImage(str(path))
        same = np.array_equal(sitk.GetArrayViewFromImage(image), volume.array)
        return same, _named(path)

    return own, rival


def _anew(folder: Path, name: str) -> Path:
    """Where a job writes; the file of the last round is gone."""
    path = folder / OUTPUT / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    return path


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _named(path: Path) -> str:
    """The file's hash, once it has been renamed."""
    with path.rename(path.with_stem("named")).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reading_volume(folder: Path) -> tuple[Work, Work]:
    """SimpleITK."""
    import SimpleITK as sitk

    from surgplan.formats.images import read_volume

    path = folder / "volume.nrrd"
    return lambda: read_volume(path), lambda: sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def writing_stl(folder: Path) -> tuple[Work, Work]:
    """trimesh's binary STL in memory, which keeps the normals of the first round."""
    import trimesh

    from surgplan.formats.stl import stl_bytes

    surface = _contour(folder)
    mesh = trimesh.Trimesh(surface.vertices, surface.triangles, process=False)
    return lambda: stl_bytes(surface), lambda: trimesh.exchange.stl.export_stl(mesh)


def writing_stl_surely(folder: Path) -> tuple[Work, Work]:
    """trimesh's STL file too is flushed, read back, compared by its own means (corners, volume), and hashed."""
    import trimesh

    from surgplan.formats.meshes import write_stl

    surface = _contour(folder)
    mesh = trimesh.Trimesh(surface.vertices, surface.triangles, process=False)

    def rival() -> Any:
        path = _anew(folder, "rival.stl")
        mesh.export(path)
        _flush(path)
        found = trimesh.load(path, process=False)
        same = np.allclose(found.triangles, mesh.triangles, rtol=0, atol=1e-3)
        return same, abs(found.volume - mesh.volume) < 1e-3 * mesh.area, _named(path)

    return lambda: write_stl(_anew(folder, "own.stl"), surface), rival


JOBS: dict[str, Callable[[Path], tuple[Work, Work]]] = {
    "threshold": thresholding,
    "largest part": largest_part,
    "fill cavities": filling,
    "contour": contouring,
    "smooth": smoothing,
    "simplify": simplifying,
    "topology": topology,
    "repair": repairing,
    "write volume": writing_volume,
    "write volume, both as surely": writing_volume_surely,
    "read volume": reading_volume,
    "write STL": writing_stl,
    "write STL, both as surely": writing_stl_surely,
}


def measured(job: str, folder: Path) -> dict[str, Any]:
    """Both, in turns."""
    works = JOBS[job](folder)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMES):
        for work, taken in zip(works, seconds, strict=True):
            before = _cpu()
            work()
            taken.append(_cpu() - before)
    shutil.rmtree(folder / OUTPUT, ignore_errors=True)
    own, rival = (min(taken) for taken in seconds)
    beside = (JOBS[job].__doc__ or "").strip()
    return {
        "own_s": round(own, 3),
        "rival_s": round(rival, 3),
        "ratio": round(own / max(rival, 1e-3), 2),
        "rival": beside,
    }


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def bench(case: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """All jobs, each in a new process."""
    told: dict[str, Any] = {}
    for job in JOBS:
        words = [sys.executable, "-m", "tests.benchmarks.side_by_side", job, str(case)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        told[job] = json.loads(done.stdout) if done.returncode == 0 else {"failed": done.stderr.strip()[-200:]}
        say(f"{job}: {told[job]}")
    return told


if __name__ == "__main__":
    json.dump(measured(sys.argv[1], Path(sys.argv[2])), sys.stdout)
