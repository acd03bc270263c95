"""`surgplan landmarks`: lists of points converted, matched, checked; anatomical points found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from surgplan.cli.options import existing, output_option, overwrite_option, speaking
from surgplan.cli.output import Output, Result
from surgplan.errors import WrongUsage

PATH = click.Path(path_type=Path)


@click.command("landmarks")
@click.argument("files", nargs=-1, type=PATH)
@output_option("The landmarks: .mrk.json, .fcsv, .csv, .json or .toml ([[landmark]] tables for a case file).")
@click.option("--frame", metavar="NAME", help="Frame of files that do not state one: LPS, RAS, tracker, …")
@click.option("--on", "surface", type=PATH, help="Mesh in LPS for --find and --atlas.")
@click.option("--find", multiple=True, metavar="NAME=RULE", help="An anatomical point on the mesh, see above.")
@click.option("--atlas", type=PATH, help="Mesh that the FILES' landmarks belong to; they are carried to --on.")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="Give a landmark another name.")
@click.option("--match", type=PATH, help="Keep what this list names too, called as there.")
@click.option("--match-how", type=click.Choice(["exact", "normalised"]), default="normalised", help="How names match.")
@click.option("--with", "carry", type=PATH, help="Transform to carry them by, in either direction.")
@click.option("--volume", type=PATH, help="The scan in which they must lie.")
@overwrite_option
@speaking
def command(files: tuple[Path, ...], target: Path, overwrite: bool, output: Output, **options: Any) -> None:
    """Convert, rename, match, carry and check landmarks, or find them on a surface.

    \b
    surgplan landmarks points.fcsv --frame RAS -o points.csv
    surgplan landmarks --on skull.ply --find chin=lowest --find head=ball@-42,-5,182,26 -o found.mrk.json
    surgplan landmarks atlas.fcsv --atlas atlas.ply --on skull.ply --volume volume.nrrd -o found.mrk.json

    Rules: most-left, most-right, most-anterior, most-posterior, highest, lowest, tip, ball (centre), shaft (both ends
    of its axis); RULE@x,y,z,reach looks only within `reach` mm of a place. Each point states its uncertainty.
    """
    from surgplan.case.landmarks import LandmarkWork, landmark_step
    from surgplan.formats.atomic import refuse_overwriting

    if not files and not options["find"]:
        raise WrongUsage("landmarks", "no file and no --find was given", advice="Name a list of points or a rule")
    given = [options[name] for name in ("surface", "atlas", "match", "carry", "volume")]
    for path in (*files, *(each for each in given if each is not None)):
        existing(path)
    refuse_overwriting(target, overwrite)
    made = landmark_step(LandmarkWork(files, **options), target)
    output.result(Result(tuple(file.path for file in made.written), made.findings, made.results))
