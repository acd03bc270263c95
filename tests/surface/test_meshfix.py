"""pymeshfix is never trusted to end: it is stopped, killed and starved here, and no process is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from surgplan.surface.clean import Mesh
from surgplan.surface.meshfix import GaveUp, meshfix


def torn(subdivisions: int) -> Mesh:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=20)
    return np.array(mesh.vertices), np.array(mesh.faces[9:], dtype=np.int32)


def children() -> list[int]:
    """The pymeshfix processes that this one has started."""
    found = [each for path in Path("/proc/self/task").glob("*/children") for each in path.read_text().split()]
    return [int(each) for each in found if b"meshfix_child" in Path("/proc", each, "cmdline").read_bytes()]


def test_a_hole_is_closed() -> None:
    vertices, triangles = meshfix(torn(3), 60)
    assert trimesh.Trimesh(vertices, triangles).is_watertight


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(GaveUp, match="took longer"):
        meshfix(torn(6), 0.3)
    assert not children()


def test_one_that_is_killed_is_no_end_of_the_program() -> None:
    def kill() -> None:
        for _ in range(2000):
            if found := children():
                os.kill(found[0], signal.SIGKILL)
                return
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(GaveUp, match="ended without a result"):
        meshfix(torn(6), 60)
    killer.join()
    assert not children()


@pytest.mark.slow
def test_one_without_memory_gives_up() -> None:
    code = (
        "import resource; from tests.surface.test_meshfix import *\n"
        "mesh = torn(6)\n"
        "from surgplan.formats.limits import lower_limit\n"
        "lower_limit(resource.RLIMIT_DATA, 120 << 20)\n"
        "try: meshfix(mesh, 60)\n"
        "except GaveUp as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert "ended without a result" in done.stdout, done.stderr
