"""The six stages of a case, and the nouns that they hand on: from memory, or read again when a stage was skipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.case.casefile import CasePlan
from surgplan.case.certificates import CERTIFICATE
from surgplan.case.manifest import Manifest, environment
from surgplan.case.networks import asks_networks, network_parameters, read_networks
from surgplan.case.print_files import PrintTargets, read_placings
from surgplan.case.steps import (
    StepOutput,
    ingest_step,
    measures_adapter,
    navigation_step,
    networks_step,
    print_step,
    report_step,
    segment_step,
    surface_step,
)
from surgplan.case.writing import Later, at_once
from surgplan.formats.mrml import SceneItem
from surgplan.ingest.gate import check_detail
from surgplan.model.frames import Transform
from surgplan.model.labels import LabelMap, file_stem
from surgplan.model.masks import NamedMask
from surgplan.model.surface import Surface
from surgplan.model.volume import Volume
from surgplan.navigation.stage import NavigationPlan
from surgplan.printing.instruments import instruments
from surgplan.printing.printers import find_printer
from surgplan.printing.thickness import Walls
from surgplan.report.stage import ReportInput, begin_views
from surgplan.report.viewer_build import viewer_digests
from surgplan.report.views import Views
from surgplan.segment.certainty import Certainty
from surgplan.segment.mask_params import MaskKey
from surgplan.segment.sides import settled_by_header
from surgplan.surface.stage import SurfaceMeasures

VOLUME = "volume.nrrd"
LABELS = "labels.seg.nrrd"
NETWORKS = "networks"


class Workshop:
    """The case's folder with what is in hand; each noun is made or read at most once."""

    def __init__(self, plan: CasePlan, folder: Path, manifest: Manifest, later: Later = at_once) -> None:
        self.plan, self.folder, self.manifest, self.later = plan, folder, manifest, later
        self.walls: Mapping[int, Walls] = {}
        self.views: Views | None = None

    def draw_ahead(self) -> None:
        """Begin to draw the surfaces, for the report; whoever calls it must call `close`."""
        if self.views is None:
            self.views = begin_views(self.surfaces, self.measures, self.plan.recipe.report)

    def close(self) -> None:
        """Give up what was begun and is not wanted any more."""
        if self.views is not None:
            self.views.close()

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What ingest told of the scan."""
        facts: Mapping[str, Any] = self.manifest.stages["ingest"].results["facts"]
        return facts

    @cached_property
    def volume(self) -> Volume:
        """The scan."""
        from surgplan.formats.images import read_volume

        return read_volume(self.folder / VOLUME)

    @cached_property
    def network_masks(self) -> Mapping[MaskKey, NamedMask]:
        """What networks and programs have found."""
        return read_networks(self.plan.recipe.segment, self.folder / NETWORKS)

    @cached_property
    def labels(self) -> LabelMap:
        """The label map."""
        from surgplan.formats.segmentations import read_labels

        return read_labels(self.folder / LABELS)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """The surfaces, in the order of the label map."""
        from surgplan.formats.meshes import read_mesh

        names = self.manifest.stages["surface"].outputs
        return tuple(read_mesh(self.folder / name)[0] for name in names if name.endswith(".ply"))

    @property
    def certified_mm(self) -> Mapping[str, float]:
        """The maximum that the certificate of each surface tells."""
        return {each.name: each.certificate.maximum_mm for each in self.measures}

    @cached_property
    def measures(self) -> tuple[SurfaceMeasures, ...]:
        """What was measured of the surfaces."""
        return measures_adapter().validate_python(self.manifest.stages["surface"].results["measures"])

    def distances(self) -> tuple[NDArray[np.float32] | None, ...]:
        """Of each surface, the distances of its vertices to the boundary in the scan, (n,) mm, from its file."""
        from surgplan.formats.ply import ply_quality

        files = [self.folder / name for name in self.manifest.stages["surface"].outputs if name.endswith(".ply")]
        return tuple(ply_quality(path, path.read_bytes()) for path in files)

    @property
    def bodies(self) -> tuple[Surface, ...]:
        """What is printed: the surfaces, and the planned instruments where the recipe wants them."""
        wanted = self.plan.trajectories if self.plan.recipe.print.instruments else ()
        first = 1 + max((surface.label.value for surface in self.surfaces), default=0)
        return (*self.surfaces, *instruments(wanted, first))

    @cached_property
    def navigation(self) -> NavigationPlan:
        """Landmarks, fiducials, trajectories and transforms."""
        from surgplan.case.bundle import read_plan

        return read_plan(self.folder / "navigation" / "plan.json")

    @cached_property
    def placings(self) -> tuple[Transform, ...]:
        """Where the print stage placed the model, or each of its parts."""
        return read_placings(self.manifest.stages["print"].results["placings"])

    def scene_items(self) -> tuple[SceneItem, ...]:
        """Volume, label map and surfaces, as the scene in the folder `navigation` opens them."""
        files = [name for name in self.manifest.stages["surface"].outputs if name.endswith(".ply")]
        labels = [surface.label for surface in self.surfaces]
        return (
            SceneItem("volume", "volume", f"../{VOLUME}"),
            SceneItem("segmentation", "labels", f"../{LABELS}"),
            *(
                SceneItem("model", each.name, f"../{name}", each.color)
                for each, name in zip(labels, files, strict=True)
            ),
        )

    def report_input(self) -> ReportInput:
        """Everything that the page shows."""
        plan, manifest = self.plan, self.manifest
        done = [name for name in manifest.stages if name != "report"]
        ingested = manifest.stages["ingest"].results
        return ReportInput(
            case=plan.case,
            recipe=plan.recipe_name,
            facts=self.facts,
            volume=self.volume,
            labels=self.labels,
            surfaces=self.surfaces,
            measures=self.measures,
            job=manifest.stages["print"].results.get("job", {}),
            plan=self.navigation,
            findings=tuple((name, finding) for name in done for finding in manifest.stages[name].found()),
            files={name: record.sha256 for stage in done for name, record in manifest.stages[stage].outputs.items()},
            versions={"surgplan": manifest.surgplan, **environment()},
            stages={name: manifest.stages[name].parameters for name in done},
            certainty=tuple(Certainty(**each) for each in manifest.stages["segment"].results["certainty"]),
            left_out=tuple(manifest.stages["segment"].results.get("left_out", ())),
            corrections=tuple(ingested["corrections"]),
            accepted=tuple(ingested["accepted"]),
            networks=manifest.stages[NETWORKS].results if NETWORKS in manifest.stages else {},
            distances=self.distances(),
            walls=self.walls,
        )


@dataclass(frozen=True)
class Stage:
    """One of the six: what it needs, what decides its result, and how it is made.

    `version` grows whenever the same inputs and parameters would give other bytes than before. `outside` tells the
    SHA-256 of files that it reads beside what earlier stages made; `wanted`, whether the recipe needs the stage at all;
    `tells`, whether its result tells what earlier stages found, not only what they wrote.
    """

    name: str
    version: int
    after: tuple[str, ...]
    parameters: Callable[[CasePlan], dict[str, Any]]
    run: Callable[[Workshop], StepOutput[Any]]
    outside: Callable[[CasePlan], dict[str, str]] = lambda plan: {}
    wanted: Callable[[CasePlan], bool] = lambda plan: True
    tells: bool = False


def _ingest(shop: Workshop) -> StepOutput[Any]:
    output = ingest_step(shop.plan.source, shop.plan.recipe.ingest, shop.folder / VOLUME, shop.later)
    shop.volume, shop.facts = output.noun.volume, output.results["facts"]
    return output


def _networks(shop: Workshop) -> StepOutput[Any]:
    recipe = shop.plan.recipe
    output = networks_step(shop.volume, recipe.segment, recipe.networks, shop.folder / NETWORKS)
    shop.network_masks = output.noun
    return output


def _segment(shop: Workshop) -> StepOutput[Any]:
    plan = shop.plan
    given = replace(plan.given, masks=shop.network_masks)
    output = segment_step(shop.volume, plan.recipe.segment, given, shop.folder / LABELS, plan.masks, shop.later)
    shop.labels = output.noun
    laterality = shop.facts.get("laterality", "")
    return replace(output, findings=settled_by_header(output.findings, output.noun, laterality))


def _surface(shop: Workshop) -> StepOutput[Any]:
    output = surface_step(shop.volume, shop.labels, shop.plan.recipe.surface, shop.folder / "surfaces", shop.later)
    shop.surfaces, shop.measures = output.noun.surfaces, output.noun.measures
    return output


def _print(shop: Workshop) -> StepOutput[Any]:
    folder = shop.folder / "print"
    threemf = folder / f"{file_stem(shop.plan.case)}.3mf"
    params = shop.plan.recipe.print
    targets = PrintTargets(threemf, folder, folder / "job.html", certificate=folder / CERTIFICATE)
    told = {"labels": shop.manifest.stages["segment"].outputs[LABELS].sha256}
    output = print_step(
        shop.bodies,
        params,
        shop.plan.case,
        targets,
        (),
        shop.plan.landmarks,
        told,
        later=shop.later,
        certified_mm=shop.certified_mm,
    )
    shop.placings = read_placings(output.results["placings"])
    walls = {number: output.noun.walls_of(surface) for number, surface in enumerate(shop.surfaces)}
    shop.walls = {number: found for number, found in walls.items() if found is not None}
    voxel = str(shop.facts["voxel size (mm)"])
    wall = find_printer(params.printer).smallest_wall_mm / params.scale
    detail = check_detail(max(map(float, voxel.split(" × "))), wall)
    return replace(output, findings=(*output.findings, detail))


def _navigate(shop: Workshop) -> StepOutput[Any]:
    plan, folder = shop.plan, shop.folder / "navigation"
    params = plan.recipe.navigation
    surfaces = shop.surfaces if any(path.avoid for path in plan.trajectories) else None
    placed = shop.placings
    beside = shop.scene_items()
    output = navigation_step(
        shop.volume, plan.landmarks, plan.trajectories, params, placed, folder, surfaces, beside, plan.errors
    )
    shop.navigation = output.noun
    return output


def _report(shop: Workshop) -> StepOutput[Any]:
    return report_step(shop.report_input(), shop.plan.recipe.report, shop.folder / "report", shop.views)


def _of(table: str) -> Callable[[CasePlan], dict[str, Any]]:
    def parameters(plan: CasePlan) -> dict[str, Any]:
        return dict(getattr(plan.recipe, table).model_dump(mode="json"))

    return parameters


def _segment_parameters(plan: CasePlan) -> dict[str, Any]:
    """The structures, and those landmarks of the case that they refer to."""
    params = plan.recipe.segment
    asked = params.landmarks
    entries = [entry.model_dump(mode="json") for entry in plan.entries.landmark if entry.name in asked]
    return {**params.model_dump(mode="json"), **({"landmark": entries} if entries else {})}


def _network_parameters(plan: CasePlan) -> dict[str, Any]:
    return network_parameters(plan.recipe.segment, plan.recipe.networks)


def _mask_digests(plan: CasePlan) -> dict[str, str]:
    return plan.masks.digests if plan.masks else {}


def _print_parameters(plan: CasePlan) -> dict[str, Any]:
    params = plan.recipe.print
    wanted = {
        "trajectory": plan.entries.trajectory if params.instruments else (),
        "landmark": plan.entries.landmark if params.prepare else (),
    }
    told = {key: [entry.model_dump(mode="json") for entry in entries] for key, entries in wanted.items() if entries}
    # the profile's numbers, not only its name: a lab may change them
    profile = find_printer(params.printer).model_dump(mode="json", exclude={"source", "sources"})
    return {"case": plan.case, **params.model_dump(mode="json"), **told, "profile": profile}


def _navigation_parameters(plan: CasePlan) -> dict[str, Any]:
    return {
        **plan.recipe.navigation.model_dump(mode="json"),
        "landmark": [entry.model_dump(mode="json") for entry in plan.entries.landmark],
        "trajectory": [entry.model_dump(mode="json") for entry in plan.entries.trajectory],
    }


def _report_parameters(plan: CasePlan) -> dict[str, Any]:
    return {"case": plan.case, "recipe": plan.recipe_name, **plan.recipe.report.model_dump(mode="json")}


STAGES = (
    Stage("ingest", 2, (), _of("ingest"), _ingest),
    Stage(
        "networks",
        1,
        ("ingest",),
        _network_parameters,
        _networks,
        wanted=lambda plan: asks_networks(plan.recipe.segment),
    ),
    Stage("segment", 5, ("ingest", "networks"), _segment_parameters, _segment, _mask_digests),
    Stage("surface", 9, ("ingest", "segment"), _of("surface"), _surface),
    Stage("print", 6, ("segment", "surface"), _print_parameters, _print),
    Stage("navigation", 8, ("ingest", "surface", "print"), _navigation_parameters, _navigate),
    Stage(
        "report",
        10,
        ("ingest", "networks", "segment", "surface", "print", "navigation"),
        _report_parameters,
        _report,
        outside=lambda plan: viewer_digests() if plan.recipe.report.viewer else {},
        tells=True,
    ),
)


def stages_of(plan: CasePlan) -> tuple[Stage, ...]:
    """The stages that the recipe needs, in order."""
    return tuple(stage for stage in STAGES if stage.wanted(plan))
