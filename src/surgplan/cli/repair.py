"""`surgplan repair`: make a mesh watertight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.surface.repair import RepairParams


@click.command("repair")
@click.argument("mesh", type=click.Path(path_type=Path))
@output_option("The repaired mesh, .stl or .ply.")
@params_options(RepairParams)
@overwrite_option
@depfile_option
@speaking
def command(mesh: Path, target: Path, overwrite: bool, output: Output, **options: Any) -> None:
    """Make a mesh watertight, manifold and free of self-intersections, changing as little as possible.

    What was changed is told; a repair that would pass its budget is refused.
    """
    existing(mesh)
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.meshes import read_mesh, write_mesh
    from surgplan.surface.repair import repair

    refuse_overwriting(target, overwrite)
    surface, findings = read_mesh(mesh)
    made = repair(surface, RepairParams.from_table(given(options), "command line"))
    written = write_mesh(target, made.surface)
    output.result(Result((written.path,), (*findings, *made.findings)))
