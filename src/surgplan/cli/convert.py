"""`surgplan convert`: meshes from one format to another."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import existing, output_option, overwrite_option, speaking, told_options
from surgplan.cli.output import Output, Result


@click.command("convert")
@click.argument("meshes", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option("The new file: .3mf .glb .obj hold several objects, .stl .ply .vtp one.")
@told_options
@click.option("--join", is_flag=True, help="Make one mesh of all objects.")
@overwrite_option
@depfile_option
@speaking
def command(
    meshes: tuple[Path, ...], target: Path, unit: str, frame: str, join: bool, overwrite: bool, output: Output
) -> None:
    """Write meshes in another format, in LPS millimetres, and read the result back.

    Objects keep their names and colours where the format has a place for them. A unit or frame that the file does not
    state is a finding with its evidence, and the new file says that it was assumed; a unit that makes no sense is
    refused until --unit states it.
    """
    for path in meshes:
        existing(path)
    from surgplan.case.convert import convert
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.mesh_units import Told

    refuse_overwriting(target, overwrite)
    written, findings = convert(meshes, target, Told(unit, frame), join)
    output.result(Result((written.path,), findings))
