"""Which voxels belong to which structure: the stage's parameters and its function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from surgplan.errors import EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.labels import LONGEST_NAME, Code, Label, LabelMap, Side
from surgplan.model.volume import Modality, Volume
from surgplan.params import Params
from surgplan.segment.boundary import bounded_below, half_maximum
from surgplan.segment.checks import (
    check_ends,
    check_metal,
    check_scale,
    check_side,
    empty,
    told_dark,
    told_dropped,
    told_edge,
    told_faint,
    told_filled,
    told_overlap,
)
from surgplan.segment.components import Rule, fill_cavities, keep_parts
from surgplan.segment.morphology import close_gaps, cut_thin
from surgplan.segment.region import Region
from surgplan.segment.threshold import threshold


class StructureParams(Params):
    """How one structure is found in the scan, what it is called and how it is shown."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="what the structure is called")
    threshold_hu: tuple[float, float] = Field(description="lowest and highest intensity that belong to it, in HU")
    boundary: Literal["threshold", "half-maximum"] = Field(
        "threshold",
        description="where its surface lies: at the lower threshold, or half way between inside and outside",
    )
    thinnest_mm: float = Field(0.0, ge=0, le=20, description="cut off shells and bridges thinner than this, in mm")
    keep_largest: int | None = Field(None, ge=1, description="keep this many connected parts, the largest ones")
    min_volume_mm3: float = Field(0.0, ge=0, description="drop connected parts that are smaller, in mm³")
    dense_hu: float | None = Field(
        None, description="keep only connected parts of which a tenth reaches this intensity, in HU"
    )
    close_mm: float = Field(0.0, ge=0, le=10, description="close gaps up to this wide, in mm")
    fill_holes: bool = Field(False, description="fill every cavity that has no way out, however large")
    fill_holes_mm3: float = Field(0.0, ge=0, description="fill cavities that have no way out up to this volume, in mm³")
    color: str = Field("#e8dcc0", pattern=r"^#[0-9a-fA-F]{6}$", description="its colour, as #rrggbb")
    side: Side = Field(Side.NONE, description="the patient's side on which it must lie: left, right, or empty")
    code: tuple[str, str, str] | None = Field(
        None, description="its coded meaning: scheme, value, meaning, for example SCT, 272679002, Bone"
    )
    optional: bool = Field(False, description="no error when the scan does not hold it")

    @field_validator("threshold_hu")
    @classmethod
    def _in_order(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] >= limits[1]:
            raise ValueError(f"the lower threshold {limits[0]:g} is not below the upper one, {limits[1]:g}")
        return limits

    @model_validator(mode="after")
    def _is_a_label(self) -> StructureParams:
        self.label(1)
        return self

    def label(self, value: int, level: float | None = None) -> Label:
        """The structure's label with this value and boundary level."""
        red, green, blue = (int(self.color[at : at + 2], 16) for at in (1, 3, 5))
        code = Code(*self.code) if self.code else None
        return Label(value, self.name, (red, green, blue), self.side, code, level)


class SegmentParams(Params):
    """The structures to find. Where two of them claim a voxel, the one named earlier has it."""

    structures: tuple[StructureParams, ...] = Field(min_length=1, max_length=255, description="what to segment")

    @field_validator("structures")
    @classmethod
    def _names_differ(cls, structures: tuple[StructureParams, ...]) -> tuple[StructureParams, ...]:
        stems = [structure.label(1).file_stem for structure in structures]
        if len(set(stems)) != len(stems):
            raise ValueError(f"two structures are named {max(stems, key=stems.count)!r}, or would share that file name")
        return structures


@dataclass(frozen=True)
class SegmentResult:
    """The label map, and what the checks found."""

    labels: LabelMap
    findings: tuple[Finding, ...]


