"""pymeshfix, which is copyleft and can end a process without a word: in a child process with a time limit."""

from __future__ import annotations

from surgplan.surface.child import ChildFailed, ChildTookTooLong, in_child
from surgplan.surface.clean import FEWEST, Mesh


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
    try:
        made: Mesh = in_child("surgplan.surface.meshfix_child", (*mesh, time_limit_s), time_limit_s)
    except ChildTookTooLong:
        raise GaveUp(f"pymeshfix took longer than the {time_limit_s:.0f} s that were left") from None
    except ChildFailed:
        raise GaveUp("pymeshfix ended without a result") from None
    if not len(made[1]):
        raise GaveUp("pymeshfix left nothing of a body")
    return made
