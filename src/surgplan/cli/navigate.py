"""`surgplan navigate`: landmarks, fiducials and transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.navigation.stage import NavigationParams


@click.command("navigate")
@click.argument("volume", type=click.Path(path_type=Path))
@output_option("Folder for landmarks, plan and transforms.")
@click.option(
    "--points", multiple=True, type=click.Path(path_type=Path), help="Landmarks, in any format; may be repeated."
)
@click.option("--frame", type=click.Choice(["LPS", "RAS"]), help="Frame of landmark files that do not state one.")
@click.option("--model", type=click.Path(path_type=Path), help="The .3mf whose place on the plate is to be exported.")
@params_options(NavigationParams)
@overwrite_option
@depfile_option
@speaking
def command(
    volume: Path,
    target: Path,
    points: tuple[Path, ...],
    frame: str | None,
    model: Path | None,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Find fiducial markers, check landmarks, and export them with the transforms between LPS, RAS, IJK and PRINT."""
    existing(volume)
    from surgplan.case.point_files import read_point_file, refuse_other_scan
    from surgplan.case.steps import navigation_step
    from surgplan.errors import blaming
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.images import read_volume
    from surgplan.formats.threemf import read_placings
    from surgplan.model.frames import LPS, RAS
    from surgplan.model.points import PointSet

    refuse_overwriting(target / "plan.json", overwrite)
    given_frame = {"LPS": LPS, "RAS": RAS}.get(frame or "")
    scan = read_volume(volume)
    stored = [(path.name, read_point_file(existing(path), given_frame)) for path in points]
    uids = [(name, each.frame_of_reference) for name, each in stored]
    refuse_other_scan([(volume.name, scan.frame_of_reference), *uids])
    landmarks = [point for _, each in stored for point in each.points]
    with blaming("--points", "Rename one of them"):
        gathered = PointSet(landmarks)
    placings = read_placings(existing(model)) if model else ()
    params = NavigationParams.from_table(given(options), "command line")
    made = navigation_step(scan, gathered, (), params, placings, target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
