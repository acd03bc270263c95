"""How many bodies a part has, and how many cavities that nothing leads into."""

from __future__ import annotations

from surgplan.model.surface import Surface
from surgplan.surface.topology import bodies, body_volumes


def shells(surface: Surface) -> tuple[int, int]:
    """The number of outer shells, and of closed cavities within."""
    volumes = body_volumes(surface.vertices, surface.triangles, bodies(surface.vertices, surface.triangles))
    return int((volumes > 0).sum()), int((volumes < 0).sum())
