"""pymeshfix, which is copyleft and can end a process without a word: in a child process with a time limit."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from surgplan.surface.clean import Mesh

FEWEST = 3
"""With fewer triangles nothing can be closed."""


class GaveUp(Exception):
    """An attempt to repair a mesh that came to nothing; the message says why."""


def meshfix(mesh: Mesh, time_limit_s: float) -> Mesh:
    """One body through pymeshfix in a child process; `GaveUp` when that ends without a result or takes too long.

    Source: Attene, "A lightweight approach to repairing digitized polygon meshes", The Visual Computer 26, 2010.
    """
    if len(mesh[1]) < FEWEST:
        raise GaveUp(f"a part of {len(mesh[1])} triangles encloses nothing")
    if time_limit_s <= 0:
        raise GaveUp("no time was left for pymeshfix")
    with tempfile.TemporaryDirectory(prefix="surgplan-") as folder:
        source, target = Path(folder, "given.npz"), Path(folder, "fixed.npz")
        np.savez(source, vertices=mesh[0], triangles=mesh[1])
        command = [sys.executable, "-m", "surgplan.surface.meshfix_child", str(source), str(target)]
        try:
            subprocess.run(command, capture_output=True, timeout=time_limit_s, check=True)
            with np.load(target) as fixed:
                made = fixed["vertices"].astype(np.float64), fixed["triangles"].astype(np.int32)
        except subprocess.TimeoutExpired:
            raise GaveUp(f"pymeshfix took longer than {time_limit_s:g} s") from None
        except (subprocess.CalledProcessError, OSError, ValueError, KeyError):
            raise GaveUp("pymeshfix ended without a result") from None
    if not len(made[1]):
        raise GaveUp("pymeshfix left nothing of a body")
    return made
