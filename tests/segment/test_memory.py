"""What a recipe's methods take of memory is told before they start, and is not less than what they take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from surgplan.formats.images import write_volume
from surgplan.model.volume import Volume
from surgplan.segment.memory import NEEDS, memory_bytes
from surgplan.segment.stage import SegmentParams
from surgplan.segment.structure import Method
from tests.segment.shapes import ball, grid, scan

TABLES = {
    "threshold": {"method": "threshold", "threshold_hu": (250, 3071), "close_mm": 3.0, "fill_holes": True},
    "local": {"method": "local", "threshold_hu": (250, 3071)},
    "hysteresis": {"method": "hysteresis", "threshold_hu": (100, 3071), "hysteresis": {"sure_hu": 400}},
    "tubes": {"method": "tubes", "threshold_hu": (150, 700)},
    "vessel": {"method": "vessel", "threshold_hu": (150, 700), "vessel": {"landmarks": ["seed"], "wall_mm": 5.0}},
    "grow": {"method": "grow", "threshold_hu": (150, 3071), "grow": {"landmarks": ["seed"], "against": ["other"]}},
}
CODE = """
import json, sys
from pathlib import Path
import SimpleITK, scipy.ndimage, scipy.spatial
from surgplan.formats.images import read_volume
from surgplan.model.points import Landmark, PointSet
from surgplan.segment.stage import Given, SegmentParams, segment
volume = read_volume(Path(sys.argv[1]))
params = SegmentParams.model_validate({"structures": [json.loads(sys.argv[2])]})
given = Given(PointSet([Landmark("seed", (-40.0, 0.0, 0.0)), Landmark("other", (40.0, 0.0, 0.0))]))
def kb(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])
Path("/proc/self/clear_refs").write_text("5")
held = kb("VmRSS")
segment(volume, params, given)
print(1024 * (kb("VmHWM") - held))
"""


def params_of(table):
    return SegmentParams.model_validate({"structures": [{"name": "it"} | table]})


def test_every_method_has_its_need():
    assert set(NEEDS) == set(get_args(Method))


def test_a_method_that_works_on_a_coarse_grid_takes_less_on_fine_voxels():
    grids = [grid((100, 100, 100), (step,) * 3) for step in (1.5, 0.5)]
    coarse, fine = (memory_bytes(where, params_of(TABLES["vessel"])) for where in grids)
    assert fine < 0.5 * coarse


@pytest.mark.slow
@pytest.mark.parametrize("method", TABLES)
def test_no_method_takes_more_than_is_told(method, tmp_path):
    """Each in a process of its own, on two noisy balls that touch, in a scan of 45 MB."""
    import json

    where = grid((280, 280, 290), (0.9, 0.9, 0.9))
    inside = ball(where, 60, (-50, 0, 0)) | ball(where, 60, (50, 0, 0))
    noise = np.random.default_rng(0).normal(0, 20, where.shape)
    volume: Volume = scan(where, np.where(inside, 400, 40) + noise)
    write_volume(tmp_path / "v.nrrd", volume)
    words = [sys.executable, "-c", CODE, tmp_path / "v.nrrd", json.dumps({"name": "it"} | TABLES[method])]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    took, told = int(done.stdout), memory_bytes(where, params_of(TABLES[method]))
    assert took <= told, f"{took / 1e6:.0f} MB of {told / 1e6:.0f} told"
