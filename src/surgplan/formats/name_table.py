"""What the numbers of a label image, or the files of a folder, are called: tables as JSON, TOML or CSV."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from surgplan.errors import Missing, WrongUsage
from surgplan.model.labels import LONGEST_NAME, Code, Side, rgb_of
from surgplan.params import Params

LARGEST_TABLE = 1 << 20
"""Nobody names a million structures: 1 MiB is far beyond any table."""
FORMS = 'as {"1": "femur_left"}, or a list of tables with value and name'


class NamedValue(Params):
    """What one number of a label image stands for."""

    value: int = Field(ge=0, le=65535, description="the number in the image")
    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="what the structure is called")
    color: str | None = Field(None, pattern=r"^#[0-9a-fA-F]{6}$", description="its colour, as #rrggbb")
    side: Side | None = Field(None, description="the patient's side: left, right, or empty")
    code: tuple[str, str, str] | None = Field(None, description="its coded meaning: scheme, value, meaning")

    @property
    def told(self) -> dict[str, Any]:
        """Colour, side and code as a mask carries them."""
        color = rgb_of(self.color) if self.color else None
        return {"color": color, "side": self.side, "code": Code(*self.code) if self.code else None}


@dataclass(frozen=True)
class NameTable:
    """Number → structure, for label images; file name without ending → structure's name, for folders."""

    values: Mapping[int, NamedValue] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def read_name_table(path: Path) -> NameTable:
    """The table of a `.json`, `.toml` or `.csv` file; nnU-Net's `dataset.json` is understood too.

    Raises
    ------
    Missing
        There is no such file.
    WrongUsage
        It is no such table, or names a number twice.
    """
    readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".toml": tomllib.loads, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise WrongUsage(path, "is no table of names", f"one of {', '.join(readers)}", "Write it in one of these")
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise WrongUsage(path, f"holds {path.stat().st_size} bytes", f"at most {LARGEST_TABLE}", "Is it a table?")
        stored = readers[path.suffix.lower()](path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise Missing(path, "there is no such file", advice="Check the path") from None
    except OSError as error:
        raise WrongUsage(path, f"cannot be read: {error.strerror}", advice="Check the path") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise WrongUsage(path, f"is no table of names: {error}", FORMS, "Correct that place in the file") from None
    return _table(path, stored)


def _csv(text: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(text.splitlines()))
    return [{key.strip(): value.strip() for key, value in row.items() if key and value} for row in rows]


def _table(path: Path, stored: Any) -> NameTable:
    if isinstance(stored, dict):
        stored = next((stored[key] for key in ("labels", "label") if key in stored), stored)
    entries = stored if isinstance(stored, list) else [_pair(path, *item) for item in _items(path, stored)]
    values: dict[int, NamedValue] = {}
    files: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise WrongUsage(path, f"holds {str(entry)[:40]!r} where a name is expected", FORMS)
        if "file" in entry:
            files[str(entry["file"])] = str(entry.get("name", ""))
            continue
        named = NamedValue.from_table(entry, str(path))
        if named.value in values:
            raise WrongUsage(path, f"names the value {named.value} twice", advice="Keep one of the two")
        if named.value:
            values[named.value] = named
    return NameTable(values, files)


def _items(path: Path, stored: Any) -> list[tuple[str, Any]]:
    if not isinstance(stored, dict):
        raise WrongUsage(path, "is no table of names", FORMS)
    return list(stored.items())


def _pair(path: Path, key: str, value: Any) -> dict[str, Any]:
    """One line of a mapping: number → name, number → table, name → number (nnU-Net), or file → name."""
    if isinstance(value, dict):
        return {"value": key, **value}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"value": value, "name": key}
    if not isinstance(value, str):
        raise WrongUsage(path, f"`{key}` is {str(value)[:40]!r}", FORMS, "Regions of several labels are not understood")
    return {"value": key, "name": value} if key.strip().isdigit() else {"file": key, "name": value}
