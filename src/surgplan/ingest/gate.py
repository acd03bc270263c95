"""The input gate: what is worth knowing of a scan before anything is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.dicom import SliceHeader
from surgplan.model.volume import Grid, Modality

AIR_HU = -600
"""A CT of a body holds voxels darker than this: air round it, or lung. Fat is above -200 HU."""
CLIPPED_HU = (3071, 4095, 32767)
"""Tops of the usual scales: metal and enamel beyond them are cut off."""
FEW_SLICES = 20
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


def check_resolution(grid: Grid, max_step_mm: float, max_anisotropy: float) -> list[Finding]:
    """Voxels against what is to be printed, and the number of slices."""
    spacing = grid.spacing
    findings = []
    if spacing.max() > max_step_mm:
        advice = "Details smaller than that are lost; ask for a thinner reconstruction"
        limit = f"{max_step_mm:g} mm"
        findings.append(Finding("slice-step", Level.WARN, f"{spacing.max():.2f} mm", limit, advice, "the recipe"))
    anisotropy = float(spacing.max() / spacing.min())
    if anisotropy > max_anisotropy:
        advice = "Expect steps across the slices; ask for a thinner reconstruction"
        limit = f"{max_anisotropy:g}"
        findings.append(Finding("anisotropy", Level.WARN, f"{anisotropy:.1f}", limit, advice, "the recipe"))
    if min(grid.size) < FEW_SLICES:
        advice = "Check that the series is complete"
        findings.append(Finding("slice-count", Level.WARN, f"{min(grid.size)} slices", f"{FEW_SLICES}", advice))
    return findings


def check_scale(array: NDArray[Any], low: float, high: float) -> list[Finding]:
    """Whether a CT has a Hounsfield scale: air at its dark end, nothing cut off at its bright end."""
    findings = []
    if low > AIR_HU:
        advice = "Thresholds in HU may not fit this scan; check its rescale values"
        findings.append(Finding("hu-scale", Level.WARN, f"darkest voxel {low:g} HU", f"{AIR_HU} HU", advice))
    if high in CLIPPED_HU:
        count = int(np.count_nonzero(array == array.dtype.type(high)))
        measured = f"values are cut off at {high:g} HU, in {count} voxels"
        findings.append(Finding("clipped", Level.NOTE, measured, advice="Metal looks no denser than that"))
    return findings


def check_slices(slices: Sequence[SliceHeader], step_mm: float) -> list[Finding]:
    """What the headers say of how the slices were made: compression with loss, thickness against their step."""
    findings = []
    lossy = sum(each.lossy for each in slices)
    if lossy:
        advice = "Use the lossless original if there is one"
        measured = f"{lossy} of {len(slices)} slices were compressed with loss"
        findings.append(Finding("lossy", Level.WARN, measured, "lossless", advice, "DICOM PS3.3 C.7.6.1.1.5"))
    thickness = slices[0].thickness
    if thickness and step_mm > THICKER_THAN_STEP * thickness:
        advice = "Anatomy between the slices was never scanned; ask for contiguous slices"
        measured = f"slices of {thickness:g} mm lie {step_mm:.2f} mm apart"
        findings.append(Finding("slice-gaps", Level.WARN, measured, f"{thickness:g} mm", advice, "SliceThickness"))
    return findings
