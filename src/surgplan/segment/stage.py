"""Which voxels belong to which structure: the stage's parameters and its function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator, model_validator

from surgplan.findings import Finding
from surgplan.model.labels import LONGEST_NAME, Code, Label, LabelMap, Side
from surgplan.model.volume import Volume
from surgplan.params import Params


class StructureParams(Params):
    """How one structure is found in the scan, what it is called and how it is shown."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="what the structure is called")
    threshold_hu: tuple[float, float] = Field(description="lowest and highest intensity that belong to it, in HU")
    boundary: Literal["threshold", "half-maximum"] = Field(
        "threshold",
        description="where its surface lies: at the lower threshold, or half way between inside and outside",
    )
    keep_largest: int | None = Field(None, ge=1, description="keep this many connected parts, the largest ones")
    min_volume_mm3: float = Field(0.0, ge=0, description="drop connected parts that are smaller, in mm³")
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

    Raises
    ------
    EmptyLabel
        A structure that is not optional has no voxels.
    BadInput
        The scan has no Hounsfield units.
    Refused
        A structure lies on the side of the body that its `side` excludes.
    """
    raise NotImplementedError
