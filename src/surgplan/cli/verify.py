"""`surgplan verify`: is every file of a case still the one that the manifest names, and does every approval hold?"""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result, table


@click.command("verify")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--approved", is_flag=True, help="Exit 4 also when no approval holds.")
@click.option(
    "--key", type=click.Path(path_type=Path), help="The same, unless one signed by this public key (PEM) holds."
)
@speaking
def command(case: Path, approved: bool, key: Path | None, output: Output) -> None:
    """Hash every file that the manifest names and tell what is missing or changed; exit 4 if any is.

    Shows every approval, and whether it holds; one that a change has voided ends with exit 4 until somebody takes it
    back. Before a print: surgplan verify --approved CASE
    """
    existing(case)
    from surgplan.case.approved_copies import check_copies
    from surgplan.case.signing import read_public
    from surgplan.case.standing import approval_findings
    from surgplan.case.verify import verify_case

    checked, findings = verify_case(case)
    told, more = approval_findings(case, approved, read_public(key) if key else "")
    lines = [f"{checked} files, {len(findings)} changed or missing"]
    if told:
        rows = [
            (each.by, each.role, each.time.removesuffix("+00:00"), each.signed, each.void or "yes") for each in told
        ]
        lines += table([("approved by", "role", "time (UTC)", "signature", "holds"), *rows])
    more += tuple(check_copies(case, told))
    values = {"checked": checked, "approvals": [each.as_dict() for each in told]}
    output.result(Result(findings=(*findings, *more), values=values, lines=tuple(lines)))
