"""`surgplan ingest`: from a scan to a checked volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.ingest.stage import IngestParams


@click.command("ingest")
@click.argument("source", type=click.Path(path_type=Path))
@output_option("The volume, .nrrd.")
@params_options(IngestParams)
@overwrite_option
@speaking
def command(source: Path, target: Path, overwrite: bool, output: Output, **options: Any) -> None:
    """Read a scan (DICOM, NIfTI, NRRD, MHA), check it, and write it as one NRRD volume in LPS millimetres."""
    existing(source)
    from surgplan.case.steps import ingest_step
    from surgplan.formats.atomic import refuse_overwriting

    refuse_overwriting(target, overwrite)
    made = ingest_step(source, IngestParams.from_table(given(options), "command line"), target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
