"""TOML tables: read with errors that name file and line, overridden, and written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from surgplan.errors import Missing, WrongUsage
from surgplan.formats.limits import read_whole

LARGEST_TOML = 1 << 20
"""Recipes and case files are written by people: 1 MiB is far beyond any of them."""

DEEPEST = 100
DEEP = re.compile(rf"(?<![\w'\"-])(?:[\w'\"-]++[ \t]*+\.[ \t]*+){{{DEEPEST}}}")
"""A name of very many parts: the parser's time grows with their square, a minute and more in a file of this size."""


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a recipe or case file.

    Raises
    ------
    Missing
        There is no such file.
    WrongUsage
        It is not TOML.
    BadInput
        It is no file, or larger than `LARGEST_TOML`.
    """
    try:
        text = read_whole(path, LARGEST_TOML).decode("utf-8")
        if DEEP.search(text):
            raise WrongUsage(path, f"names a table of more than {DEEPEST} parts", advice="This is not a recipe")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise Missing(path, "there is no such file", advice="Check the path") from None
    except IsADirectoryError:
        raise WrongUsage(path, "is a folder", "a TOML file", "Name the file in it") from None
    except UnicodeDecodeError:
        raise WrongUsage(path, "is not text in UTF-8", "a TOML file", "Check that it is the right file") from None
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, tables thousands deep
        raise WrongUsage(path, f"is not valid TOML: {error}", advice="Correct that place in the file") from None
    except PermissionError:
        raise WrongUsage(path, "cannot be read: permission denied", advice="Ask for read access") from None


def write_toml(tables: Mapping[str, Any]) -> str:
    """The tables as TOML text; keys without a value (None) are left out."""
    import tomli_w

    return tomli_w.dumps(_without_nothing(tables))


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_without_nothing(inner) for inner in value]
    return value


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` replaced: tables key by key, `structure` lists entry by entry by name."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            result[key] = merged(old, value)
        elif key == "structure" and isinstance(value, list) and isinstance(old, list):
            result[key] = _merged_by_name(old, value)
        else:
            result[key] = value
    return result


def _merged_by_name(base: list[Any], over: list[Any]) -> list[Any]:
    result = list(base)
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in base]
    for entry in over:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if name is not None and name in names:
            place = names.index(name)
            result[place] = merged(result[place], entry)
        else:
            result.append(entry)
    return result


def parse_setting(text: str) -> dict[str, Any]:
    """`surface.tolerance_mm=0.1` as `{"surface": {"tolerance_mm": 0.1}}`.

    Structures are named: `structure.skull.threshold_hu=[300, 3071]`. The value is TOML; what is not is taken as text.
    """
    path, equals, raw = text.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys) or len(keys) < 2:
        raise WrongUsage("--set", f"`{text}`", "`table.key=value`", "For example --set surface.tolerance_mm=0.1")
    value = parse_value(raw.strip())
    if keys[0] == "structure":
        if len(keys) != 3:
            raise WrongUsage(
                "--set", f"`{text}`", "`structure.NAME.key=value`", "For example --set structure.skull.keep_largest=1"
            )
        return {"structure": [{"name": keys[1], keys[2]: value}]}
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def parse_value(raw: str) -> Any:
    """A TOML value, or the text itself where it is none."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError, KeyError):
        return raw
