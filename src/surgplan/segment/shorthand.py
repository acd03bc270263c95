"""The short form of refinements: keys of a structure's own table, which act in a fixed order, before `refine`."""

from __future__ import annotations

from dataclasses import replace

from surgplan.segment.boundary import bounded_below, half_maximum
from surgplan.segment.checks import empty, told_dark, told_dropped, told_edge, told_faint, told_filled
from surgplan.segment.components import LeftOut, Rule, fill_cavities, keep_parts
from surgplan.segment.given import Found, Scene
from surgplan.segment.morphology import close_gaps, cut_thin
from surgplan.segment.structure import StructureParams


def apply_shorthand(scene: Scene, params: StructureParams, found: Found) -> Found:
    """Cut what is thin, keep parts, set the boundary, close gaps and fill cavities, in this order.

    Raises
    ------
    EmptyLabel
        Nothing is as thick as asked for, or no part is large and dense enough.
    """
    volume, region = scene.volume, found.region
    low, high = params.limits
    if params.thinnest_mm:
        region = cut_thin(region, params.thinnest_mm)
        if not region.voxels:
            raise empty(volume, params.name, low, high, f"nothing is {params.thinnest_mm:g} mm thick")
    rule = Rule(params.keep_largest, params.min_volume_mm3, params.dense_hu)
    region, faint, small = keep_parts(volume, region, rule)
    if not region.voxels:
        largest = max(faint.largest_mm3, small.largest_mm3)
        why = f"no part passes min_volume_mm3 and dense_hu; the largest has {largest:.3g} mm³"
        raise empty(volume, params.name, low, high, why)
    level = found.level
    findings = list(found.findings)
    if params.boundary == "half-maximum":
        cut, edge = half_maximum(volume, region, low, high)
        cut, _, severed = keep_parts(volume, cut, replace(rule, dense=None))
        findings.append(told_edge(params.name, edge, low, region.volume_mm3, cut.volume_mm3))
        if edge.level is not None and cut.voxels:
            region, level, small = cut, edge.level, small.and_also(severed)
    elif level is not None and not bounded_below(volume, region, high):
        level = None
        findings.append(told_dark(params.name, high))
    findings += told_dropped(params.name, small, region) + told_faint(params.name, faint, params.dense_hu)
    left_out = (("faint parts", faint), ("dropped parts", small))
    listed = tuple(LeftOut(params.name, check, dropped) for check, dropped in left_out if dropped.count)
    return _closed(params, Found(region, level, tuple(findings), listed))


def _closed(params: StructureParams, found: Found) -> Found:
    region = close_gaps(found.region, params.close_mm) if params.close_mm else found.region
    closed_mm3 = (region.voxels - found.region.voxels) * region.grid.voxel_volume_mm3
    limit = float("inf") if params.fill_holes else params.fill_holes_mm3
    region, cavities, cavities_mm3 = fill_cavities(region, limit) if limit else (region, 0, 0.0)
    told = told_filled(params.name, closed_mm3, cavities, cavities_mm3)
    return replace(found, region=region, findings=(*found.findings, *told))
