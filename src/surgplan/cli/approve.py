"""`surgplan approve`: who stands for a case."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage


@click.command("approve")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--by", required=True, help="Who approves: your name.")
@click.option("--role", required=True, help="In which role: surgeon, radiologist, engineer, …")
@click.option("--key", type=click.Path(path_type=Path), help="Sign with this private Ed25519 key (PEM).")
@click.option("--override", default="", metavar="REASON", help="Approve although the case is rejected; is recorded.")
@click.option("--withdraw", type=click.IntRange(1), metavar="NUMBER", help="Take this approval back.")
@click.option("--reason", default="", help="With --withdraw: why.")
@speaking
def command(
    case: Path,
    by: str,
    role: str,
    key: Path | None,
    override: str,
    withdraw: int | None,
    reason: str,
    output: Output,
) -> None:
    """Approve a finished case: state the hash of everything in it; any later change voids that.

    The statement lies in approval/, the log tells of it, the report shows it, and approval/ holds a copy of the model
    for printing whose metadata name it. `surgplan verify` tells whether it still holds. A rejected case is refused
    (exit 8) unless --override says why.

    \b
    surgplan approve case/ --by "Dr. A. Meier" --role surgeon --key key.pem
    surgplan approve case/ --by "Dr. A. Meier" --role surgeon --withdraw 1 --reason "wrong side planned"
    """
    existing(case)
    from surgplan.case import approval
    from surgplan.case.signing import read_key

    if withdraw is not None:
        if key is not None or override:
            raise WrongUsage("--withdraw", "given with --key or --override", advice="Give it with --reason alone")
        written = approval.withdraw(case, withdraw, by, role, reason)
        output.result(Result(tuple(each.path for each in written), values={"withdrawn": withdraw}))
        return
    if reason:
        raise WrongUsage("--reason", "given without --withdraw", advice="A reason to approve is told by --override")
    statement, written = approval.approve(case, by, role, override, read_key(key) if key else None)
    values = {"approval": statement.model_dump(mode="json")}
    output.result(Result(tuple(each.path for each in written), values=values))
