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
from surgplan.printing.stage import PrintParams


@click.command("print")
@click.argument("surfaces", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option("The model, .3mf.")
@click.option("--stl", "stl_folder", type=click.Path(path_type=Path), help="Folder for one .stl of each surface.")
@click.option("--case", default="model", show_default=True, help="Name of the case, never a patient's.")
@told_options
@params_options(PrintParams)
@overwrite_option
@depfile_option
@speaking
def command(
    surfaces: tuple[Path, ...],
    target: Path,
    stl_folder: Path | None,
    case: str,
    unit: str,
    frame: str,
    overwrite: bool,
    output: Output,
    **options: Any,
) -> None:
    """Place surfaces on the build plate and write one coloured 3MF of them, in millimetres."""
    for path in surfaces:
        existing(path)
    from surgplan.case.convert import certain, named_apart
    from surgplan.case.steps import print_step, stl_name
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.mesh_units import Told

    refuse_overwriting(target, overwrite)
    read = [certain(path, Told(unit, frame)) for path in surfaces]
    found = named_apart([each for file in read for each in file.surfaces])
    params = PrintParams.from_table(given(options), "command line")
    if stl_folder is not None:
        for surface in found:
            refuse_overwriting(stl_folder / stl_name(surface, params.scale), overwrite)
    assumed = tuple(sorted({name for file in read for name in file.assumed}))
    made = print_step(found, params, case, target, stl_folder, assumed)
    findings = (*(finding for file in read for finding in file.findings), *made.findings)
    output.result(Result(tuple(file.path for file in made.written), findings, made.results))
