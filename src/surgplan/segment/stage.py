"""Which voxels belong to which structure: the stage's parameters and its function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from surgplan.errors import EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Modality, Volume
from surgplan.params import Params
from surgplan.segment.certainty import Certainty, certainty, told_certainty
from surgplan.segment.checks import check_ends, check_metal, check_scale, told_overlap
from surgplan.segment.components import LeftOut
from surgplan.segment.given import Given, Scene
from surgplan.segment.leaks import check_leak
from surgplan.segment.masks import with_masks
from surgplan.segment.methods import find_structure
from surgplan.segment.pairs import check_pairs
from surgplan.segment.region import Region, nothing
from surgplan.segment.sides import check_sides
from surgplan.segment.structure import LEAKING, MOST_STRUCTURES, NEEDS_HU, SEEDED, StructureParams

__all__ = ["Given", "SegmentParams", "SegmentResult", "StructureParams", "segment"]


class SegmentParams(Params):
    """The structures to find. Where two of them claim a voxel, the one named earlier has it."""

    structures: tuple[StructureParams, ...] = Field(
        min_length=1, max_length=MOST_STRUCTURES, description="what to segment"
    )

    @field_validator("structures")
    @classmethod
    def _names_differ(cls, structures: tuple[StructureParams, ...]) -> tuple[StructureParams, ...]:
        if all(structure.helper for structure in structures):
            raise ValueError("all structures are helpers: none would be in the label map")
        stems = [structure.label(1).file_stem for structure in structures]
        if len(set(stems)) != len(stems):
            raise ValueError(f"two structures are named {max(stems, key=stems.count)!r}, or would share that file name")
        return structures

    @property
    def landmarks(self) -> frozenset[str]:
        """The landmarks of the case file that the structures refer to."""
        return frozenset(name for structure in self.structures for name in structure.landmarks)


@dataclass(frozen=True)
class SegmentResult:
    """The label map, what the checks found, how sure each boundary is, and the parts that were left out."""

    labels: LabelMap
    findings: tuple[Finding, ...]
    certainty: tuple[Certainty, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def segment(volume: Volume, params: SegmentParams, given: Given | None = None) -> SegmentResult:
    """Find each structure in the volume, in the order of the list; an earlier one keeps what a later one claims too.

    `given` holds what only this case has: landmarks, and masks made elsewhere.

    Each label's `level` is the intensity (HU) at which its boundary lies between voxels: its voxels are at or above
    it, except those that closing and filling added. A structure that is darker than what surrounds it has none.

    Raises
    ------
    EmptyLabel
        A structure that is not optional has no voxels.
    BadInput
        A structure's method needs Hounsfield units, and the scan is an MR scan; or a landmark lies outside of it.
    WrongUsage
        A structure refers to a landmark, mask or structure that is not there.
    Refused
        A structure lies on the side of the body that its `side` excludes.
    """
    given = given or Given()
    structures, findings = with_masks(params.structures, given)
    findings += check_scale(volume, [each.name for each in structures if each.method in NEEDS_HU])
    array = np.zeros(volume.grid.shape, dtype=np.uint8)
    labels: list[Label] = []
    regions: dict[str, Region] = {}
    memory: dict[Any, Any] = {}
    measured: list[Certainty] = []
    left_out: list[LeftOut] = []
    for structure in structures:
        try:
            scene = Scene(volume, given, regions, memory)
            found = find_structure(scene, structure)
            regions[structure.name] = found.region
            findings += found.findings
            left_out += found.left_out
            if structure.helper:
                continue
            region, told = _claimed(array, len(labels) + 1, structure, found.region)
        except EmptyLabel as error:
            if not structure.optional:
                raise
            regions.setdefault(structure.name, nothing(volume.grid))
            level = Level.NOTE if structure.mask_key is None else Level.WARN
            findings.append(Finding("absent", level, error.found, subject=structure.name))
            continue
        if structure.method in LEAKING:
            findings += check_leak(scene, structure.name, region, structure.method in SEEDED)
        labels.append(structure.label(len(labels) + 1, found.level))
        findings += [*told, *_checked(volume, labels[-1], region)]
        if found.level is not None:
            sure = certainty(volume, structure.name, region, found.level, structure.sure_hu)
            measured += [sure] if sure else []
            findings += [told_certainty(sure)] if sure else []
    if not labels:
        raise EmptyLabel("scan", "none of the structures is in it", advice="Take another recipe")
    found_labels = LabelMap(volume.grid, array, tuple(labels))
    findings += [*check_sides(found_labels, volume), *check_pairs(found_labels)]
    return SegmentResult(found_labels, tuple(findings), tuple(measured), tuple(left_out))


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
    return findings
