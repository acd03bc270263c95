"""Runs in a process of its own: repairs one body with pymeshfix, which is copyleft and can end a process.

Reads vertices and triangles from an `.npz` file and writes the repaired ones to another.
"""

from __future__ import annotations

import sys


def main(source: str, target: str) -> None:
    """Repair the mesh in `source`, write it to `target`."""
    import numpy as np
    import pymeshfix

    given = np.load(source)
    fixer = pymeshfix.MeshFix(given["vertices"], given["triangles"])
    fixer.repair()
    vertices = np.asarray(getattr(fixer, "points", None) if hasattr(fixer, "points") else fixer.v)
    triangles = np.asarray(getattr(fixer, "faces", None) if hasattr(fixer, "faces") else fixer.f)
    np.savez(target, vertices=vertices, triangles=triangles)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
