"""Reading a scan: the stage's parameters, and the checks of a finished volume."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from surgplan.findings import Finding
from surgplan.ingest.accept import check_acceptable
from surgplan.ingest.gate import check_resolution, check_scale, check_scan, guess_modality
from surgplan.ingest.limits import GateLimits
from surgplan.model.volume import Modality, Volume
from surgplan.params import Params


class IngestParams(Params):
    """How a scan is read and checked."""

    series: str | None = Field(None, description="which series: a number of the list, a UID, or its beginning")
    frame: int | None = Field(None, ge=1, description="which volume of a file that holds several (4D), counted from 1")
    modality: Literal["CT", "MR", "OTHER"] | None = Field(
        None, description="how the scan was made, when the file does not say"
    )
    orthogonal: bool = Field(True, description="correct gantry tilt and uneven steps by resampling; off refuses them")
    fill_gaps: bool = Field(False, description="interpolate across gaps between slices of up to 10 mm")
    max_step_mm: float = Field(3.0, gt=0, le=20, description="warn when voxels are longer than this, in mm")
    max_anisotropy: float = Field(
        6.0, ge=1, le=100, description="warn when voxels are this many times longer than wide"
    )
    aim: Literal["bone", "vessel", "soft tissue"] | None = Field(
        None, description="what the scan is for: contrast and kernel are judged by it"
    )
    planned_on: date | None = Field(
        None, description="day of planning, YYYY-MM-DD: the age of the scan is told against it, in months"
    )
    accept: tuple[str, ...] = Field((), description="checks whose refusal is overridden; recorded with the operator")
    operator: str | None = Field(None, max_length=64, description="who overrides them; not the patient")
    limits: GateLimits = Field(default_factory=GateLimits, description="limits of the input gate: [ingest.limits]")

    @field_validator("accept")
    @classmethod
    def _can_be_accepted(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_acceptable(names)
        return names


def check_volume(
    volume: Volume, params: IngestParams, source: object, thickness: float | None = None
) -> tuple[Volume, tuple[Finding, ...]]:
    """The volume with its modality settled, and what is worth knowing of it before anything is made from it.

    `thickness` is that of the slices, mm, where a header tells it.

    Raises
    ------
    BadInput
        It is a label map, or holds one value only.
    """
    low, high = check_scan(volume.array, volume.modality, source)
    findings: list[Finding] = []
    modality = volume.modality
    if params.modality is not None:
        modality = Modality(params.modality)
    elif modality is Modality.OTHER:
        modality, finding = guess_modality(low, high)
        findings.append(finding)
    limits = params.limits
    findings += check_resolution(volume.grid, thickness, params.max_step_mm, params.max_anisotropy, limits)
    if modality is Modality.CT:
        findings += check_scale(volume.array, low, high, limits.clipped_hu)
    if modality is volume.modality:
        return volume, tuple(findings)
    return Volume(volume.grid, volume.array, modality, volume.frame_of_reference), tuple(findings)
