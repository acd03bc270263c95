"""Options that commands share, and options made from a stage's `Params`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from surgplan.cli.depfile import remember
from surgplan.cli.output import Output
from surgplan.errors import Missing, WrongUsage
from surgplan.params import Params

if TYPE_CHECKING:
    from surgplan.case.masks import MaskFiles

F = TypeVar("F", bound=Callable[..., Any])


def speaking(function: F) -> F:
    """`--json`, `-v`, `-q`: the command gets an `output: Output`."""

    @functools.wraps(function)
    def wrapped(*args: Any, json: bool, verbose: int, quiet: bool, **kwargs: Any) -> Any:
        return function(*args, output=Output(json, -1 if quiet else verbose), **kwargs)

    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr."),
        click.option("-v", "--verbose", count=True, help="Also notes and stage times on stderr."),
        click.option("--json", is_flag=True, help="One JSON document on stdout."),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def overwrite_option(function: F) -> F:
    """`--overwrite`."""
    return click.option("--overwrite", is_flag=True, help="Replace what exists already.")(function)


def operator_option(function: F) -> F:
    """`--operator NAME`, for the case's log."""
    return click.option(
        "--operator", help="Who does this, for the case's log [default: SURGPLAN_OPERATOR, or the user's name]."
    )(function)


def accept_option(function: F) -> F:
    """`--accept CHECK`, as often as wanted."""
    return click.option(
        "--accept",
        multiple=True,
        metavar="CHECK",
        help="Override a refusal of the input gate; who did is recorded in manifest and report.",
    )(function)


def set_option(function: F) -> F:
    """`--set table.key=value`, as often as wanted."""
    return click.option(
        "--set", "settings", multiple=True, metavar="TABLE.KEY=VALUE", help="Override one value of the recipe."
    )(function)


def masks_options(function: F) -> F:
    """`--masks PATH` and `--mask-names FILE`: the command gets `masks: Path | None` and `mask_names: Path | None`."""
    path = click.Path(path_type=Path)
    names = "Table of the masks' names: .json, .toml or .csv."
    function = click.option("--mask-names", type=path, help=names)(function)
    what = "Masks made elsewhere: a folder with a file for each structure, or one file; for recipes with method mask."
    return click.option("--masks", type=path, help=what)(function)


def mask_files(masks: Path | None, names: Path | None) -> MaskFiles | None:
    """What `masks_options` were given, as a case takes it."""
    from surgplan.case.masks import MaskFiles

    if masks is None:
        if names is not None:
            raise WrongUsage("--mask-names", "given without --masks", advice="Pass the masks that the table names")
        return None
    return MaskFiles(existing(masks), existing(names) if names else None)


def output_option(kind: str) -> Callable[[F], F]:
    """`-o/--output PATH`."""
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", "target", type=path, required=True, help=kind)


def told_options(function: F) -> F:
    """`--unit` and `--frame`: what the user states about meshes; "" where nothing."""
    units, frames = ("um", "mm", "cm", "m", "in", "ft"), ("LPS", "RAS", "PRINT")
    for name, choices in (("frame", frames), ("unit", units)):
        told = f"{name.capitalize()} of the meshes, where the file does not state it, or states it wrongly."
        function = click.option(
            f"--{name}", type=click.Choice(choices), callback=lambda context, option, value: value or "", help=told
        )(function)
    return function


def named(words: tuple[str, ...], command: str) -> str | None:
    """The name in the words `show NAME` or `NAME` of a command that lists things; None where there are no words."""
    names = words[1:] if words[:1] == ("show",) else words
    if len(names) > 1 or (words and not names):
        raise WrongUsage(command, f"{len(names)} names are given", "one", f"Say `surgplan {command} show NAME`")
    return names[0] if names else None


def existing(path: Path) -> Path:
    """The path, or `Missing` (exit 5) when nothing is there."""
    if not path.exists():
        raise Missing(path, "there is no such file or folder", advice="Check the path")
    remember(path)
    return path


def params_options(model: type[Params], skip: tuple[str, ...] = ()) -> Callable[[F], F]:
    """One option for each field of `model` that a command line can carry; not given means None.

    The command receives them by their field names; `given` keeps those that were given.
    """

    def decorate(function: F) -> F:
        for name, info in reversed(model.model_fields.items()):
            option = None if name in skip else _option(name, info)
            if option is not None:
                function = option(function)
        return function

    return decorate


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, lists instead of tuples, as in a TOML table."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in (None, ())
    }


def _option(name: str, info: FieldInfo) -> Callable[[F], F] | None:
    kind = click_type(info.annotation)
    if kind is None:
        return None
    shown = f"{info.description or name} [default: {_default(info)}]" if not info.is_required() else info.description
    flag = f"--{name.replace('_', '-')}"
    if kind == {"type": bool}:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=shown)
    return click.option(flag, name, default=None, help=shown, **kind)


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if value is None or value in ((), ""):
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def click_type(annotation: Any) -> dict[str, Any] | None:
    """What click needs to know of a field's type, or None when only a recipe can carry it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [kind for kind in inner if kind is not NoneType]
        return click_type(kinds[0]) if len(kinds) == 1 else None
    if origin is Literal:
        return {"type": click.Choice([str(value) for value in inner])}
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis and get_origin(inner[0]) is Literal:
        return {**(click_type(inner[0]) or {}), "multiple": True}
    if origin is tuple and inner and all(kind is float for kind in inner):
        return {"type": float, "nargs": len(inner)}
    if annotation in (bool, int, float, str):
        return {"type": annotation}
    if isinstance(annotation, type) and issubclass(annotation, str):
        return {"type": str}
    return None
