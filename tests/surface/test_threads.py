"""The same bytes whatever the number of threads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

CODE = """
import hashlib, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
from surgplan.surface.stage import SurfaceParams, make_surfaces
from tests.surface.shapes import scan, shell
result = make_surfaces(*scan(shell(), (0.8, 0.8, 2.0)), SurfaceParams())
surface = result.surfaces[0]
told = repr(result.measures) + repr(result.findings)
parts = surface.vertices.tobytes(), surface.triangles.tobytes(), result.distances[0].tobytes(), told.encode()
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""


def test_one_thread_or_two_give_the_same_bytes() -> None:
    told = []
    for threads in ("1", "2"):
        done = subprocess.run([sys.executable, "-c", CODE, threads], capture_output=True, text=True, check=True)
        told.append(done.stdout.strip())
    assert told[0] == told[1]
    assert len(told[0]) == len(hashlib.sha256(b"").hexdigest())
    assert os.cpu_count()
