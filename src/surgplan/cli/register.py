"""`surgplan register`: two frames brought together, with the error to expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result, table
from surgplan.errors import WrongUsage
from surgplan.navigation.register import RegisterParams


@click.command("register")
@click.argument("moving", type=click.Path(path_type=Path))
@click.argument("fixed", type=click.Path(path_type=Path))
@output_option("The transform fixed_from_moving: .tfm, .h5, .txt (matrix) or .json; a .json tells the accuracy.")
@click.option("--target", "targets", multiple=True, type=click.Path(path_type=Path), help="Points that matter.")
@click.option("--pair", "stated", multiple=True, metavar="FIXED=MOVING", help="A pair whose names differ.")
@click.option("--fixed-frame", metavar="NAME", help="Frame of FIXED, where it does not say: LPS, RAS, tracker, …")
@click.option("--moving-frame", metavar="NAME", help="Frame of MOVING; `LPS:name` is another scan's world.")
@click.option("--volume", type=click.Path(path_type=Path), help="The fixed scan: points and targets must lie in it.")
@click.option("--surface", type=click.Path(path_type=Path), help="Mesh in the fixed frame, where points can be added.")
@click.option(
    "--start", type=click.Path(path_type=Path), help="A rough transform to start from, for surfaces and scans."
)
@click.option("--tre-map", type=click.Path(path_type=Path), help="Write the predicted error over --surface, .vtk.")
@click.option("-r", "--recipe", help="Recipe whose [registration] table gives limits; options win over it.")
@params_options(RegisterParams)
@overwrite_option
@speaking
def command(
    moving: Path,
    fixed: Path,
    target: Path,
    targets: tuple[Path, ...],
    stated: tuple[str, ...],
    fixed_frame: str | None,
    moving_frame: str | None,
    volume: Path | None,
    surface: Path | None,
    start: Path | None,
    tre_map: Path | None,
    recipe: str | None,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Find the transform that carries MOVING to FIXED, and state its error.

    \b
    surgplan register tracker.csv landmarks.mrk.json -o lps_from_tracker.tfm --target targets.fcsv
    surgplan register touched.csv surfaces/skull.ply -o lps_from_tracker.tfm --start rough.tfm

    MOVING and FIXED are points that are paired; points or a mesh that are laid on a mesh; or two scans. No residual
    stands alone: the predicted error at each target and what is doubtful are told with it. Exit 4 when a limit is
    passed.
    """
    from surgplan.case.registration import Request, register_step, registration_files
    from surgplan.formats.atomic import refuse_overwriting

    for path in (moving, fixed, *targets, *(each for each in (volume, surface, start) if each)):
        existing(path)
    for path in (*registration_files(target), *((tre_map,) if tre_map else ())):
        refuse_overwriting(path, overwrite)
    request = Request(moving, fixed, targets, _pairs(stated), fixed_frame, moving_frame, volume, surface, start)
    made = register_step(request, _params(recipe, given(options)), target, tre_map)
    accuracy = made.noun.accuracy
    rows = [
        ("target", "TRE mm", "95 % mm"),
        *((t.name, f"{t.tre_mm:.2f}", f"{t.tre_95_mm:.2f}") for t in accuracy.targets),
    ]
    for line in table(rows, numbers=(1, 2)):
        output.say(line)
    output.say(accuracy.left_over())
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))


def _pairs(stated: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for each in stated:
        one, sign, other = each.partition("=")
        if not (sign and one.strip() and other.strip()):
            raise WrongUsage(f"--pair {each}", "names no two points", "FIXED=MOVING", "Part the names by one `=`")
        pairs.append((one.strip(), other.strip()))
    return tuple(pairs)


def _params(recipe: str | None, options: dict[str, Any]) -> RegisterParams:
    if recipe is None:
        return RegisterParams.from_table(options, "command line")
    from surgplan.case.recipe import find_recipe, load_recipe, recipe_tables

    path = find_recipe(recipe)
    over = [("command line", {"registration": options})] if options else []
    return load_recipe(recipe_tables(path), path.name, over).registration
