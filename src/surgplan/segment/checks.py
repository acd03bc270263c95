"""What a person should know about a structure: findings, and the refusals that protect the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surgplan.errors import BadInput, EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.volume import Modality, Volume
from surgplan.segment.boundary import Edge
from surgplan.segment.components import DENSE_SHARE, Dropped
from surgplan.segment.region import Region
from surgplan.segment.threshold import between

AIR_HU = -500.0
"""Any CT that shows the air around or in a patient has values below this."""

METAL_HU = 3000.0
"""Enamel and the densest bone stay below; the 12-bit scale of older scanners ends at 3071."""

METAL_MM3 = 20.0
"""A dental filling is larger."""

GRAVE_PART = 0.05
"""A dropped part with this share of what was kept may be anatomy: a jaw, a second femur."""

GRAVE_CHANGE = 0.3
"""A boundary that moves the volume by this share has changed thin parts."""

GRAVE_OVERLAP = 0.01
"""Structures that claim this share of a structure's voxels together were not meant to overlap."""

ENDS = {"L": ("right", "left"), "R": ("left", "right"), "P": ("front", "back"), "A": ("back", "front")}
ENDS |= {"S": ("lower", "upper"), "I": ("upper", "lower")}
"""For each direction that an axis grows to: what its first and its last end are called."""


def check_scale(volume: Volume, needing_hu: Sequence[str]) -> list[Finding]:
    """Whether thresholds in HU mean anything for this scan; `needing_hu` names the structures that have such.

    Raises
    ------
    BadInput
        It is an MR scan.
    """
    if volume.modality is Modality.CT or not needing_hu:
        return []
    if volume.modality is Modality.MR:
        advice = f"Choose a recipe for MR, or pass a CT scan: structure `{needing_hu[0]}` is found by thresholds"
        raise BadInput("scan", "is an MR scan and has no Hounsfield units", "a CT scan", advice)
    lowest, highest = volume.array.min(), volume.array.max()
    air = lowest <= AIR_HU
    measured = f"the file does not say that it is a CT; its intensities, {lowest:g} to {highest:g}, are taken for HU"
    advice = "" if air else "Make sure that they are Hounsfield units: no voxel is as dark as air"
    return [Finding("scale", Level.NOTE if air else Level.WARN, measured, f"air below {AIR_HU:g} HU", advice)]


def empty(volume: Volume, name: str, low: float, high: float, why: str = "") -> EmptyLabel:
    """The error about a structure without voxels; it tells which intensities the scan has."""
    lowest, highest = volume.array.min(), volume.array.max()
    found = why or f"no voxel lies between {low:g} and {high:g} HU; the scan's lie between {lowest:g} and {highest:g}"
    advice = "Change what was asked for in the recipe" if why else "Change threshold_hu, or take another scan"
    return EmptyLabel(f"structure `{name}`", found, advice=advice)


def told_dropped(name: str, dropped: Dropped, kept: Region) -> list[Finding]:
    """Parts that were dropped for their size, with size and place of the largest."""
    if not dropped.count:
        return []
    share = dropped.largest_mm3 / kept.volume_mm3
    measured = f"{_parts(dropped)}, which is {100 * share:.1f} % of what was kept"
    if share < GRAVE_PART:
        return [Finding("dropped parts", Level.NOTE, measured, subject=name, source="recipe")]
    advice = "Look whether it is wanted; then raise keep_largest or lower min_volume_mm3"
    return [Finding("dropped parts", Level.WARN, measured, f"{100 * GRAVE_PART:g} %", advice, "recipe", name)]


def told_faint(name: str, dropped: Dropped, dense_hu: float | None) -> list[Finding]:
    """Parts that were dropped because they are not dense: tables, headrests, contrast-filled vessels."""
    if not dropped.count or dense_hu is None:
        return []
    limit = f"{100 * DENSE_SHARE:g} % at or above {dense_hu:g} HU"
    return [Finding("faint parts", Level.NOTE, _parts(dropped), limit, source="recipe", subject=name)]


def _parts(dropped: Dropped) -> str:
    x, y, z = dropped.parts[0].at
    count = "1 part" if dropped.count == 1 else f"{dropped.count} parts"
    told = f"{count} of {_volume(dropped.volume_mm3)} dropped; the largest, {_volume(dropped.largest_mm3)}"
    return f"{told}, lies at ({x:z.0f}, {y:z.0f}, {z:z.0f}) mm LPS"


