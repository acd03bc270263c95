"""Analytic shapes as surfaces, scans and whole cases: the truth that the report's pictures and numbers are held to."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import numpy as np

from surgplan.model.labels import Label, LabelMap, Side
from surgplan.model.points import Landmark, PointSet, Trajectory
from surgplan.model.surface import Surface
from surgplan.model.volume import IDENTITY, Grid, Modality, Volume
from surgplan.navigation.stage import NavigationParams, plan_navigation
from surgplan.printing.job import job_of
from surgplan.printing.printers import find_printer
from surgplan.printing.stage import PrintParams, prepare
from surgplan.report.stage import ReportInput
from surgplan.segment.certainty import Certainty
from surgplan.surface.stage import SurfaceParams, make_surfaces

BONE, RED = (232, 220, 192), (200, 40, 40)


def sphere(radius, centre=(0.0, 0.0, 0.0), name="ball", color=BONE):
    """A ball of 20,480 triangles, whose corners lie on the sphere exactly."""
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    return Surface(Label(1, name, color), mesh.vertices + np.asarray(centre), mesh.faces)


def grid(size=(64, 60, 40), spacing=(1.0, 1.0, 1.5), direction=IDENTITY):
    """A grid with LPS (0, 0, 0) in its middle."""
    offset = np.asarray(direction) @ ((np.asarray(size) - 1) / 2 * np.asarray(spacing))
    return Grid(size, spacing, -offset, direction)


def places(where):
    """LPS positions of the voxels' centres, (k, j, i, 3)."""
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in where.size], indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    return where.lps_from_ijk.apply(ijk.reshape(-1, 3)).reshape(ijk.shape)


def blobs(where, balls, modality=Modality.CT, around=40, value=1000):
    """A scan of soft tissue with balls (centre, radius) of bone in it, each blurred over 1 mm."""
    nearest = np.min([np.linalg.norm(places(where) - centre, axis=-1) - radius for centre, radius in balls], axis=0)
    return Volume(where, np.rint(around + (value - around) * np.clip(0.5 - nearest, 0, 1)).astype(np.int16), modality)


def all_orientations():
    """The 24 right-handed ways in which a scan's axes can lie along the patient's."""
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            axes = np.zeros((3, 3))
            axes[list(order), range(3)] = signs
            if np.linalg.det(axes) > 0:
                yield axes


def turned(degrees, about="z"):
    """A rotation of a scan's axes about one of the patient's."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]),
    }[about]


@cache
def small_case():
    """Everything a report needs, made by the real stages: a large ball in the middle, a small one on the left."""
    where = grid()
    big, small = ((0.0, 0.0, 0.0), 15.0), ((22.0, -8.0, 6.0), 5.0)
    volume = blobs(where, [big, small])
    distance = [np.linalg.norm(places(where) - centre, axis=-1) - radius for centre, radius in (big, small)]
    array = np.where(distance[0] <= 0, 1, np.where(distance[1] <= 0, 2, 0)).astype(np.uint8)
    labels = LabelMap(where, array, (Label(1, "ball", BONE, level=520.0), Label(2, "pea", RED, Side.LEFT, level=520.0)))
    result = make_surfaces(volume, labels, SurfaceParams())
    printed = prepare(result.surfaces, PrintParams(), "small")
    points = PointSet((Landmark("nasion", (0.0, -20.0, 0.0)), Landmark("entry", (20.0, 5.0, 20.0), uncertainty_mm=0.4)))
    path = Trajectory("biopsy", (20.0, 5.0, 20.0), (2.0, 0.0, 1.0), avoid=("pea",), margin_mm=3.0)
    plan = plan_navigation(volume, points, [path], NavigationParams(), [printed.plate.print_from_lps])
    return ReportInput(
        case="small",
        recipe="ct-test",
        facts={"modality": "CT", "slice thickness (mm)": 1.5, "patient position": "FFS"},
        volume=volume,
        labels=labels,
        surfaces=result.surfaces,
        measures=result.measures,
        job=job_of(printed, find_printer("generic-fdm"), "small", ["small.3mf"]),
        plan=plan,
        findings=tuple(("surface", finding) for finding in result.findings),
        files={"surfaces/ball.ply": "ab" * 32},
        versions={"surgplan": "0.1.0"},
        stages={"segment": {"structures": [{"name": "ball", "threshold_hu": [200.0, 3071.0]}]}, "surface": {"a": None}},
        distances=result.distances,
        certainty=(Certainty("ball", 520.0, 50.0, 0.104, 0.207, 0.411), Certainty("pea", 520.0, 50.0, 0.3, 1.5, 20.0)),
    )
