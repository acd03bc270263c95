"""`surgplan ingest`: from a scan to a checked volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import (
    accept_option,
    existing,
    given,
    operator_option,
    overwrite_option,
    params_options,
    speaking,
)
from surgplan.cli.output import Output, Result, table
from surgplan.errors import WrongUsage
from surgplan.ingest.stage import IngestParams


@click.command("ingest")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="The volume, .nrrd.")
@click.option(
    "--list", "listing", is_flag=True, help="Only list the series of the source, and what is wrong with each."
)
@params_options(IngestParams, skip=("operator",))
@accept_option
@operator_option
@overwrite_option
@depfile_option
@speaking
def command(source: Path, target: Path | None, listing: bool, overwrite: bool, output: Output, **options: Any) -> None:
    """Read a scan (DICOM, NIfTI, NRRD, MHA), check it, and write it as one NRRD volume in LPS millimetres.

    SOURCE is a folder, a zip archive, a DICOMDIR, or an image file.

    \b
    surgplan ingest DICOM_FOLDER --list
    surgplan ingest scan.zip --series 2 -o volume.nrrd
    """
    existing(source)
    from surgplan.case.steps import ingest_step
    from surgplan.formats.atomic import refuse_overwriting

    params = IngestParams.from_table(given(options), "command line")
    if listing:
        _list(source, params, output)
        return
    if target is None:
        raise WrongUsage("-o", "is missing", "the file for the volume", "Pass -o volume.nrrd, or --list to look first")
    refuse_overwriting(target, overwrite)
    made = ingest_step(source, params, target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))


def _list(source: Path, params: IngestParams, output: Output) -> None:
    from surgplan.case.sources import list_series
    from surgplan.ingest.listing import HEADINGS

    found = list_series(source, params)
    lines = table([HEADINGS, *(row.cells() for row in found.rows)]) if found.rows else ["no series"]
    output.result(Result(values=found.as_dict(), lines=(*lines, *found.lines())))
