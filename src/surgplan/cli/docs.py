"""Writes the pages that are made from the code: `python -m surgplan.cli.docs FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from surgplan.cli.main import COMMANDS, surgplan

WIDTH = 100


def cli_markdown() -> str:
    """`docs/cli.md`: the help of every command, as `--help` prints it."""
    parts = ["# The command line\n\n*This page is made from the code by `make docs`.*\n", _help(surgplan, "surgplan")]
    for name in COMMANDS:
        command = surgplan.get_command(click.Context(surgplan), name)
        assert command is not None
        parts.append(f"## surgplan {name}\n\n{_help(command, f'surgplan {name}')}")
    return "\n".join(parts)


def _help(command: click.Command, path: str) -> str:
    names = {"help_option_names": ["-h", "--help"]}
    context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH, **names)  # type: ignore[arg-type]
    return f"```text\n{command.get_help(context)}\n```\n"


def generated() -> dict[str, str]:
    """The name and text of every page that is made from the code."""
    from surgplan.case.certificates import certificate_schema, print_certificate_schema
    from surgplan.case.manifest import manifest_schema
    from surgplan.case.recipe_docs import recipes_markdown
    from surgplan.case.recipe_pages import recipe_list_markdown
    from surgplan.ingest.gate_docs import gate_markdown

    schemas = {"manifest.schema.json": manifest_schema(), "certificate.schema.json": certificate_schema()}
    schemas["print-certificate.schema.json"] = print_certificate_schema()
    pages = {"cli.md": cli_markdown(), "recipes.md": recipes_markdown(), "gate.md": gate_markdown()}
    pages["recipe-list.md"] = recipe_list_markdown()
    return {**pages, **schemas}


def write_docs(folder: Path) -> None:
    """Write the generated pages into `folder`."""
    for name, text in generated().items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write_docs(Path(sys.argv[1]))
