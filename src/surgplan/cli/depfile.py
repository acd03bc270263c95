"""`--depfile`: which files a result was made from, as a fragment that Make includes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from surgplan.errors import WrongUsage

F = TypeVar("F", bound=Callable[..., Any])
WANTED, TARGETS, INPUTS = "surgplan.depfile", "surgplan.depfile-targets", "surgplan.inputs"


def depfile_option(function: F) -> F:
    """`--depfile FILE`: written with the result, from the inputs that `existing` has seen and the recipe."""
    path = click.Path(path_type=Path)
    function = click.option(
        "--depfile-target",
        multiple=True,
        type=path,
        expose_value=False,
        callback=lambda context, option, paths: context.meta.update({TARGETS: paths}),
        help="Name this file in the depfile instead of what was written, a stamp for example.",
    )(function)
    return click.option(
        "--depfile",
        type=path,
        expose_value=False,
        callback=lambda context, option, path: context.meta.update({WANTED: path}),
        help="Also write what the result was made from, for Make to include.",
    )(function)


def remember(path: Path) -> None:
    """Take note of an input of the command that runs."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(INPUTS, []).append(path)


def write_wanted_depfile(written: Sequence[Path]) -> None:
    """Write the depfile if the running command was asked for one."""
    context = click.get_current_context(silent=True)
    wanted = context.meta.get(WANTED) if context is not None else None
    if context is None or wanted is None or not written:
        return
    from surgplan.formats.atomic import write_text

    inputs = [*context.meta.get(INPUTS, []), *_recipes(context.params.get("recipe"))]
    write_text(wanted, make_rule(context.meta.get(TARGETS) or written, _files(inputs)))


def _recipes(name: str | None) -> tuple[Path, ...]:
    from surgplan.case.recipe import find_recipe, recipe_chain

    return recipe_chain(find_recipe(name)) if name else ()


def _files(inputs: Iterable[Path]) -> list[Path]:
    """The inputs, folders with all that is in them: a slice that is added or taken away changes its folder."""
    from surgplan.case.digest import source_files

    found = [file for path in inputs for file in ((path, *source_files(path)) if path.is_dir() else (path,))]
    return list(dict.fromkeys(found))


def make_rule(targets: Iterable[Path], inputs: Sequence[Path]) -> str:
    """`targets: inputs`, and an empty rule for each input, so that one which is gone does not stop Make.

    Source: GNU make manual, "Generating Prerequisites Automatically"; gcc's option -MP.

    Raises
    ------
    WrongUsage
        A name that Make cannot hold.
    """
    names = [escaped(path) for path in inputs]
    lines = [" ".join(map(escaped, targets)) + ": \\", *(f"  {name} \\" for name in names[:-1]), f"  {names[-1]}"]
    return "\n".join([*lines, *(f"\n{name}:" for name in names)]) + "\n"


def escaped(path: Path) -> str:
    """The path as a makefile writes it."""
    text = str(path)
    if any(sign in text for sign in "\n:;=|%\\*?[]()"):
        raise WrongUsage("--depfile", f"cannot name {text!r}, which Make would misread", advice="Rename that file")
    return text.replace("$", "$$").replace("#", "\\#").replace(" ", "\\ ")
