"""Runs in a process of its own: simplifies a mesh with manifold3d, which holds Python's lock while it works."""

from __future__ import annotations


def main() -> None:
    """Simplify the mesh of the order, (vertices, triangles, steps in mm); answer all stages, or why not."""
    from surgplan.surface.child import answer, read_order
    from surgplan.surface.simplify import stages_of
    from surgplan.surface.solid import NotManifold

    try:
        answer(stages_of(*read_order()))
    except NotManifold as error:
        answer(str(error))


if __name__ == "__main__":
    main()
