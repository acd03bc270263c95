"""What all parameters have in common: the base of each stage's `Params`.

A stage's `Params` is the single place where a parameter has its name, unit, range, default and one-line help.
Recipe tables, command-line options, `--help`, the JSON Schema and `docs/recipes.md` are made from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
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
    loc = first["loc"]
    inner, keys = _followed(model, loc[:-1])
    path = ".".join([*keys, str(loc[-1])] if loc else [])
    if first["type"] == "extra_forbidden":
        known = [*inner.model_fields, *(also if inner is model else ())]
        return WrongUsage(where, f"unknown key `{path}`", advice=nearest(str(loc[-1]), known))
    if first["type"] == "missing":
        return WrongUsage(where, f"key `{path}` is missing", advice=f"Add `{path} = …`")
    if first["type"].startswith("union_tag"):
        return _explain_tag(first, where, path)
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    field = inner.model_fields.get(str(loc[-1])) if loc else None
    if field is None and first["type"] == "value_error":
        place = path if loc and isinstance(loc[-1], int) else ".".join(keys)
        return WrongUsage(where, f"`{place}`: {reason}" if place else reason)
    given = "" if first["type"] == "value_error" else f" is {first.get('input')!r}"
    meaning = f"`{path}` is: {field.description}" if field and field.description else ""
    return WrongUsage(where, f"`{path}`{given}: {reason}", advice=meaning)


def _explain_tag(first: Any, where: str, path: str) -> WrongUsage:
    """A table in a list of several kinds, whose kind is not known or not told."""
    context = first["ctx"]
    key = context["discriminator"].strip("'")
    if first["type"] == "union_tag_not_found":
        return WrongUsage(where, f"key `{path}.{key}` is missing", advice=f"Add `{key} = …`")
    known = [tag.strip("' ") for tag in context["expected_tags"].split(",")]
    return WrongUsage(where, f"`{path}.{key}` is {context['tag']!r}", advice=nearest(context["tag"], known))


def _followed(model: type[BaseModel], path: Sequence[int | str]) -> tuple[type[BaseModel], list[str]]:
    """The model of the table that a path of keys leads to, as far as it leads to one, and the keys as they are written.

    Where a list holds tables of several kinds, the path names the kind, which is no key.
    """
    kinds: list[type[BaseModel]] = []
    keys = []
    for key in path:
        chosen = [kind for kind in kinds if key in _tags(kind)]
        if len(kinds) > 1 and chosen:
            model, kinds = chosen[0], []
            continue
        keys.append(str(key))
        field = model.model_fields.get(str(key))
        if field is not None:
            kinds = list(_inner_models(field.annotation))
            model = kinds[0] if kinds else model
    return model, keys


def _tags(model: type[BaseModel]) -> set[Any]:
    return {value for field in model.model_fields.values() for value in get_args(field.annotation)}


def _inner_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner_models(part)