def segment(volume: Volume, params: SegmentParams) -> SegmentResult:
    """Find each structure in the volume, in the order of the list; an earlier one keeps what a later one claims too.

    Each label's `level` is the intensity (HU) at which its boundary lies between voxels: its voxels are at or above
    it, except those that closing and filling added. A structure that is darker than what surrounds it has none.

    Raises
    ------
    EmptyLabel
        A structure that is not optional has no voxels.
    BadInput
        It is an MR scan, which has no Hounsfield units.
    Refused
        A structure lies on the side of the body that its `side` excludes.
    """
    findings = check_scale(volume)
    array = np.zeros(volume.grid.shape, dtype=np.uint8)
    labels = []
    for value, structure in enumerate(params.structures, start=1):
        try:
            found = find_structure(volume, structure)
            region, told = _claimed(array, value, structure, found.region)
        except EmptyLabel as error:
            if not structure.optional:
                raise
            findings.append(Finding("absent", Level.NOTE, error.found, subject=structure.name))
            continue
        labels.append(structure.label(value, found.level))
        findings += [*found.findings, *told, *_checked(volume, labels[-1], region)]
    if not labels:
        raise EmptyLabel("scan", "none of the structures is in it", advice="Take another recipe")
    return SegmentResult(LabelMap(volume.grid, array, tuple(labels)), tuple(findings))


@dataclass(frozen=True)
class Found:
    """One structure: its voxels, the intensity at which its boundary lies (if at any), and what was done for it."""

    region: Region
    level: float | None
    findings: tuple[Finding, ...]


def find_structure(volume: Volume, params: StructureParams) -> Found:
    """Threshold, cut what is thin, keep parts, set the boundary, close gaps and fill cavities, in this order.

    Raises
    ------
    EmptyLabel
        Nothing passes the threshold, or no part is large enough.
    """
    low, high = params.threshold_hu
    region = threshold(volume, low, high)
    if not region.voxels:
        raise empty(volume, params.name, low, high)
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
    level: float | None = low
    findings = []
    if params.boundary == "half-maximum":
        cut, edge = half_maximum(volume, region, low, high)
        cut, _, severed = keep_parts(volume, cut, replace(rule, dense=None))
        findings.append(told_edge(params.name, edge, low, region.volume_mm3, cut.volume_mm3))
        if edge.level is not None and cut.voxels:
            region, level, small = cut, edge.level, small.and_also(severed)
    elif not bounded_below(volume, region, high):
        level = None
        findings.append(told_dark(params.name, high))
    findings += told_dropped(params.name, small, region) + told_faint(params.name, faint, params.dense_hu)
    kept = region.voxels
    if params.close_mm:
        region = close_gaps(region, params.close_mm)
    closed_mm3 = (region.voxels - kept) * region.grid.voxel_volume_mm3
    limit = float("inf") if params.fill_holes else params.fill_holes_mm3
    region, cavities, cavities_mm3 = fill_cavities(region, limit) if limit else (region, 0, 0.0)
    findings += told_filled(params.name, closed_mm3, cavities, cavities_mm3)
    return Found(region, level, tuple(findings))


def _claimed(
    array: NDArray[np.uint8], value: int, params: StructureParams, region: Region
) -> tuple[Region, list[Finding]]:
    """Write the region into the label array where no earlier structure lies; what is left of it, and findings."""
    block = array[region.box.slices]
    free = region.with_mask(region.mask & (block == 0)) if block.any() else region
    block[free.mask] = value
    left = free.voxels
    if not left:
        raise EmptyLabel(
            f"structure `{params.name}`",
            "all its voxels belong to structures named before it",
            advice="Name it earlier, or change the thresholds",
        )
    return free, told_overlap(params.name, region.voxels - left, free)


def _checked(volume: Volume, label: Label, region: Region) -> list[Finding]:
    findings = check_ends(label.name, region)
    if volume.modality is Modality.CT:
        findings += check_metal(volume, label.name, region)
    return findings + check_side(volume, label, region)
