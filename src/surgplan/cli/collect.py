"""`surgplan collect`: points touched with a tracked pointer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage
from surgplan.navigation.collect import CollectParams

if TYPE_CHECKING:
    from surgplan.case.steps import StepOutput


@click.command("collect")
@click.option("--from", "recording", type=click.Path(path_type=Path), help="Recording, .mha (PLUS).")
@click.option("--igtl", metavar="HOST:PORT", help="Record from an OpenIGTLink server instead.")
@click.option("--seconds", type=click.FloatRange(0, 3600, min_open=True), default=30.0, help="How long [default: 30].")
@click.option("--calibration", type=click.Path(path_type=Path), help="The pointer: PLUS .xml, or a transform file.")
@click.option("--pivot", metavar="MARKER", help="Calibrate the pointer with this marker, turned about its resting tip.")
@output_option("The points: .csv or .json; with --pivot the calibration, .tfm, .h5, .txt or .json.")
@click.option("--reference", default="Reference", show_default=True, help="Frame in which the points are wanted.")
@click.option("--tip", default="StylusTip", show_default=True, help="The pointer tip's frame in the calibration.")
@click.option("--names", help="Names in the order of touching, parted by commas, or a file of points that has them.")
@params_options(CollectParams)
@overwrite_option
@speaking
def command(
    recording: Path | None,
    igtl: str | None,
    seconds: float,
    calibration: Path | None,
    pivot: str | None,
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
    surgplan collect --igtl localhost:18944 --pivot Stylus -o pointer.tfm
    surgplan collect --igtl localhost:18944 --calibration pointer.tfm -o touched.csv
    """
    from surgplan.case.collecting import collect_step, pivot_step, take_recording
    from surgplan.formats.atomic import refuse_overwriting

    if (recording is None) == (igtl is None):
        raise WrongUsage("collect", "needs either --from or --igtl", advice="Pass one of them")
    if (calibration is None) == (pivot is None):
        raise WrongUsage("collect", "needs either --calibration or --pivot", advice="Pass one of them")
    for path in (recording, calibration):
        if path is not None:
            existing(path)
    refuse_overwriting(target, overwrite)
    params = CollectParams.from_table(given(options), "command line")
    taken = take_recording(recording, igtl, seconds)
    made: StepOutput[Any]
    if calibration is None:
        made = pivot_step(taken, reference, pivot or "", tip, target)
    else:
        made = collect_step(taken, calibration, reference, tip, names, params, target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
