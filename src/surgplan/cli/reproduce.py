"""`surgplan reproduce`: is a case made again to the same bytes?"""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import LiveProgress, Output, Result


@click.command("reproduce")
@click.argument("case", type=click.Path(path_type=Path))
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="Keep what is made, in this folder [default: no]."
)
@speaking
def command(case: Path, source: Path | None, target: Path | None, output: Output) -> None:
    """Run a case again from its scan, in another folder, and compare every file byte by byte; exit 4 if one differs.

    SOURCE is needed when the scan is no longer where it was. The case itself is left alone.
    """
    existing(case)
    from surgplan.case.reproduce import reproduce_case

    progress = LiveProgress(output)
    try:
        made = reproduce_case(case, existing(source) if source else None, target, progress)
    finally:
        progress.close()
    differing = sum(finding.check == "reproduce" for finding in made.findings)
    line = f"{made.files} files, {differing} differ"
    output.result(Result(findings=made.findings, values={"compared": made.files}, lines=(line,)))
