"""`surgplan batch`: many cases unattended."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surgplan.cli.options import existing, overwrite_option, set_option, speaking
from surgplan.cli.output import AfterResult, Output, Result, style, table
from surgplan.errors import WrongUsage

if TYPE_CHECKING:
    from surgplan.case.batch import CaseEnd
    from surgplan.case.pool import Pool


@click.command("batch")
@click.argument("targets", metavar="[SOURCE|case.toml]...", nargs=-1)
@click.option("--list", "listed", type=click.Path(path_type=Path), help="Cases from a CSV or TOML list.")
@click.option("-r", "--recipe", help="Recipe of the cases that name none.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="Folder for the cases' folders."
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="So many cases at once [default: one for each processor].")
@click.option("--memory-gb", type=click.FloatRange(0.5), help="Memory for all of them [default: 80 % of what is free].")
@click.option("--case-memory-gb", type=click.FloatRange(0.1), help="End a case that takes more memory than this.")
@click.option("--case-minutes", type=click.FloatRange(0.001), help="End a case that takes longer than this.")
@click.option("--retries", type=click.IntRange(0, 10), default=1, show_default=True, help="Try a killed case again.")
@click.option("--name-by-folder", is_flag=True, help="Name cases after their scans: only if no name is a patient's.")
@click.option("--watch", "inbox", type=click.Path(path_type=Path), help="Take each new scan in this folder, for ever.")
@click.option(
    "--settle-s", type=click.FloatRange(0.1), default=30.0, show_default=True, help="A scan is complete after."
)
@click.option("--idle-exit-s", type=click.FloatRange(0.1), help="End the watch when nothing came for so long.")
@set_option
@overwrite_option
@speaking
def command(
    targets: tuple[str, ...],
    listed: Path | None,
    recipe: str | None,
    target: Path,
    jobs: int | None,
    memory_gb: float | None,
    case_memory_gb: float | None,
    case_minutes: float | None,
    retries: int,
    name_by_folder: bool,
    inbox: Path | None,
    settle_s: float,
    idle_exit_s: float | None,
    settings: tuple[str, ...],
    overwrite: bool,
    output: Output,
) -> None:
    """Make many cases, each in a process of its own: a bad one neither stops nor slows the others.

    SOURCES are scans, case files, folders that hold several of them, or globs. A folder whose subfolders all belong to
    one patient is one scan. Stopped and started again, a batch goes on where it was. The
    summary is in batch.html, batch.json and batch.csv, the worst case first; exit 4 when one failed or was rejected.

    \b
    surgplan batch scans/ -r ct-bone -o cases/
    surgplan batch --list monday.csv -o cases/ --jobs 4
    surgplan batch --watch inbox/ -r ct-skull -o cases/
    """
    if not targets and listed is None and inbox is None:
        raise WrongUsage("batch", "no cases were named", advice="Name scans or case files, or pass --list or --watch")
    from surgplan.case.batch import AGAIN, BatchRules, Inbox, run_batch
    from surgplan.case.batch_list import gather
    from surgplan.case.batch_summary import summary
    from surgplan.case.needs import free_memory
    from surgplan.case.pool import Limits

    limits = Limits(
        jobs=jobs or os.cpu_count() or 1,
        memory_bytes=int(memory_gb * 1e9) if memory_gb else int(0.8 * free_memory()),
        job_bytes=int(case_memory_gb * 1e9) if case_memory_gb else None,
        job_seconds=case_minutes * 60 if case_minutes else None,
        retries=retries,
        retry=AGAIN,
    )
    watched = Inbox(existing(inbox), settle_s, idle_exit_s, name_by_folder) if inbox else None
    cases = gather(targets, listed, name_by_folder)
    shown = LiveTable(output)
    try:
        ends = run_batch(cases, target, BatchRules(limits, recipe, settings, overwrite), shown, watched)
    finally:
        shown.close()
    told = summary(ends)
    lines = [str(target / f"batch.{ending}") for ending in ("json", "csv", "html")]
    output.result(Result(values={"batch": told}, lines=tuple(lines)))
    bad = [end for end in ends if end.state in ("failed", "rejected")]
    if bad:
        raise FailedBatch(bad, len(ends), target)


class FailedBatch(AfterResult):
    """At least one case could not be made, or was rejected; the others are whole."""

    def __init__(self, bad: Sequence[CaseEnd], count: int, folder: Path) -> None:
        names = ", ".join(end.name for end in bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        super().__init__(
            folder, f"{len(bad)} of {count} cases failed or were rejected: {names}", advice="See batch.html"
        )


class LiveTable:
    """On a terminal a table of the running cases that is drawn anew; elsewhere one line for each case that ends."""

    def __init__(self, output: Output) -> None:
        self._alive = output.verbosity >= 0 and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._output = output
        self._drawn = 0
        self._turn = 0

    def ended(self, end: CaseEnd) -> None:
        """Tell the end of a case."""
        self.close()
        color = {"ready": "green", "ready with warnings": "yellow"}.get(end.state, "red")
        told = f"  {style(end.state, color)}  {end.name}  {end.seconds:.1f} s" + (
            f"  {end.message}" if end.message else ""
        )
        self._output.say(told)

    def tick(self, pool: Pool, ends: Sequence[CaseEnd]) -> None:
        """Draw what runs now, ten times in a second at the most."""
        self._turn += 1
        if not self._alive or self._turn % 4:
            return
        self.close()
        rows = [("case", "since", "memory", "what it does")]
        for each in pool.running:
            size = f"{each.peak_bytes / 1e9:.1f} GB"
            rows.append((each.job.name[:40], f"{each.seconds:.0f} s", size, each.last_line()[:50]))
        lines = [
            f"{len(ends)} done, {len(pool.running)} running, {len(pool.waiting)} waiting",
            *table(rows, numbers=(1, 2)),
        ]
        click.echo("\n".join(lines), err=True)
        self._drawn = len(lines)

    def close(self) -> None:
        """Clear the table."""
        if self._drawn:
            click.echo(f"\033[{self._drawn}A\033[J", nl=False, err=True)
            self._drawn = 0
