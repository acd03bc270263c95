"""The input gate: what is worth knowing of a scan before anything is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.dicom import SliceHeader
from surgplan.ingest.limits import ACR, AHMED, BY_NAME, KIM, RECIPE, WINDER, GateLimits
from surgplan.model.volume import Grid, Modality

AIR_HU = -600
"""A CT of a body holds voxels darker than this: air round it, or lung. Fat is above -200 HU."""
CLIPPED_HU = (3071, 4095, 32767)
"""Tops of the usual scales: metal and enamel beyond them are cut off."""
FEW_SLICES = 20
ROUNDED_MM = 0.01
"""Headers round: 3.0001 mm are 3 mm."""
MANY_CLIPPED = 50
THICKER_THAN_STEP = 1.05
MOST_LABELS = 32
LABELS_AT_ALL = 256
FLAT = 0.95
"""In a label map nearly all voxels inside a structure equal their neighbour; in a scan noise forbids it."""
MOST_PLANES = 64


def check_scan(array: NDArray[Any], modality: Modality, source: object) -> tuple[float, float]:
    """Lowest and highest value of what must be a scan; of an unknown modality, it may be a label map instead.

    Raises
    ------
    BadInput
        It is a label map, or holds one value only.
    """
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise BadInput(source, f"every voxel has the value {low:g}", "a scan", "Check that it is the right file")
    if modality is Modality.OTHER and low >= 0 and high <= 65535 and array.dtype.kind != "f":
        planes = array[:: -(-len(array) // MOST_PLANES)]
        values = len(np.unique(planes))
        if values <= MOST_LABELS or (values <= LABELS_AT_ALL and _flatness(planes) > FLAT):
            advice = "Use it as a label map: surgplan surface LABELS -o surfaces/"
            raise BadInput(source, f"holds {values} different values and no noise: a label map", "a scan", advice)
    return low, high


def _flatness(planes: NDArray[Any]) -> float:
    """The share of voxels other than 0 that equal their neighbour along i."""
    inside = planes[..., 1:] != 0
    count = int(np.count_nonzero(inside))
    return int(np.count_nonzero(inside & (planes[..., 1:] == planes[..., :-1]))) / max(count, 1)


def guess_modality(low: float, high: float) -> tuple[Modality, Finding]:
    """CT when the values look like Hounsfield units, for files that do not say how the scan was made."""
    advice = "State it: --modality CT or MR"
    if low <= AIR_HU and high >= 200:
        measured = f"taken for a CT, for its values from {low:g} to {high:g}"
        return Modality.CT, Finding("modality", Level.NOTE, measured, advice=advice)
    measured = f"the file does not say how it was made; its values from {low:g} to {high:g} are no Hounsfield units"
    return Modality.OTHER, Finding("modality", Level.WARN, measured, f"below {AIR_HU} HU for air", advice)


def check_resolution(
    grid: Grid, thickness: float | None, max_step_mm: float, max_anisotropy: float, limits: GateLimits
) -> list[Finding]:
    """Voxels and slices against what is to be printed, and the number of slices."""
    spacing = grid.spacing
    findings = _step(float(spacing.max()), thickness or 0.0, max_step_mm, limits)
    anisotropy = float(spacing.max() / spacing.min())
    if anisotropy > max_anisotropy:
        advice = "Expect steps across the slices; ask for a thinner reconstruction"
        limit = f"{max_anisotropy:g}"
        findings.append(Finding("anisotropy", Level.WARN, f"{anisotropy:.1f}", limit, advice, RECIPE))
    if min(grid.size) < FEW_SLICES:
        advice = "Check that the series is complete"
        source = BY_NAME["slice-count"].source
        findings.append(Finding("slice-count", Level.WARN, f"{min(grid.size)} slices", f"{FEW_SLICES}", advice, source))
    return findings


def _step(step: float, thickness: float, max_step_mm: float, limits: GateLimits) -> list[Finding]:
    """What is smaller than the longer of step and thickness is blurred away, however densely slices overlap."""
    coarse = max(step, thickness)
    measured = f"{step:.2f} mm" if step >= thickness else f"{thickness:.2f} mm thick slices"
    if coarse > limits.refuse_step_mm + ROUNDED_MM:
        advice = "Ask for a thinner reconstruction"
        return [Finding("slice-step", Level.REFUSE, measured, f"{limits.refuse_step_mm:g} mm", advice, AHMED)]
    if limits.feature_mm is not None and coarse > limits.feature_mm / 2 + ROUNDED_MM:
        advice = f"Structures of {limits.feature_mm:g} mm need two voxels: ask for a thinner reconstruction"
        limit = f"{limits.feature_mm / 2:g} mm, half of feature_mm"
        return [Finding("slice-step", Level.WARN, measured, limit, advice, RECIPE)]
    if coarse > max_step_mm + ROUNDED_MM:
        advice = "Details smaller than that are lost; ask for a thinner reconstruction"
        return [Finding("slice-step", Level.WARN, measured, f"{max_step_mm:g} mm", advice, AHMED)]
    return []


def check_detail(longest_mm: float, wall_mm: float) -> Finding:
    """What a scan with voxels so long resolves, against the thinnest wall that is printed, in the body's size."""
    limits = "the scan" if 2 * longest_mm > wall_mm else "the printer"
    measured = f"the scan resolves about {2 * longest_mm:.2g} mm, two voxels: {limits} limits the detail"
    return Finding("detail", Level.NOTE, measured, f"walls of {wall_mm:.2g} mm in print", source="printer profile")


