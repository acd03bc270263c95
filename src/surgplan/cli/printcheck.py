"""`surgplan printcheck`: distances measured on a print against those that were meant."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import click

from surgplan.cli.options import existing, given, params_options, speaking
from surgplan.cli.output import Output, Result, table
from surgplan.errors import WrongUsage
from surgplan.printing.printcheck import Errors, PrintCheckParams

RECENT = 10
"""So many checks count for the XY compensation that the history suggests: printers change."""


@click.command("printcheck")
@click.argument("job", required=False, type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--measured",
    multiple=True,
    metavar="NAME=MM",
    help="A distance of the job sheet as measured; may be repeated.",
)
@click.option("--printer", help="The printer, for its history [default: that of the job sheet].")
@click.option("--compensation-mm", type=float, help="XY compensation it was printed with [default: the profile's].")
@click.option("--history", is_flag=True, help="Show the printer's history instead of checking a print.")
@click.option("--keep/--no-keep", default=True, help="Whether the check is added to the printer's history.")
@params_options(PrintCheckParams)
@speaking
def command(
    job: Path | None,
    measured: tuple[str, ...],
    printer: str | None,
    compensation_mm: float | None,
    history: bool,
    keep: bool,
    output: Output,
    **options: Any,
) -> None:
    """Compare distances measured on a print with those of its job sheet JOB (.json), and keep a history of the printer.

    A print with a distance out of tolerance is rejected (exit 4). Without --measured, the distances that can be
    measured are listed. The history holds lengths, errors and times only.

    \b
    surgplan printcheck job.json
    surgplan printcheck job.json -m "skull x=146.2" -m "cube x=19.93" -m "cube z=20.05"
    surgplan printcheck --printer generic-fdm --history
    """
    from surgplan.case.print_history import nominal, read_job

    if history:
        output.result(_shown(_name(printer, job)))
        return
    if job is None:
        raise WrongUsage("printcheck", "no job sheet was given", "JOB.json", "Say surgplan printcheck job.json")
    known = nominal(job, read_job(existing(job)))
    if not measured:
        rows = [("distance", "should be, mm"), *((name, f"{length:.2f}") for name, (length, _) in known.items())]
        values = {"distances": {name: length for name, (length, _) in known.items()}}
        output.result(Result(values=values, lines=tuple(table(rows, (1,)))))
        return
    params = PrintCheckParams.from_table(given(options), "command line")
    told = [_pair(each) for each in measured]
    output.result(_checked(_name(printer, job), known, told, params, compensation_mm, keep))


def _name(printer: str | None, job: Path | None) -> str:
    from surgplan.case.print_history import read_job
    from surgplan.printing.printers import find_printer

    if printer is None:
        if job is None:
            raise WrongUsage("printcheck", "no printer was named", advice="Pass --printer NAME or a job sheet")
        printer = str(read_job(existing(job))["printer"]["name"])
    return find_printer(printer).name


def _pair(text: str) -> tuple[str, float]:
    name, _, length = text.rpartition("=")
    try:
        return name.strip(), float(length)
    except ValueError:
        raise WrongUsage("--measured", f"is {text!r}", "NAME=MM", 'Write it as -m "skull x=146.2"') from None


def _checked(
    printer: str,
    known: dict[str, tuple[float, tuple[float, float, float]]],
    told: list[tuple[str, float]],
    params: PrintCheckParams,
    compensation_mm: float | None,
    kept: bool,
) -> Result:
    from datetime import UTC, datetime

    from surgplan.case.print_history import history_file, keep, measured
    from surgplan.printing.printcheck import check_print
    from surgplan.printing.printers import find_printer

    compensation = find_printer(printer).xy_compensation_mm if compensation_mm is None else compensation_mm
    check = check_print(measured(known, told), params, compensation)
    rows = [("distance", "should be", "measured", "error, mm")]
    rows += [
        (each.name, f"{each.expected_mm:.2f}", f"{each.measured_mm:.2f}", f"{each.error_mm:+.2f}")
        for each in check.distances
    ]
    lines = [*table(rows, (1, 2, 3)), ""]
    groups = (("all", check.all), ("within layers", check.within_layers), ("across layers", check.across_layers))
    lines += [_told(name, errors) for name, errors in groups if errors is not None]
    if kept and not check.nonsense:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        count = len(keep(history_file(printer), check, printer, time))
        lines.append(f"check {count} of {printer}")
    values = {**asdict(check), "findings": [each.as_dict() for each in check.findings], "printer": printer}
    return Result(findings=check.findings, values={"check": values}, lines=tuple(lines))


def _told(name: str, errors: Errors) -> str:
    spread = "" if errors.sd_mm is None else f" ± {errors.sd_mm:.3f} mm (SD)"
    return f"{name}: bias {errors.bias_mm:+.3f} mm{spread}, worst {errors.worst_mm:+.3f} mm, {errors.count} distances"


def _shown(printer: str) -> Result:
    from surgplan.case.print_history import history_file, read_history

    entries = read_history(history_file(printer))
    rows = [("when", "distances", "bias, mm", "worst, mm", "XY compensation, mm")]
    rows += [
        (
            str(each["time"]),
            str(each["all"]["count"]),
            f"{each['all']['bias_mm']:+.3f}",
            f"{each['all']['worst_mm']:+.3f}",
            "—" if each["xy_compensation_mm"] is None else f"{each['xy_compensation_mm']:+.3f}",
        )
        for each in entries
    ]
    lines = table(rows, (1, 2, 3, 4)) if entries else [f"no print of {printer} was checked yet"]
    suggested = [float(each["xy_compensation_mm"]) for each in entries if each["xy_compensation_mm"] is not None]
    middle = median(suggested[-RECENT:]) if suggested else None
    if middle is not None:
        count = min(len(suggested), RECENT)
        lines.append(f"XY compensation: {middle:+.3f} mm, the median of the last {count} checks that tell one")
    values = {"printer": printer, "history": entries, "xy_compensation_mm": middle}
    return Result(values=values, lines=tuple(lines))
