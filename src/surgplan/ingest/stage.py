"""Reading a scan: the stage's parameters, and the checks of a finished volume."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.volume import Modality, Volume
from surgplan.params import Params

AIR_HU = -600
"""A CT of a body holds voxels darker than this: air round it, or lung. Fat is above -200 HU."""

CLIPPED_HU = 3071
"""Top of the 12-bit scale from -1024: metal and enamel beyond it are cut off."""


class IngestParams(Params):
    """How a scan is read and checked."""

    series: str | None = Field(None, description="which series: a number of the list, a UID, or its beginning")
    modality: Literal["CT", "MR", "OTHER"] | None = Field(
        None, description="how the scan was made, when the file does not say"
    )
    max_step_mm: float = Field(3.0, gt=0, le=20, description="warn when voxels are longer than this, in mm")
    max_anisotropy: float = Field(6.0, ge=1, le=100, description="warn when voxels are so many times longer than wide")


def check_volume(volume: Volume, params: IngestParams, source: object) -> tuple[Volume, tuple[Finding, ...]]:
    """The volume with its modality settled, and what is worth knowing of it before anything is made from it.

    Raises
    ------
    BadInput
        It is a label map, or holds one value only.
    """
    low, high = float(volume.array.min()), float(volume.array.max())
    if low == high:
        raise BadInput(source, f"every voxel has the value {low:g}", "a scan", "Check that it is the right file")
    _refuse_label_map(volume, low, high, source)
    findings: list[Finding] = []
    modality = volume.modality
    if params.modality is not None:
        modality = Modality(params.modality)
    elif modality is Modality.OTHER:
        modality, finding = _guess(low, high)
        findings.append(finding)
    findings += _resolution(volume, params)
    if modality is Modality.CT:
        findings += _scale(low, high)
    return Volume(volume.grid, volume.array, modality, volume.frame_of_reference), tuple(findings)


def _refuse_label_map(volume: Volume, low: float, high: float, source: object) -> None:
    """Masks have few whole values, without a step missing in most: a scan has hundreds."""
    if low < 0 or high > 255:
        return
    found = np.unique(volume.array[:: max(1, volume.grid.size[2] // 64)])
    values = len(found)
    if values <= 32 and (found == np.floor(found)).all():
        advice = "Use it with surgplan surface, as a label map"
        raise BadInput(source, f"holds {values} different values: a label map, no scan", "a scan", advice)


def _guess(low: float, high: float) -> tuple[Modality, Finding]:
    advice = "State it: --modality CT or MR"
    if low <= AIR_HU and high >= 200:
        measured = f"taken for a CT, for its values from {low:g} to {high:g}"
        return Modality.CT, Finding("modality", Level.NOTE, measured, advice=advice)
    measured = f"the file does not say how it was made; its values from {low:g} to {high:g} are no Hounsfield units"
    return Modality.OTHER, Finding("modality", Level.WARN, measured, f"below {AIR_HU} HU for air", advice)


def _resolution(volume: Volume, params: IngestParams) -> list[Finding]:
    spacing = volume.grid.spacing
    findings = []
    if spacing.max() > params.max_step_mm:
        advice = "Details smaller than that are lost; ask for a thinner reconstruction"
        limit = f"{params.max_step_mm:g} mm"
        findings.append(Finding("slice-step", Level.WARN, f"{spacing.max():.2f} mm", limit, advice, "the recipe"))
    anisotropy = float(spacing.max() / spacing.min())
    if anisotropy > params.max_anisotropy:
        advice = "Expect steps across the slices; ask for a thinner reconstruction"
        limit = f"{params.max_anisotropy:g}"
        findings.append(Finding("anisotropy", Level.WARN, f"{anisotropy:.1f}", limit, advice, "the recipe"))
    return findings


def _scale(low: float, high: float) -> list[Finding]:
    findings = []
    if low > AIR_HU:
        advice = "Thresholds in HU may not fit this scan; check its rescale values"
        findings.append(Finding("hu-scale", Level.WARN, f"darkest voxel {low:g} HU", f"{AIR_HU} HU", advice))
    if high == CLIPPED_HU:
        measured = f"values are cut off at {CLIPPED_HU} HU"
        findings.append(Finding("clipped", Level.NOTE, measured, advice="Metal looks no denser than that"))
    return findings
