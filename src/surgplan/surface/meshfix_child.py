"""Runs in a process of its own: repairs one body with pymeshfix, which is copyleft and can end a process."""

from __future__ import annotations


def main() -> None:
    """Repair the mesh of the order, (vertices, triangles); answer the repaired one."""
    import numpy as np
    import pymeshfix

    from surgplan.surface.child import answer, read_order

    fixer = pymeshfix.MeshFix(*read_order())
    fixer.repair()
    vertices = np.asarray(getattr(fixer, "points", None) if hasattr(fixer, "points") else fixer.v)
    triangles = np.asarray(getattr(fixer, "faces", None) if hasattr(fixer, "faces") else fixer.f)
    answer((vertices.astype(np.float64), triangles.astype(np.int32)))


if __name__ == "__main__":
    main()
