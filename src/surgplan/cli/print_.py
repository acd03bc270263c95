"""`surgplan print`: from surfaces to what a printer takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import (
    existing,
    given,
    output_option,
    overwrite_option,
    params_options,
    speaking,
    told_options,
)
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage
from surgplan.printing.printers import DEFAULT
from surgplan.printing.stage import NOWHERE, PrintParams


@click.command("print")
@click.argument("surfaces", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option("The model, .3mf; of several plates each has its number in the name.")
@click.option("--stl", "stl_folder", type=click.Path(path_type=Path), help="Folder for one .stl of each part.")
@click.option("--job", type=click.Path(path_type=Path), help="Job sheet, .html; the same as .json lies beside it.")
@click.option("--certificate", type=click.Path(path_type=Path), help="What each step changed, .json.")
@click.option("--case", default="model", show_default=True, help="Name of the case, never a patient's.")
@click.option("-r", "--recipe", help="Recipe whose table `print` says how; options override it.")
@click.option("--landmarks", type=click.Path(path_type=Path), help="Points that the recipe names, .mrk.json or .fcsv.")
@told_options
@params_options(PrintParams)
@overwrite_option
@depfile_option
@speaking
def command(
    surfaces: tuple[Path, ...],
    target: Path,
    stl_folder: Path | None,
    job: Path | None,
    certificate: Path | None,
    case: str,
    recipe: str | None,
    landmarks: Path | None,
    unit: str,
    frame: str,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Place surfaces on the printer's plates and write one coloured 3MF for each plate, in millimetres.

    Without further options all surfaces keep their places relative to each other and stand as the patient stands. A
    folder of a case stands for its surfaces; several cases are nested, each as one.

    \b
    surgplan print surfaces/*.ply -o model.3mf --printer mjf --job job.html
    surgplan print hip.stl cup.stl -o tray.3mf --arrange apart --orientation support --copies 3
    surgplan print case-1/ case-2/ -o tray.3mf --printer mjf
    """
    for path in surfaces:
        existing(path)
    from surgplan.case.convert import certain, named_apart
    from surgplan.case.print_files import PrintTargets
    from surgplan.case.printed_cases import case_surfaces, groups_of
    from surgplan.case.steps import print_step
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.markups import read_points
    from surgplan.formats.mesh_units import Told

    if job is not None and job.suffix.lower() != ".html":
        raise WrongUsage("--job", f"is {job.name}", "a name that ends in .html", "The .json is written beside it")
    refuse_overwriting(target, overwrite)
    read = [certain(path, Told(unit, frame)) for path in surfaces if not path.is_dir()]
    cases = [case_surfaces(path) for path in surfaces if path.is_dir()]
    loose, cased = ([each for one in holders for each in one.surfaces] for holders in (read, cases))
    found = named_apart([*loose, *cased])
    groups = groups_of(found, [len(one.surfaces) for one in cases], [one.name for one in cases])
    # who prints means the printer, also the default one: a model that does not fit it is refused
    table = {"printer": DEFAULT, **_table_of(recipe), **given(options)}
    params = PrintParams.from_table(table, "command line")
    assumed = tuple(sorted({name for file in read for name in file.assumed}))
    points = read_points(existing(landmarks)) if landmarks else NOWHERE
    targets = PrintTargets(target, stl_folder, job, overwrite, certificate)
    made = print_step(found, params, case, targets, assumed, points, groups=groups)
    findings = (*(finding for file in read for finding in file.findings), *made.findings)
    output.result(Result(tuple(file.path for file in made.written), findings, made.results))


def _table_of(recipe: str | None) -> dict[str, Any]:
    """The table `print` of a recipe, without what was not written in it."""
    if recipe is None:
        return {}
    from surgplan.case.recipe import find_recipe, load_recipe, recipe_tables

    path = find_recipe(recipe)
    return load_recipe(recipe_tables(path), str(path)).print.model_dump(exclude_unset=True)
