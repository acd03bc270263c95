"""How a structure is found: its method, then the short form of refinements, then the recipe's own list."""

from __future__ import annotations

from collections.abc import Callable

from surgplan.errors import EmptyLabel
from surgplan.segment.checks import empty
from surgplan.segment.given import Found, Scene
from surgplan.segment.masks import from_mask
from surgplan.segment.refine import refine
from surgplan.segment.shorthand import apply_shorthand
from surgplan.segment.structure import StructureParams
from surgplan.segment.threshold import threshold


def find_structure(scene: Scene, params: StructureParams) -> Found:
    """Find the structure by its method, then refine it: first by its own keys, then by its list of operations.

    Raises
    ------
    EmptyLabel
        The method finds nothing, no part is large enough, or a refinement leaves nothing.
    BadInput, WrongUsage
        A landmark or structure that it refers to is not there, or lies where it cannot be meant.
    """
    found = METHODS[params.method](scene, params)
    if not found.region.voxels:
        raise EmptyLabel(f"structure `{params.name}`", f"method `{params.method}` finds nothing")
    return refine(scene, params.name, apply_shorthand(scene, params, found), params.refine)


def _threshold(scene: Scene, params: StructureParams) -> Found:
    low, high = params.limits
    region = threshold(scene.volume, low, high)
    if not region.voxels:
        raise empty(scene.volume, params.name, low, high)
    return Found(region, low)


METHODS: dict[str, Callable[[Scene, StructureParams], Found]] = {
    "threshold": _threshold,
    "mask": from_mask,
    "network": from_mask,
    "totalsegmentator": from_mask,
}
"""Name of a method → its function: the structure before any refinement."""