def check_scale(array: NDArray[Any], low: float, high: float, clipped_hu: float) -> list[Finding]:
    """Whether a CT has a Hounsfield scale: air or at least fat at its dark end, nothing cut off at its bright end."""
    findings = []
    if low > AIR_HU:
        level = Level.REFUSE if low >= 0 else Level.WARN
        advice = "Thresholds in HU may not fit this scan; check its rescale values"
        limit = f"below {0 if level is Level.REFUSE else AIR_HU} HU"
        findings.append(Finding("hu-scale", level, f"darkest voxel {low:g} HU", limit, advice, ACR))
    if high in CLIPPED_HU or (high < clipped_hu and _piles_up(array, high)):
        count = int(np.count_nonzero(array == array.dtype.type(high)))
        measured = f"values are cut off at {high:g} HU, in {count} voxels"
        if high < clipped_hu:
            advice = "The densest bone is lost: export the scan with its whole scale"
            findings.append(Finding("clipped", Level.WARN, measured, f"{clipped_hu:g} HU", advice, WINDER))
        else:
            findings.append(Finding("clipped", Level.NOTE, measured, advice="Metal looks no denser than that"))
    return findings


def _piles_up(array: NDArray[Any], high: float) -> bool:
    """Whether far more voxels have the highest value than any of the values right below it."""
    if array.dtype.kind == "f":
        return False
    top = int(np.count_nonzero(array == array.dtype.type(high)))
    below = int(np.count_nonzero(array > array.dtype.type(max(high - 20, float(array.min()))))) - top
    return top > MANY_CLIPPED and top > below


def check_slices(slices: Sequence[SliceHeader], step_mm: float, lossy_ratio: float | None) -> list[Finding]:
    """What the headers say of how the slices were made: compression with loss, thickness against their step."""
    findings = []
    lossy = sum(each.lossy for each in slices)
    if lossy:
        advice = "Use the lossless original if there is one"
        measured = f"{lossy} of {len(slices)} slices were compressed with loss"
        measured += f", at {lossy_ratio:g}:1" if lossy_ratio else ""
        findings.append(Finding("lossy", Level.WARN, measured, "lossless", advice, KIM))
    thickness = slices[0].thickness
    if thickness and step_mm > THICKER_THAN_STEP * thickness:
        advice = "Anatomy between the slices was never scanned; ask for contiguous slices"
        measured = f"slices of {thickness:g} mm lie {step_mm:.2f} mm apart"
        findings.append(Finding("slice-gaps", Level.WARN, measured, f"{thickness:g} mm", advice, "SliceThickness"))
    return findings
