"""`surgplan segment`: from a volume to a label map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import (
    existing,
    given,
    mask_files,
    masks_options,
    output_option,
    overwrite_option,
    params_options,
    set_option,
    speaking,
)
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage
from surgplan.segment.networks.params import NetworkLimits
from surgplan.segment.stage import Given, SegmentParams, StructureParams


@click.command("segment")
@click.argument("volume", type=click.Path(path_type=Path))
@output_option("The label map, .seg.nrrd.")
@click.option("-r", "--recipe", help="Name or file of the recipe; without it the options tell one structure.")
@click.option("--landmarks", type=click.Path(path_type=Path), help="Seeds and other points, .mrk.json or .fcsv.")
@masks_options
@params_options(StructureParams, skip=("helper",))
@set_option
@overwrite_option
@depfile_option
@speaking
def command(
    volume: Path,
    target: Path,
    recipe: str | None,
    landmarks: Path | None,
    masks: Path | None,
    mask_names: Path | None,
    settings: tuple[str, ...],
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Label the structures that a recipe names, or one structure that the options describe.

    \b
    surgplan segment volume.nrrd -r ct-skull -o labels.seg.nrrd
    surgplan segment volume.nrrd --name bone --threshold-hu 250 3071 -o labels.seg.nrrd
    surgplan segment volume.nrrd -r cta-vessels --landmarks seeds.mrk.json -o labels.seg.nrrd
    surgplan segment volume.nrrd -r masks --masks FOLDER -o labels.seg.nrrd
    """
    existing(volume)
    from surgplan.case.casefile import plan_case
    from surgplan.case.needs import check_needs, scan_bytes, segment_bytes
    from surgplan.case.steps import networks_step, segment_step
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.images import read_volume
    from surgplan.formats.markups import read_points

    single = given(options)
    if recipe is None:
        if settings:
            raise WrongUsage("--set", "changes a recipe, and none was named", advice="Pass -r NAME as well")
        params = SegmentParams(structures=(StructureParams.from_table(single, "command line"),))
        limits = NetworkLimits()
    elif single:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in single)
        raise WrongUsage(names, "given together with -r", advice="Use --set structure.NAME.key=value with a recipe")
    else:
        chosen = plan_case(volume, recipe, "case", settings).recipe
        params, limits = chosen.segment, chosen.networks
    refuse_overwriting(target, overwrite)
    points = Given(read_points(existing(landmarks))) if landmarks else Given()
    files = mask_files(masks, mask_names)
    check_needs("segment", scan_bytes([volume]), target.parent)
    scan = read_volume(volume)
    check_needs("segment", scan.array.nbytes, target.parent, segment_bytes(scan, params))
    found = networks_step(scan, params, limits, target.with_name(f"{target.name.partition('.')[0]}-networks"))
    made = segment_step(scan, params, replace(points, masks=found.noun), target, files)
    written = tuple(file.path for file in (*made.written, *found.written))
    output.result(Result(written, (*found.findings, *made.findings), {**found.results, **made.results}))
