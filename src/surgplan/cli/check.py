"""`surgplan check`: meshes and cases."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result, table


@click.command("check")
@click.argument("targets", metavar="FILE|CASE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@speaking
def command(targets: tuple[Path, ...], output: Output) -> None:
    """Check meshes (STL, PLY, OBJ, 3MF) and cases: topology, size, units, findings; exit 4 if one fails."""
    from surgplan.case.check import check_target

    told = [row for path in targets for row in check_target(existing(path))]
    heading = ("what", "triangles", "bodies", "size mm", "volume ml", "watertight", "manifold", "crossings")
    rows = [heading, *(row.cells() for row in told)]
    findings = tuple(finding for row in told for finding in row.findings)
    values = {"checked": [row.as_dict() for row in told]}
    output.result(Result(findings=findings, values=values, lines=tuple(table(rows, numbers=(1, 2, 4, 7)))))
