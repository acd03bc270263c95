"""`surgplan report`: make a case's report again, or print it."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import LiveProgress, Output, Result


@click.command("report")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--pdf", is_flag=True, help="Print the page that is there to report/report.pdf, by an installed browser.")
@click.option("--full", is_flag=True, help="Put every voxel and triangle into the viewer, however large the page.")
@speaking
def command(case: Path, pdf: bool, full: bool, output: Output) -> None:
    """Make report/index.html and its pictures again, from the files of a finished case.

    Without --full, the scan in the viewer is reduced until the page has at most 25 MB.
    With --pdf the page stays as it is and is printed: by $SURGPLAN_BROWSER, or by Chromium, Chrome, Edge or Brave.
    """
    existing(case)
    if pdf:
        from surgplan.case.lock import locked
        from surgplan.case.pdf import write_pdf

        with locked(case):
            output.result(Result((write_pdf(case).path,)))
        return
    from surgplan.case.casefile import plan_case
    from surgplan.case.runner import remake_report

    tables = {"report": {"full": True}} if full else None
    outcome = remake_report(plan_case(existing(case / "case.toml"), tables=tables), case, LiveProgress(output))
    findings = outcome.manifest.stages["report"].found()
    output.result(Result(outcome.written, findings))
