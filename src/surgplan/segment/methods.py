"""How a structure is found: its method, then the short form of refinements, then the recipe's own list."""

from __future__ import annotations

from collections.abc import Callable

from surgplan.errors import EmptyLabel
from surgplan.segment.air import airway, lung
from surgplan.segment.body import body
from surgplan.segment.checks import empty
from surgplan.segment.contrast import contrast
from surgplan.segment.given import Found, Scene
from surgplan.segment.masks import from_mask
from surgplan.segment.otsu import otsu
from surgplan.segment.pelvis import pelvis
from surgplan.segment.refine import refine
from surgplan.segment.seeds import grow_from, split
from surgplan.segment.shorthand import apply_shorthand
from surgplan.segment.structure import StructureParams
from surgplan.segment.threshold import threshold
from surgplan.segment.thresholds import hysteresis, local
from surgplan.segment.vessel import tubes, vessel


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
    "hysteresis": lambda scene, params: hysteresis(scene, params.name, params.table, params.limits),
    "local": lambda scene, params: local(scene, params.name, params.table, params.limits),
    "otsu": lambda scene, params: otsu(scene, params.name, params.table),
    "grow": lambda scene, params: grow_from(scene, params.name, params.table, params.limits),
    "split": lambda scene, params: split(scene, params.name, params.table),
    "vessel": lambda scene, params: vessel(scene, params.name, params.table, params.limits),
    "tubes": lambda scene, params: tubes(scene, params.name, params.table, params.limits),
    "contrast": lambda scene, params: contrast(scene, params.name, params.table),
    "airway": lambda scene, params: airway(scene, params.name, params.table),
    "lung": lambda scene, params: lung(scene, params.name, params.table),
    "body": lambda scene, params: body(scene, params.name, params.table),
    "pelvis": lambda scene, params: pelvis(scene, params.name, params.table),
}
"""Name of a method → its function: the structure before any refinement."""
