"""`surgplan example`: cases with known truth."""

from __future__ import annotations

from pathlib import Path

import click

from surgplan.cli.options import overwrite_option, speaking
from surgplan.cli.output import Output, Result, table


@click.command("example")
@click.argument("name", required=False)
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Folder for the case [default: NAME].")
@click.option("--size", default="full", show_default=True, help="small (seconds), full, or large (512×512×400).")
@click.option("--seed", default=0, show_default=True, help="Seed of the noise and of the DICOM identifiers.")
@overwrite_option
@speaking
def command(name: str | None, target: Path | None, size: str, seed: int, overwrite: bool, output: Output) -> None:
    """Make an example case: a DICOM series like a scanner's, its case.toml, and truth.json.

    Without NAME, lists the examples.
    """
    from surgplan.errors import WouldOverwrite, WrongUsage
    from surgplan.examples import NAMES, write_example
    from surgplan.params import nearest

    if name is None:
        lines = table([("example", "what it is"), *NAMES.items()])
        output.result(Result(values={"examples": dict(NAMES)}, lines=tuple(lines)))
        return
    if name not in NAMES:
        raise WrongUsage(f"example `{name}`", "there is none of that name", advice=nearest(name, list(NAMES)))
    folder = target or Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise WouldOverwrite(folder, "exists and is not empty", advice="Choose another folder, or pass --overwrite")
    written = write_example(name, folder, size, seed)
    case = next(path for path in written if path.name == "case.toml")
    output.say(f"Run it: surgplan run {case}")
    output.result(Result(tuple(path for path in written if path.suffix != ".dcm")))
