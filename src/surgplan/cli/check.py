"""`surgplan check`: meshes and cases."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking, told_options
from surgplan.cli.output import Output, Result, table


@click.command("check")
@click.argument("targets", metavar="FILE|CASE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@told_options
@click.option("--printer", "profile", help="Compare walls with the thinnest that this printer makes.")
@speaking
def command(targets: tuple[Path, ...], unit: str, frame: str, profile: str | None, output: Output) -> None:
    """Check meshes and cases: topology, size, walls, units, findings; exit 4 if one fails.

    Reads STL, PLY, OBJ, OFF, VTP, glTF and 3MF; each object of a file has its row. A unit or frame with a question
    mark was stated by nobody and had to be assumed. `wall mm`: a hundredth of the walls is thinner.
    """
    from surgplan.case.check import check_target
    from surgplan.formats.mesh_units import Told
    from surgplan.printing.printers import find_printer

    printer = find_printer(profile) if profile else None
    told = [row for path in targets for row in check_target(existing(path), Told(unit, frame), printer)]
    columns = "what|triangles|bodies|size mm|wall mm|volume ml|watertight|manifold|crossings|unit|frame"
    rows = [tuple(columns.split("|")), *(row.cells() for row in told)]
    findings = tuple(finding for row in told for finding in row.findings)
    values = {"checked": [row.as_dict() for row in told]}
    output.result(Result(findings=findings, values=values, lines=tuple(table(rows, numbers=(1, 2, 4, 5, 8)))))