def told_edge(name: str, edge: Edge, low: float, before_mm3: float, after_mm3: float) -> Finding:
    """The level of a half-maximum boundary, or why the threshold was taken instead."""
    source = "half-maximum height (Spoor et al. 1993)"
    if edge.level is None:
        measured = f"the boundary stays at the threshold, {low:g} HU: {edge.reason}"
        advice = 'Check the surface against the slices, or set boundary = "threshold"'
        return Finding("boundary", Level.WARN, measured, advice=advice, source=source, subject=name)
    change = after_mm3 / before_mm3 - 1
    measured = f"level {edge.level:g} HU, half way between {edge.inside:g} inside and {edge.outside:g} around it;"
    measured += f" the volume changes by {100 * change:+.1f} % against {low:g} HU"
    if abs(change) < GRAVE_CHANGE:
        return Finding("boundary", Level.NOTE, measured, source=source, subject=name)
    advice = 'Look whether thin parts are still there, or set boundary = "threshold"'
    return Finding("boundary", Level.WARN, measured, f"{100 * GRAVE_CHANGE:g} %", advice, source, name)


def told_dark(name: str, high: float) -> Finding:
    """That a structure's surface cannot lie at its lower threshold."""
    measured = f"most of what surrounds it is brighter than {high:g} HU: its surface follows the voxels"
    return Finding("boundary", Level.NOTE, measured, "half of its surroundings", subject=name)


def told_filled(name: str, closed_mm3: float, cavities: int, cavities_mm3: float) -> list[Finding]:
    """What closing and filling added."""
    findings = []
    if closed_mm3 > 0:
        measured = f"closing gaps added {_volume(closed_mm3)}"
        findings.append(Finding("closed gaps", Level.NOTE, measured, source="recipe", subject=name))
    if cavities:
        count = "1 cavity" if cavities == 1 else f"{cavities} cavities"
        measured = f"{count} of {_volume(cavities_mm3)} filled"
        findings.append(Finding("filled cavities", Level.NOTE, measured, source="recipe", subject=name))
    return findings


def told_change(name: str, what: str, before_mm3: float, after_mm3: float) -> list[Finding]:
    """How much an operation of the recipe changed a structure."""
    if after_mm3 == before_mm3:
        return []
    measured = (
        f"{what}: {_volume(before_mm3)} became {_volume(after_mm3)} ({100 * (after_mm3 / before_mm3 - 1):+.1f} %)"
    )
    return [Finding("refined", Level.NOTE, measured, source="recipe", subject=name)]


def told_overlap(name: str, voxels: int, left: Region) -> list[Finding]:
    """Voxels that an earlier structure had already."""
    share = voxels / (voxels + left.voxels)
    if not voxels:
        return []
    measured = f"{_volume(voxels * left.grid.voxel_volume_mm3)} ({100 * share:.1f} %) belong to structures named before"
    if share < GRAVE_OVERLAP:
        return [Finding("overlap", Level.NOTE, measured, subject=name, source="the structure named first has it")]
    advice = "Change the order of the structures or their thresholds if this one should have them"
    limit = f"{100 * GRAVE_OVERLAP:g} %"
    return [Finding("overlap", Level.WARN, measured, limit, advice, "the structure named first has it", name)]


def check_ends(name: str, region: Region) -> list[Finding]:
    """Whether the scan's ends cut the structure."""
    ends = []
    spacing = region.spacing_kji
    letters = region.grid.orientation_code()[::-1]
    for axis in range(3):
        area = float(np.prod([step for other, step in enumerate(spacing) if other != axis]))
        first, last = ENDS[letters[axis]]
        for at_end, layer, end in (
            (region.box.start[axis] == 0, 0, first),
            (region.box.stop[axis] == region.grid.shape[axis], -1, last),
        ):
            touching = int(np.count_nonzero(region.mask.take(layer, axis=axis))) if at_end else 0
            if touching:
                ends.append(f"{touching * area:.0f} mm² at its {end} end")
    if not ends:
        return []
    measured = f"the scan cuts it: {', '.join(ends)}"
    advice = "Do not plan or measure near the cut; scan a larger field if the missing part is needed"
    return [Finding("field of view", Level.WARN, measured, "0 mm²", advice, subject=name)]


def check_metal(volume: Volume, name: str, region: Region) -> list[Finding]:
    """Whether a structure holds metal, which blooms and streaks."""
    bright = between(volume.array[region.box.slices], METAL_HU, float("inf"))
    bright &= region.mask
    volume_mm3 = int(np.count_nonzero(bright)) * region.grid.voxel_volume_mm3
    if volume_mm3 < METAL_MM3:
        return []
    measured = f"{_volume(volume_mm3)} at or above {METAL_HU:g} HU: metal, whose outline is too large and streaked"
    advice = "Do not trust the surface there; a scan with metal artefact reduction is better"
    return [Finding("metal", Level.WARN, measured, _volume(METAL_MM3), advice, subject=name)]


def _volume(mm3: float) -> str:
    return f"{mm3:.3g} mm³" if mm3 < 1000 else f"{mm3 / 1000:.4g} cm³"
