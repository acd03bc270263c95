"""`surgplan check`: meshes and cases, and whether anything of a scan's headers is in them."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import existing, speaking, told_options
from surgplan.cli.output import Output, Result, table
from surgplan.errors import WrongUsage


@click.command("check")
@click.argument("targets", metavar="FILE|CASE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@told_options
@click.option("--printer", "profile", help="Compare walls with the thinnest that this printer makes.")
@click.option("--privacy", is_flag=True, help="Look for anything that identifies the patient; exit 8 if there is any.")
@click.option("--against", type=click.Path(path_type=Path), help="With --privacy: the DICOM scan of the case.")
@speaking
def command(
    targets: tuple[Path, ...],
    unit: str,
    frame: str,
    profile: str | None,
    privacy: bool,
    against: Path | None,
    output: Output,
) -> None:
    """Check meshes and cases: topology, size, walls, units, findings; exit 4 if one fails.

    Reads STL, PLY, OBJ, OFF, VTP, glTF and 3MF; each object of a file has its row. A unit or frame with a question
    mark was stated by nobody and had to be assumed. `wall mm`: a hundredth of the walls is thinner.

    With --privacy, look for every identifying value of the scan's headers in every byte of every file instead.

    \b
    surgplan check case/ model.stl
    surgplan check --privacy case/ --against DICOM_FOLDER
    """
    if privacy != (against is not None):
        option = "--against" if privacy else "--privacy"
        raise WrongUsage(option, "is missing", "both or neither", "Pass --privacy --against DICOM_FOLDER")
    if against is not None:
        _check_privacy(targets, against, output)
        return
    from surgplan.case.check import check_target
    from surgplan.formats.mesh_units import Told
    from surgplan.printing.printers import find_printer

    printer = find_printer(profile) if profile else None
    told = [row for path in targets for row in check_target(existing(path), Told(unit, frame), printer)]
    columns = "what|triangles|bodies|size mm|wall mm|volume ml|watertight|manifold|crossings|unit|frame"
    rows = [tuple(columns.split("|")), *(row.cells() for row in told)]
    findings = tuple(finding for row in told for finding in row.findings)
    values = {"checked": [row.as_dict() for row in told]}
    output.result(Result(findings=findings, values=values, lines=tuple(table(rows, numbers=(1, 2, 4, 5, 8)))))


def _check_privacy(targets: tuple[Path, ...], against: Path, output: Output) -> None:
    from surgplan.case.opened import opened
    from surgplan.privacy.headers import read_secrets
    from surgplan.privacy.leaks import search_case

    with opened(existing(against)) as scan:
        header = read_secrets(scan.files)
    searched = [search_case(existing(path), header) for path in targets]
    findings = tuple(finding for each in searched for finding in each.findings)
    files, size = sum(each.files for each in searched), sum(each.bytes for each in searched)
    values = {
        "files": files,
        "bytes": size,
        "headers": header.files,
        "values": len(header.secrets),
        "values_too_short": header.short,
    }
    line = f"looked for {len(header.secrets)} values of {header.files} headers in {files} files ({size / 1e6:.1f} MB)"
    line += f"; {header.short} values are too short to look for" if header.short else ""
    output.result(Result(findings=findings, values=values, lines=(line,)), private=True)
