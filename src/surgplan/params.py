"""What all parameters have in common: the base of each stage's `Params`.

A stage's `Params` is the single place where a parameter has its name, unit, range, default and one-line help.
Recipe tables, command-line options, `--help`, the JSON Schema and `docs/recipes.md` are made from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from surgplan.errors import WrongUsage


def nearest(word: str, known: list[str]) -> str:
    """Advice that names the known word most like the one given, or lists all of them."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Known here: {', '.join(sorted(known))}"


class Params(BaseModel):
    """Frozen, strict about unknown keys, and able to explain what is wrong with a table."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str, also: Sequence[str] = ()) -> Self:
        """Parameters from a TOML table; `where` names file and table for the error message.

        `also` are keys that the file may have, but that others read: they are named to who misspells one.

        Raises
        ------
        WrongUsage
            An unknown key (the nearest right one is named) or a value of the wrong type or range.
        """
        try:
            return cls.model_validate(dict(table))
        except ValidationError as error:
            raise _explain(cls, error, where, also) from None


def _explain(model: type[BaseModel], error: ValidationError, where: str, also: Sequence[str]) -> WrongUsage:
    # a misspelt key is told before the one that is missing because of it
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        inner = _model_at(model, first["loc"][:-1])
        known = [*inner.model_fields, *(also if inner is model else ())]
        return WrongUsage(where, f"unknown key `{path}`", advice=nearest(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return WrongUsage(where, f"key `{path}` is missing", advice=f"Add `{path} = …`")
    given = "" if first["type"] == "value_error" else f" is {first.get('input')!r}"
    reason = first["msg"].removeprefix("Value error, ")
    parts = [part for part in first["loc"] if isinstance(part, str)]
    field = _model_at(model, first["loc"][:-1]).model_fields.get(parts[-1]) if parts else None
    meaning = f"`{path}` is: {field.description}" if field and field.description else ""
    return WrongUsage(where, f"`{path}`{given}: {reason[0].lower() + reason[1:]}", advice=meaning)


def _model_at(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model of the table that a path of keys leads to, as far as it leads to one."""
    for key in path:
        field = model.model_fields.get(str(key))
        inner = _inner_model(field.annotation) if field is not None else None
        model = inner or model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_inner_model(part) for part in get_args(annotation))
    return next((inner for inner in found if inner is not None), None)
