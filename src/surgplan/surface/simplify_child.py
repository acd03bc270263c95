"""Runs in a process of its own: merges and simplifies a mesh, for manifold3d holds Python's lock while it works."""

from __future__ import annotations


def main() -> None:
    """Do what the `Order` says; answer the mesh, or why not."""
    import manifold3d  # noqa: F401  while whoever wants it is still busy
    from vtkmodules import vtkFiltersCore  # noqa: F401

    from surgplan.surface.child import answer, read_order
    from surgplan.surface.simplify import reduced
    from surgplan.surface.solid import NotManifold

    try:
        answer(reduced(read_order()))
    except NotManifold as error:
        answer(str(error))


if __name__ == "__main__":
    main()
