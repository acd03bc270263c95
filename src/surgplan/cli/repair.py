"""`surgplan repair`: make a mesh watertight."""

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
from surgplan.surface.repair import RepairParams


@click.command("repair")
@click.argument("mesh", type=click.Path(path_type=Path))
@output_option("The repaired mesh: .stl .ply .vtp .obj .glb.")
@told_options
@params_options(RepairParams)
@overwrite_option
@depfile_option
@speaking
def command(mesh: Path, target: Path, unit: str, frame: str, overwrite: bool, output: Output, **options: Any) -> None:
    """Make a mesh watertight, manifold and free of self-intersections, changing as little as possible.

    What was changed is told; a repair that would pass its budget is refused.
    """
    existing(mesh)
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.mesh_units import Told
    from surgplan.formats.meshes import read_one, write_mesh
    from surgplan.surface.repair import repair

    refuse_overwriting(target, overwrite)
    surface, findings, assumed = read_one(mesh, Told(unit, frame))
    made = repair(surface, RepairParams.from_table(given(options), "command line"))
    written = write_mesh(target, made.surface, assumed)
    output.result(Result((written.path,), (*findings, *made.findings)))
