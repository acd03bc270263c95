"""`surgplan measure`: distances, angles, areas, volumes, intensities, symmetry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, output_option, overwrite_option, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage

PATH = click.Path(path_type=Path)


@click.command("measure")
@output_option("The figures, .json; a case keeps them in its folder when they are written there.")
@click.option("--points", type=PATH, help="Points, in any format; or a case folder.")
@click.option("--distance", nargs=2, multiple=True, metavar="A B", help="Distance of two points.")
@click.option("--angle", nargs=3, multiple=True, metavar="A B C", help="Angle at B.")
@click.option("--axes", nargs=4, multiple=True, metavar="A B C D", help="Angle between A to B and C to D.")
@click.option("--planes", nargs=6, multiple=True, metavar="A … F", help="Angle between the planes ABC and DEF.")
@click.option("--surface", multiple=True, type=PATH, help="Mesh: area, volume and size.")
@click.option("--symmetry", multiple=True, type=PATH, help="Mesh in LPS: mirror plane, and how its sides differ.")
@click.option("--volume", type=PATH, help="With --labels: intensities within each structure.")
@click.option("--labels", type=PATH, help="The label map on the volume's grid.")
@overwrite_option
@speaking
def command(target: Path, overwrite: bool, output: Output, **options: Any) -> None:
    """Measure distances, angles, areas, volumes, intensities and symmetry, all in mm and degrees.

    \b
    surgplan measure --points case/ --distance nasion chin --angle a b c -o case/measurements.json
    surgplan measure --symmetry case/surfaces/skull.ply -o symmetry.json
    """
    from surgplan.case.measuring import Wanted, measure_step
    from surgplan.formats.atomic import refuse_overwriting

    if (options["volume"] is None) != (options["labels"] is None):
        raise WrongUsage("--labels", "goes with --volume", advice="Pass both")
    if not any(value for name, value in options.items() if name != "points"):
        raise WrongUsage("measure", "nothing to measure was named", advice="Pass --distance, --surface, …")
    files = [options["points"], options["volume"], options["labels"], *options["surface"], *options["symmetry"]]
    for path in files:
        if path is not None:
            existing(path)
    refuse_overwriting(target, overwrite)
    made = measure_step(Wanted(**options), target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
