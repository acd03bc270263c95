"""The process in which open3d lays points on a surface: `python -m surgplan.navigation.confirm_child`.

An `.npz` file comes on stdin: `vertices`, `triangles` of the surface, `points` (n, 3), mm, and `start` (4, 4). One JSON
document goes to stdout: `matrix`, `share` (of the points that have a partner) and `version`. In a process of its own
open3d can print, be kept to one core (the same input gives the same bytes), and crash without harm.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

SEED = 20_240_302
SAMPLES = 120_000
REACH_MM = 10.0
"""Partners lie closer than this: the start is some 6 mm off at the ends of a head."""

STEPS, STILL = 100, 1e-9
SMALLEST_SD_MM = 0.01
"""Exact points on exact surfaces leave no scatter to weigh by."""


def main() -> None:
    """Read the order, lay the points, answer."""
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print is no answer
    if hasattr(os, "sched_setaffinity"):  # threads that share one sum round it differently each time
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import numpy as np

    with np.load(io.BytesIO(sys.stdin.buffer.read())) as order:
        told = lay(order["vertices"], order["triangles"], order["points"], order["start"])
    with os.fdopen(answer, "w", encoding="ascii") as stream:
        json.dump(told, stream)


def lay(vertices: Any, triangles: Any, points: Any, start: Any) -> dict[str, Any]:
    """open3d's own samples, normals, search and steps: nothing of `icp` but its constants for robust weights."""
    import numpy as np
    import open3d as o3d

    from surgplan.navigation.icp import MAD, TUKEY

    o3d.utility.set_verbosity_level(o3d.utility.VerbosityLevel.Error)
    o3d.utility.random.seed(SEED)
    places, faces = o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(triangles)
    mesh = o3d.geometry.TriangleMesh(places, faces)
    fixed = mesh.sample_points_uniformly(SAMPLES, use_triangle_normal=True)
    moving = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    tools = o3d.pipelines.registration
    until = tools.ICPConvergenceCriteria(STILL, STILL, STEPS)

    def descended(start: Any, scale_mm: float) -> Any:
        towards = tools.TransformationEstimationPointToPlane(tools.TukeyLoss(scale_mm))
        return tools.registration_icp(moving, fixed, REACH_MM, start, towards, until)

    near = descended(start, REACH_MM)
    mine, theirs = np.asarray(near.correspondence_set, np.int64).reshape(-1, 2).T
    carried = points[mine] @ near.transformation[:3, :3].T + near.transformation[:3, 3]
    away = ((carried - np.asarray(fixed.points)[theirs]) * np.asarray(fixed.normals)[theirs]).sum(axis=1)
    sd = MAD * float(np.median(np.abs(away))) if len(away) else 0.0
    end = descended(near.transformation, TUKEY * max(sd, SMALLEST_SD_MM))
    return {"matrix": end.transformation.tolist(), "share": end.fitness, "version": o3d.__version__}


if __name__ == "__main__":
    main()
