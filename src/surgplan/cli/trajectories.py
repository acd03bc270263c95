"""`surgplan trajectories`: one path measured, or entries searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage
from surgplan.navigation.search import SearchParams

PATH = click.Path(path_type=Path)


@click.command("trajectories")
@output_option("The figures, .json.")
@click.option("--target", "aim", required=True, metavar="PLACE", help="A point's name, or x,y,z in LPS mm.")
@click.option("--entry", metavar="PLACE", help="Measure the path from here.")
@click.option("--search", "patch", type=PATH, help="Search entries on this mesh in LPS: skin or bone.")
@click.option("--near", metavar="PLACE", help="Search only around this place.")
@click.option("--radius-mm", type=click.FloatRange(0, 1000, min_open=True), help="How far around it, in mm.")
@click.option("--avoid", multiple=True, type=PATH, help="Mesh in LPS to keep away from; may be repeated.")
@click.option("--points", type=PATH, help="Points that the places name, in any format; or a case folder.")
@click.option("--volume", type=PATH, help="The CT, for the bone on the way.")
@click.option("--map", "entry_map", type=PATH, help="Write the clearance from each place of the patch, .vtk.")
@click.option("--registration", type=PATH, help="JSON of `surgplan register`: its error widens the path.")
@params_options(SearchParams)
@overwrite_option
@speaking
def command(
    target: Path,
    aim: str,
    entry: str | None,
    patch: Path | None,
    near: str | None,
    radius_mm: float | None,
    avoid: tuple[Path, ...],
    points: Path | None,
    volume: Path | None,
    entry_map: Path | None,
    registration: Path | None,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Measure a straight path against what it must avoid, or search the best entries for a target.

    \b
    surgplan trajectories --points case/ --target tumour --entry burr-hole --avoid vessel.ply -o path.json
    surgplan trajectories --target 28,18,24 --search skin.ply --avoid vessel.ply --margin-mm 3 -o best.json
    """
    from surgplan.case.paths import Asked, trajectories_step
    from surgplan.formats.atomic import refuse_overwriting

    if (entry is None) == (patch is None):
        raise WrongUsage("trajectories", "needs either --entry or --search", advice="Pass one of them")
    if (near is None) != (radius_mm is None) or (near and patch is None):
        raise WrongUsage("--near", "goes with --radius-mm and --search", advice="Pass all three or neither")
    if entry_map is not None and patch is None:
        raise WrongUsage("--map", "needs --search", advice="Name the mesh to search on")
    for path in (*avoid, *(each for each in (patch, points, volume, registration) if each is not None)):
        existing(path)
    for path in (target, *([entry_map] if entry_map else [])):
        refuse_overwriting(path, overwrite)
    params = SearchParams.from_table(given(options), "command line")
    asked = Asked(aim, points, entry, patch, near, radius_mm, avoid, volume, entry_map, registration)
    made = trajectories_step(asked, params, target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
