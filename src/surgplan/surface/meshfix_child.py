"""Runs in a process of its own: repairs one body with pymeshfix, which is copyleft and can crash or never end."""

from __future__ import annotations

MEMORY, MEMORY_EACH = 1 << 30, 2048
"""Bytes of address space, and for each triangle: it takes 0.7 GB, and 0.5 kB for each (measured up to 1.3 million)."""


def main() -> None:
    """Repair the mesh of the order, (vertices, triangles, seconds); answer the repaired one.

    The limits hold also when whoever gave the order has died meanwhile.
    """
    import resource

    import numpy as np
    import pymeshfix

    from surgplan.formats.limits import lower_limit
    from surgplan.surface.child import answer, read_order

    vertices, triangles, seconds = read_order()
    lower_limit(resource.RLIMIT_AS, MEMORY + MEMORY_EACH * len(triangles))
    lower_limit(resource.RLIMIT_CPU, int(seconds) + 2)
    fixer = pymeshfix.MeshFix(vertices, triangles)
    fixer.repair()
    vertices = np.asarray(getattr(fixer, "points", None) if hasattr(fixer, "points") else fixer.v)
    triangles = np.asarray(getattr(fixer, "faces", None) if hasattr(fixer, "faces") else fixer.f)
    answer((vertices.astype(np.float64), triangles.astype(np.int32)))


if __name__ == "__main__":
    main()
