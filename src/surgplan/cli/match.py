"""`surgplan match`: which cases belong to a patient."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from surgplan.cli.options import existing, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import FailedCheck, Missing, WrongUsage


@click.command("match")
@click.argument("cases", metavar="CASE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--patient-id", metavar="-", help="Read the patient's ID from stdin, or ask for it on a terminal.")
@click.option("--against", type=click.Path(path_type=Path), help="Take the patient's ID from this DICOM scan.")
@speaking
def command(cases: tuple[Path, ...], patient_id: str | None, against: Path | None, output: Output) -> None:
    """Print the cases that belong to a patient; exit 4 when none does.

    It needs the lab's key that the cases were made with: SURGPLAN_SALT, or the key file that `surgplan info` names.

    \b
    surgplan match cases/* --patient-id - < id.txt
    surgplan match case/ --against DICOM_FOLDER
    """
    from surgplan.case.matching import matching

    patient = _patient(patient_id, against)
    found, findings = matching([existing(case) for case in cases], patient)
    output.result(Result(tuple(found), findings, {"asked": len(cases)}))
    if not found:
        raise FailedCheck("patient", f"none of {len(cases)} cases belongs to this patient", advice="Check the ID")


def _patient(given: str | None, against: Path | None) -> str:
    if (given is None) == (against is None):
        raise WrongUsage("--patient-id", "or --against", "one of the two", "Pass --patient-id - or --against SCAN")
    if against is not None:
        from surgplan.case.opened import opened
        from surgplan.privacy.patient import patient_of

        with opened(existing(against)) as scan:
            patient = patient_of(scan.files)
        if patient is None:
            raise Missing(against, "its headers do not tell one patient's ID", advice="Pass --patient-id -")
        return patient
    if given != "-":
        advice = "Pass --patient-id - and type it, or pipe it in"
        raise WrongUsage("--patient-id", "an ID on the command line can be seen by others", "`-`", advice)
    line: str = click.prompt("patient ID", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not line.strip():
        raise WrongUsage("--patient-id", "stdin holds no ID", advice="Pipe it in: surgplan match CASE --patient-id -")
    return line.strip()
