"""`surgplan report`: make a case's report again."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import LiveProgress, Output, Result


@click.command("report")
@click.argument("case", type=click.Path(path_type=Path))
@speaking
def command(case: Path, output: Output) -> None:
    """Make report/index.html and its pictures again, from the files of a finished case."""
    existing(case)
    from surgplan.case.casefile import plan_case
    from surgplan.case.runner import remake_report

    outcome = remake_report(plan_case(existing(case / "case.toml")), case, LiveProgress(output))
    findings = outcome.manifest.stages["report"].found()
    output.result(Result(outcome.written, findings))
