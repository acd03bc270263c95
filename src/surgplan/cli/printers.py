"""`surgplan printers`: the printers that recipes can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from surgplan.cli.options import named, speaking
from surgplan.cli.output import Output, Result, table

if TYPE_CHECKING:
    from surgplan.printing.printers import Printer


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
        rows = profile_rows(chosen[0])
    else:
        sizes = [" × ".join(f"{length:g}" for length in printer.build_volume_mm) for printer in chosen]
        rows = [("printer", "build volume mm", "what it is")]
        rows += [(printer.name, size, printer.description) for printer, size in zip(chosen, sizes, strict=True)]
    output.result(Result(values={"printers": values}, lines=tuple(table(rows))))


def profile_rows(printer: Printer) -> list[tuple[str, ...]]:
    """Every number of a profile with its source; what the profile leaves open is told as well."""
    rows: list[tuple[str, ...]] = [("number", printer.name, "where it comes from")]
    for key, value in printer.model_dump(mode="json", exclude={"name", "source", "sources"}).items():
        told = " × ".join(f"{each:g}" for each in value) if isinstance(value, list) else value
        words = key in ("description", "technology", "currency")
        rows.append((key, "—" if told is None else str(told), "" if words or told is None else printer.source_of(key)))
    return rows
