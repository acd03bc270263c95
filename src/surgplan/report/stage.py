"""The report: the stage's parameters, what it is given, and its function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.findings import Finding, Level
from surgplan.model.labels import LabelMap
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.stage import NavigationPlan
from surgplan.params import Params
from surgplan.printing.thickness import Walls
from surgplan.segment.certainty import Certainty
from surgplan.surface.stage import SurfaceMeasures

if TYPE_CHECKING:
    from surgplan.report.pictures import Picture
    from surgplan.report.surface_map import Maps
    from surgplan.report.views import Views


class ReportParams(Params):
    """How the report looks."""

    pictures: bool = Field(True, description="render pictures of the structures")
    picture_width: int = Field(800, ge=200, le=4000, description="width of a rendered picture, in pixels")
    single_structures: int = Field(
        12, ge=0, le=1000, description="so many structures, the first ones, get pictures and slices of their own"
    )
    viewer: bool = Field(True, description="put the viewer into the page: structures in 3D, slices, measuring")
    scan: bool = Field(True, description="put the scan into the viewer; without it, there are no slices in it")
    full: bool = Field(False, description="put every voxel and triangle into the viewer, however large the page")


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything that the page shows. Nothing in it identifies a patient.

    `findings` are pairs of stage and finding, `files` maps a path in the case to its SHA-256, `stages` maps a stage
    to its parameters. `certainty` is that of the structures for which it could be measured, `left_out` tells the parts
    of each structure that were dropped, the largest first, `corrections` what ingest changed in the scan's geometry,
    `accepted` the refusals of the input gate that somebody overrode, and `networks` what is known of each network that
    was run. `job` is the job sheet of what is printed (`printing/job.py`). `distances` are, for each surface, those of
    its vertices to the boundary in the scan, (n,) mm, or None; `walls` are those that are known already
    (`walls_in_a_case`), by the number of the surface.
    """

    case: str
    recipe: str
    facts: Mapping[str, str | int | float]
    volume: Volume
    labels: LabelMap
    surfaces: tuple[Surface, ...]
    measures: tuple[SurfaceMeasures, ...]
    job: Mapping[str, Any] = field(default_factory=dict)
    plan: NavigationPlan | None = None
    findings: tuple[tuple[str, Finding], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    certainty: tuple[Certainty, ...] = ()
    left_out: tuple[Mapping[str, Any], ...] = ()
    corrections: tuple[Mapping[str, Any], ...] = ()
    accepted: tuple[Mapping[str, str], ...] = ()
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    distances: tuple[NDArray[np.float32] | None, ...] = ()
    walls: Mapping[int, Walls] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """The page, the pictures in it (file name → PNG), and what went wrong in making them."""

    html: str
    pictures: Mapping[str, bytes]
    findings: tuple[Finding, ...]


def begin_views(surfaces: Sequence[Surface], measures: Sequence[SurfaceMeasures], params: ReportParams) -> Views | None:
    """Begin to draw the surfaces of a report that is not made yet; None where it has no pictures."""
    from surgplan.report.views import Views

    if not params.pictures:
        return None
    closed = {number for number, each in enumerate(measures) if each.topology.ok}
    return Views(surfaces, params.picture_width, params.single_structures, closed)


def make_report(given: ReportInput, params: ReportParams, views: Views | None = None) -> Report:
    """One self-contained page with rendered views, slices with outlines, numbers, findings and hashes.

    The same input gives the same bytes. Where pictures cannot be rendered, the page comes without them, with a finding.
    `views` are those of the surfaces, where they were begun before; they are closed here.
    """
    from surgplan.report.page import page, scene_of, with_viewer
    from surgplan.report.slices import slice_pictures
    from surgplan.report.surface_map import surface_maps
    from surgplan.report.viewer_build import built_viewer

    maps = surface_maps(given, params.single_structures) if params.pictures or params.viewer else {}
    viewer = built_viewer() if params.viewer else None
    with ThreadPoolExecutor(1) as beside:  # rendering is a process of its own: slices and scene are made meanwhile
        rendering = beside.submit(_pictures, views or begin_views(given.surfaces, given.measures, params), given, maps)
        scene = scene_of(given, maps, params) if viewer is not None else None
        single = given.surfaces[: params.single_structures]
        slices = tuple(slice_pictures(given.volume, given.labels, given.surfaces, len(single)))
        rendered, findings = rendering.result()
    pictures = (*rendered, *slices)
    if params.viewer and viewer is None:
        findings = (*findings, _no_viewer())
    html = page(given, pictures, findings, viewer)
    if viewer is not None and scene is not None:
        html = with_viewer(html, given, scene, params, viewer)
    return Report(html, {picture.name: picture.png for picture in pictures}, findings)


def _no_viewer() -> Finding:
    advice = (
        "Run `make setup` (it needs Node.js or the network), or install a wheel that holds it; then `surgplan report`"
    )
    return Finding(
        "viewer", Level.NOTE, "no viewer in the page: it was not built with this installation", advice=advice
    )


def _pictures(
    views: Views | None, given: ReportInput, maps: Mapping[int, Maps]
) -> tuple[tuple[Picture, ...], tuple[Finding, ...]]:
    """Rendered views, or the reason why there are none."""
    from surgplan.report.painter import CannotRender

    if views is None:
        return (), ()
    try:
        with views:
            return views.pictures(given.plan, maps), ()
    except CannotRender as error:
        advice = "Install the packages libegl1 and libgl1-mesa-dri (or `make setup`), then run `surgplan report`"
        return (), (Finding("pictures", Level.NOTE, f"no rendered pictures: {error}", advice=advice),)
