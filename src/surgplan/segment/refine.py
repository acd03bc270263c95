"""Refining a structure: each operation of its recipe, in the order in which they are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from surgplan.errors import EmptyLabel
from surgplan.findings import Finding
from surgplan.segment import operations as ops
from surgplan.segment.checks import told_change, told_dropped
from surgplan.segment.combine import add, intersect, subtract
from surgplan.segment.components import Dropped, LeftOut, Rule, fill_cavities, keep_near, keep_parts
from surgplan.segment.crop import ball, keep_ball, keep_box, keep_side
from surgplan.segment.given import Found, Scene
from surgplan.segment.middle import known_middle
from surgplan.segment.morphology import close_gaps, cut_thin, grow, open_bridges, shrink
from surgplan.segment.region import Region
from surgplan.segment.slicewise import fill_slices
from surgplan.segment.smooth import majority, smoothed

MOVING = (ops.Open, ops.Median, ops.Smooth, ops.Grow, ops.Shrink)
"""After these, no intensity marks the boundary any longer: the surface follows the voxels."""


@dataclass(frozen=True, eq=False)
class At:
    """Where an operation works: the scene, and the name of the structure."""

    scene: Scene
    name: str

    def point(self, landmark: str) -> Any:
        """(3,) a landmark, LPS mm."""
        return self.scene.landmark(landmark, self.name)

    def other(self, structure: str) -> Region:
        """A structure found before."""
        return self.scene.structure(structure, self.name)


def refine(scene: Scene, name: str, found: Found, operations: Sequence[ops.Operation]) -> Found:
    """The structure after all operations.

    Raises
    ------
    EmptyLabel
        An operation leaves nothing; the message says which.
    WrongUsage
        It refers to a landmark or structure that is not there.
    """
    region, level = found.region, found.level
    findings, left_out = list(found.findings), list(found.left_out)
    for number, operation in enumerate(operations, start=1):
        before = region
        region, dropped = _apply(At(scene, name), region, operation)
        region = region.trimmed()
        what = f"refine {number}, {operation.op}"
        if not region.voxels:
            told = f"{what} leaves nothing of its {before.volume_mm3:.3g} mm³"
            raise EmptyLabel(f"structure `{name}`", told, advice="Change that operation in the recipe")
        if isinstance(operation, MOVING):
            level = None
        findings += _told(name, what, before, region, dropped)
        left_out += [LeftOut(name, "dropped parts", dropped)] if dropped.count else []
    return Found(region, level, tuple(findings), tuple(left_out))


def _told(name: str, what: str, before: Region, after: Region, dropped: Dropped) -> list[Finding]:
    if dropped.count:
        return told_dropped(name, dropped, after)
    return told_change(name, what, before.volume_mm3, after.volume_mm3)


def _apply(at: At, region: Region, operation: ops.Operation) -> tuple[Region, Dropped]:
    chooser = CHOOSING.get(type(operation))
    if chooser is not None:
        return chooser(at, region, operation)
    return CHANGING[type(operation)](at, region, operation), Dropped()


def _keep_largest(at: At, region: Region, operation: ops.KeepLargest) -> tuple[Region, Dropped]:
    kept, _, small = keep_parts(at.scene.volume, region, Rule(largest=operation.n))
    return kept, small


def _keep_above(at: At, region: Region, operation: ops.KeepAbove) -> tuple[Region, Dropped]:
    kept, _, small = keep_parts(at.scene.volume, region, Rule(min_volume_mm3=operation.volume_mm3))
    return kept, small


def _keep_dense(at: At, region: Region, operation: ops.KeepDense) -> tuple[Region, Dropped]:
    kept, faint, _ = keep_parts(at.scene.volume, region, Rule(dense=operation.dense_hu))
    return kept, faint


def _keep_touching(at: At, region: Region, operation: ops.KeepTouching) -> tuple[Region, Dropped]:
    if operation.structure is not None:
        return keep_near(region, at.other(operation.structure), operation.within_mm)
    radius = max(operation.within_mm, *region.spacing_kji)
    return keep_near(region, ball(region.grid, at.point(str(operation.landmark)), radius), 0.0)


def _subtract(at: At, region: Region, operation: ops.Subtract) -> Region:
    return subtract(region, with_margin(at.other(operation.structure), operation.margin_mm))


def _intersect(at: At, region: Region, operation: ops.Intersect) -> Region:
    return intersect(region, with_margin(at.other(operation.structure), operation.margin_mm))


def with_margin(region: Region, margin_mm: float) -> Region:
    """A region grown by a margin, or as it is when that is 0."""
    return grow(region, margin_mm) if margin_mm else region


def _keep_side(at: At, region: Region, operation: ops.KeepSide) -> Region:
    named = operation.landmark
    middle = known_middle(at.scene.volume) if named is None else float(at.point(named)[0])
    return keep_side(region, operation.side, middle)


CHOOSING: dict[type, Callable[[At, Region, Any], tuple[Region, Dropped]]] = {
    ops.KeepLargest: _keep_largest,
    ops.KeepAbove: _keep_above,
    ops.KeepDense: _keep_dense,
    ops.KeepTouching: _keep_touching,
}
"""Operations that keep some of the connected parts and tell what they drop."""

CHANGING: dict[type, Callable[[At, Region, Any], Region]] = {
    ops.Fill: lambda at, region, op: fill_cavities(region, op.up_to_mm3 or float("inf"))[0],
    ops.FillSlices: lambda at, region, op: fill_slices(region, op.up_to_mm2 or float("inf")),
    ops.Close: lambda at, region, op: close_gaps(region, op.gap_mm),
    ops.Open: lambda at, region, op: open_bridges(region, op.width_mm),
    ops.CutThin: lambda at, region, op: cut_thin(region, op.width_mm),
    ops.Median: lambda at, region, op: majority(region, op.radius_mm),
    ops.Smooth: lambda at, region, op: smoothed(region, op.sigma_mm),
    ops.Grow: lambda at, region, op: grow(region, op.by_mm),
    ops.Shrink: lambda at, region, op: shrink(region, op.by_mm),
    ops.CropBox: lambda at, region, op: keep_box(region, op.min_mm, op.max_mm),
    ops.CropSphere: lambda at, region, op: keep_ball(region, at.point(op.landmark), op.radius_mm),
    ops.Add: lambda at, region, op: add(region, at.other(op.structure)),
    ops.Subtract: _subtract,
    ops.Intersect: _intersect,
    ops.KeepSide: _keep_side,
}
"""Operations that change which voxels belong to the structure."""
