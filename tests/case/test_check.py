"""What `surgplan check` says of an open surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.case.check import check_target
from surgplan.formats.mesh_units import Told


def test_an_open_surface_is_told_with_its_holes(tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3, radius=20)
    away = [np.linalg.norm(ball.triangles_center - pole, axis=1) for pole in ([0, 0, 20], [20, 0, 0])]
    torn = trimesh.Trimesh(ball.vertices, ball.faces[(away[0] > 8) & (away[1] > 4)], process=False)
    torn.export(tmp_path / "torn.ply")
    found = check_target(tmp_path / "torn.ply", Told("mm", "LPS"))[0].findings
    measured = next(each.measured for each in found if each.check == "watertight")
    assert measured.startswith("the surface is open: 2 holes, the widest ")
    width, place = measured.split("widest ")[1].split(" mm wide at ")
    assert float(width) == pytest.approx(23, abs=3)  # across the border's box, from corner to corner
    x, y, z = (float(word) for word in place.strip("()").split(","))
    assert (x, y, z) == pytest.approx((0, 0, 18), abs=1)
