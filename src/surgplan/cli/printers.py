"""`surgplan printers`: the printers that recipes can name."""

from __future__ import annotations

import click

from surgplan.cli.options import named, speaking
from surgplan.cli.output import Output, Result, table


@click.command("printers")
@click.argument("words", nargs=-1, metavar="[show] [NAME]")
@speaking
def command(words: tuple[str, ...], output: Output) -> None:
    """List the printer profiles, or show all numbers of the profile NAME with their sources.

    \b
    surgplan printers
    surgplan printers show generic-fdm
    """
    from surgplan.printing.printers import find_printer, printers

    name = named(words, "printers")
    chosen = [find_printer(name)] if name else list(printers().values())
    values = {printer.name: printer.model_dump(mode="json") for printer in chosen}
    if name:
        rows: list[tuple[str, ...]] = [("value", name)]
        rows += [(key, str(value)) for key, value in values[chosen[0].name].items()]
    else:
        sizes = [" × ".join(f"{length:g}" for length in printer.build_volume_mm) for printer in chosen]
        rows = [("printer", "build volume mm", "what it is")]
        rows += [(printer.name, size, printer.description) for printer, size in zip(chosen, sizes, strict=True)]
    output.result(Result(values={"printers": values}, lines=tuple(table(rows))))
