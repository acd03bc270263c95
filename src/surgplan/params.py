"""What all parameters have in common: the base of each stage's `Params`.

A stage's `Params` is the single place where a parameter has its name, unit, range, default and one-line help.
Recipe tables, command-line options, `--help`, the JSON Schema and `docs/recipes.md` are made from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Self

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
    def from_table(cls, table: Mapping[str, Any], where: str) -> Self:
        """Parameters from a TOML table; `where` names file and table for the error message.

        Raises
        ------
        WrongUsage
            An unknown key (the nearest right one is named) or a value of the wrong type or range.
        """
        try:
            return cls.model_validate(dict(table))
        except ValidationError as error:
            raise _explain(cls, error, where) from None


def _explain(model: type[BaseModel], error: ValidationError, where: str) -> WrongUsage:
    errors = error.errors(include_url=False)
    # a key that is spelled wrong is told before the key that is missing because of it
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in model.model_fields.items()]
        return WrongUsage(where, f"unknown key `{path}`", advice=nearest(str(first["loc"][-1]), known))
    if first["type"] == "missing":
        return WrongUsage(where, f"key `{path}` is missing", advice=f"Add `{path} = …`")
    given = "" if first["type"] == "value_error" else f" is {first.get('input')!r}"
    reason = first["msg"].removeprefix("Value error, ")
    field = model.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    meaning = f"`{path}` is: {field.description}" if field and field.description else ""
    return WrongUsage(where, f"`{path}`{given}: {reason[0].lower() + reason[1:]}", advice=meaning)
