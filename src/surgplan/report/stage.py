"""The report: the stage's parameters, what it is given, and its function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from surgplan.findings import Finding, Level
from surgplan.model.labels import LabelMap
from surgplan.model.plate import Plate
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.stage import NavigationPlan
from surgplan.params import Params
from surgplan.surface.stage import SurfaceMeasures


class ReportParams(Params):
    """How the report looks."""

    pictures: bool = Field(True, description="render pictures of the structures")
    picture_width: int = Field(640, ge=200, le=4000, description="width of a rendered picture, in pixels")


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything that the page shows. Nothing in it identifies a patient.

    `findings` are pairs of stage and finding, `files` maps a path in the case to its SHA-256, `stages` maps a stage
    to its parameters.
    """

    case: str
    recipe: str
    facts: Mapping[str, str | int | float]
    volume: Volume
    labels: LabelMap
    surfaces: tuple[Surface, ...]
    measures: tuple[SurfaceMeasures, ...]
    plate: Plate | None = None
    plan: NavigationPlan | None = None
    findings: tuple[tuple[str, Finding], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """The page, the pictures in it (file name → PNG), and what went wrong in making them."""

    html: str
    pictures: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def make_report(given: ReportInput, params: ReportParams) -> Report:
    """One self-contained page with rendered views, slices with outlines, numbers, findings and hashes."""
    from surgplan.report.page import page
    from surgplan.report.slices import slice_pictures

    pictures: dict[str, bytes] = {}
    captions: dict[str, str] = {}
    findings: tuple[Finding, ...] = ()
    if params.pictures:
        rendered, told, problem = _views(given, params.picture_width)
        pictures |= rendered
        captions |= told
        if problem:
            advice = "Install the system libraries that rendering needs: libegl1 libgl1, or libosmesa6 (`make setup`)"
            findings = (Finding("pictures", Level.NOTE, problem, advice=advice),)
    for name, (picture, caption) in slice_pictures(given.volume, given.surfaces).items():
        pictures[name] = picture
        captions[name] = caption
    html = page(given, pictures, captions, findings)
    return Report(html, pictures, findings)


def _views(given: ReportInput, width: int) -> tuple[dict[str, bytes], dict[str, str], str]:
    """Rendered views, or the reason why there are none."""
    from surgplan.report.views import CannotRender, render_views

    try:
        rendered = render_views(given.surfaces, width)
    except CannotRender as error:
        return {}, {}, f"no rendered views: {error}"
    pictures = {name: picture for name, (picture, _) in rendered.items()}
    return pictures, {name: caption for name, (_, caption) in rendered.items()}, ""
