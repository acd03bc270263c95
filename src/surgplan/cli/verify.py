"""`surgplan verify`: is every file of a case still the one that the manifest names?"""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result


@click.command("verify")
@click.argument("case", type=click.Path(path_type=Path))
@speaking
def command(case: Path, output: Output) -> None:
    """Hash every file that the manifest names and tell what is missing or changed; exit 4 if any is."""
    existing(case)
    from surgplan.case.verify import verify_case

    checked, findings = verify_case(case)
    line = f"{checked} files, {len(findings)} changed or missing"
    output.result(Result(findings=findings, values={"checked": checked}, lines=(line,)))
