"""`surgplan check`: meshes and cases."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking, told_options
from surgplan.cli.output import Output, Result, table


@click.command("check")
@click.argument("targets", metavar="FILE|CASE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@told_options
@speaking
def command(targets: tuple[Path, ...], unit: str, frame: str, output: Output) -> None:
    """Check meshes and cases: topology, size, units, findings; exit 4 if one fails.

    Reads STL, PLY, OBJ, OFF, VTP, glTF and 3MF; each object of a file has its row. A unit or frame with a question
    mark was stated by nobody and had to be assumed.
    """
    from surgplan.case.check import check_target
    from surgplan.formats.mesh_units import Told

    told = [row for path in targets for row in check_target(existing(path), Told(unit, frame))]
    heading = (
        "what",
        "triangles",
        "bodies",
        "size mm",
        "volume ml",
        "watertight",
        "manifold",
        "crossings",
        "unit",
        "frame",
    )
    rows = [heading, *(row.cells() for row in told)]
    findings = tuple(finding for row in told for finding in row.findings)
    values = {"checked": [row.as_dict() for row in told]}
    output.result(Result(findings=findings, values=values, lines=tuple(table(rows, numbers=(1, 2, 4, 7)))))
