"""`surgplan log`: what was done to a case, when and by whom."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result, table
from surgplan.errors import Missing


@click.command("log")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--crate", is_flag=True, help="Write ro-crate-metadata.json into the case: an RO-Crate, for machines.")
@speaking
def command(case: Path, crate: bool, output: Output) -> None:
    """Show the log of a case, and check that no line was changed, taken out or put in; exit 4 if one was.

    With --crate the case becomes an RO-Crate (profile Process Run Crate): who made what from what, with which program.
    """
    existing(case)
    from dataclasses import asdict

    from surgplan.case.crate import write_crate
    from surgplan.case.log import LOG, read_log
    from surgplan.findings import Finding, Level

    if crate:
        output.result(Result((write_crate(case).path,)))
        return
    entries, wrong = read_log(case)
    if not entries and not wrong:
        raise Missing(case / LOG, "there is no log", advice="Name the folder of a case that was run")
    findings = tuple(
        Finding("log", Level.REFUSE, each, "an unbroken chain", "Ask who had access to the case", subject=LOG)
        for each in wrong
    )
    rows = [("time (UTC)", "by", "action", "details")]
    for entry in entries:
        details = ", ".join(
            f"{key} {_told(value)}" for key, value in entry.details.items() if value not in ("", [], {})
        )
        time = entry.time.removesuffix("+00:00")
        rows.append((time, entry.by, entry.action, details))
    output.result(
        Result(findings=findings, values={"log": [asdict(entry) for entry in entries]}, lines=tuple(table(rows)))
    )


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
