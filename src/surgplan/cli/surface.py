"""`surgplan surface`: from a label map to watertight surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.depfile import depfile_option
from surgplan.cli.options import existing, given, output_option, overwrite_option, params_options, speaking
from surgplan.cli.output import Output, Result
from surgplan.surface.stage import SurfaceParams


@click.command("surface")
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--volume",
    type=click.Path(path_type=Path),
    help="The scan, .nrrd: the surface then follows its intensities between the voxels.",
)
@output_option("Folder for one .ply of each label and certificate.json.")
@params_options(SurfaceParams)
@overwrite_option
@depfile_option
@speaking
def command(labels: Path, volume: Path | None, target: Path, overwrite: bool, output: Output, **options: Any) -> None:
    """Extract, smooth, simplify, check, repair and certify the surface of each label.

    Exit 4 when a surface is rejected: it lies too far from the boundary in the scan, or is no closed solid.
    """
    existing(labels)
    from surgplan.case.certificates import CERTIFICATE
    from surgplan.case.needs import check_needs, surface_bytes
    from surgplan.case.steps import surface_step
    from surgplan.formats.atomic import refuse_overwriting
    from surgplan.formats.images import read_volume
    from surgplan.formats.segmentations import read_labels
    from surgplan.segment.sides import check_sides

    found = read_labels(labels)
    for name in (*(f"{label.file_stem}.ply" for label in found.labels), CERTIFICATE):
        refuse_overwriting(target / name, overwrite)
    scan = read_volume(existing(volume)) if volume else None
    params = SurfaceParams.from_table(given(options), "command line")
    check_needs("surface", scan.array.nbytes if scan else 0, target, surface_bytes(found, params.joined))
    sides = check_sides(found, scan)
    made = surface_step(scan, found, params, target)
    output.result(Result(tuple(file.path for file in made.written), (*sides, *made.findings), made.results))
