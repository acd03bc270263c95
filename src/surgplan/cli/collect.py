"""`surgplan collect`: points touched with a tracked pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.navigation.collect import CollectParams


@click.command("collect")
@click.option("--from", "recording", required=True, type=click.Path(path_type=Path), help="Recording, .mha (PLUS).")
@click.option(
    "--calibration", required=True, type=click.Path(path_type=Path), help="The pointer: PLUS .xml, or a transform file."
)
@output_option("The points: .csv or .json.")
@click.option("--reference", default="Reference", show_default=True, help="Frame in which the points are wanted.")
@click.option("--tip", default="StylusTip", show_default=True, help="The pointer tip's frame in the calibration.")
@click.option("--names", help="Names in the order of touching, parted by commas, or a file of points that has them.")
@params_options(CollectParams)
@overwrite_option
@speaking
def command(
    recording: Path,
    calibration: Path,
    target: Path,
    reference: str,
    tip: str,
    names: str | None,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Find the landmarks that a pointer touched: where its tip stayed while the pointer was turned about it.

    \b
    surgplan collect --from recording.igs.mha --calibration PlusDeviceSet.xml --names PlusDeviceSet.xml -o touched.csv
    """
    from surgplan.case.collecting import collect_step
    from surgplan.formats.atomic import refuse_overwriting

    existing(recording)
    existing(calibration)
    refuse_overwriting(target, overwrite)
    params = CollectParams.from_table(given(options), "command line")
    made = collect_step(recording, calibration, reference, tip, names, params, target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
