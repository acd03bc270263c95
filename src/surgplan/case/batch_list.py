"""Which cases a batch shall make: from paths, from a CSV or TOML list, or from what arrives in an inbox."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from surgplan.case.batch_folders import cases_in
from surgplan.case.toml_files import read_toml
from surgplan.errors import BadInput, Missing, WrongUsage
from surgplan.formats.images import is_image_file
from surgplan.formats.limits import read_whole
from surgplan.model.labels import file_stem
from surgplan.params import Params, nearest

LARGEST_LIST = 16 << 20
"""A list of 100,000 cases has about 10 MB."""
COLUMNS = ("case", "source", "recipe")
ARCHIVES = (".zip",)


@dataclass(frozen=True)
class BatchCase:
    """One case of a batch: its name, which is also its folder's, its scan or case file, and what is special to it."""

    name: str
    source: Path
    recipe: str | None = None
    settings: tuple[str, ...] = ()

    @property
    def folder_name(self) -> str:
        """The name of its folder and of its log."""
        return file_stem(self.name)


class Entry(Params):
    """One `[[case]]` of a TOML list, or one row of a CSV list."""

    source: str = Field(min_length=1, description="the scan or case file, relative to the list")
    case: str = Field("", max_length=64, description="name of the case, never a patient's")
    recipe: str | None = Field(None, description="name or path of the recipe")
    set: dict[str, Any] = Field({}, description="values that override the recipe's: table.key = value")


def gather(targets: Sequence[str], listed: Path | None, named_by_folder: bool = False) -> tuple[BatchCase, ...]:
    """The cases that a command line names: scans, case files, folders or globs of either, and those of a list.

    Folder names of scans often carry patients' names, so cases get a name made from the hash of their path, unless
    `named_by_folder` says that these names are none.

    Raises
    ------
    Missing
        A path or glob leads to nothing.
    WrongUsage
        The list is broken, or two cases have one name.
    """
    paths = [path for target in targets for found in _matching(target) for path in cases_in(found)]
    cases = [case_of(path, named_by_folder) for path in paths]
    if listed is not None:
        cases += read_list(listed, named_by_folder)
    _refuse_twins(cases)
    return tuple(cases)


def _matching(target: str) -> Iterator[Path]:
    path = Path(target)
    if path.exists():
        yield path
        return
    found = sorted(glob.glob(target, recursive=True)) if glob.has_magic(target) else []  # noqa: PTH207 (an absolute pattern too)
    if not found:
        raise Missing(target, "there is no such file or folder", advice="Check the path")
    yield from map(Path, found)


def case_of(path: Path, named_by_folder: bool) -> BatchCase:
    """The case that a scan or a case file makes."""
    if path.suffix == ".toml":
        stored = read_toml(path)
        name, recipe = (stored.get(key) for key in ("case", "recipe"))
        named = name if isinstance(name, str) and name else file_stem(path.resolve().parent.name)
        return BatchCase(named, path, recipe if isinstance(recipe, str) else None)
    return BatchCase(path.name.partition(".")[0] if named_by_folder else _anonymous(path), path)


def _anonymous(path: Path) -> str:
    """A name that stays the same as long as the scan stays where it is."""
    return f"case-{hashlib.sha256(str(path.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()[:10]}"


def read_list(path: Path, named_by_folder: bool = False) -> tuple[BatchCase, ...]:
    """The cases of a CSV list with a heading, or of a TOML list of `[[case]]` tables.

    CSV columns: `source`, and if wanted `case`, `recipe`, and `table.key` for any value of the recipe; empty cells
    count as not given. Paths are relative to the list.
    """
    entries = _toml_entries(path) if path.suffix == ".toml" else _csv_entries(path)
    return tuple(_listed(path, entry, named_by_folder) for entry in entries)


def _toml_entries(path: Path) -> list[Entry]:
    tables = read_toml(path)
    cases = tables.pop("case", None)
    if not isinstance(cases, list) or not cases:
        raise WrongUsage(path, "has no `[[case]]` tables", advice="Give each case one, with at least its `source`")
    if tables:
        raise WrongUsage(path, f"unknown key `{next(iter(tables))}`", advice="A list holds `[[case]]` tables only")
    return [Entry.from_table(_as_table(path, each), f"{path.name}, case {n}") for n, each in enumerate(cases, 1)]


def _as_table(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongUsage(path, f"`case` holds {value!r}", "a table", "Write each case as a `[[case]]` table")
    return value


def _csv_entries(path: Path) -> list[Entry]:
    try:
        text = read_whole(path, LARGEST_LIST).decode("utf-8-sig")
    except FileNotFoundError:
        raise Missing(path, "there is no such file", advice="Check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(path, f"cannot be read: {error}", "a CSV file in UTF-8", "Check the file") from None
    try:
        rows = list(csv.DictReader(io.StringIO(text), dialect=_dialect(text), strict=True))
    except csv.Error as error:
        raise BadInput(path, f"is not valid CSV: {error}", advice="Check the quotes in the file") from None
    if not rows:
        raise WrongUsage(path, "lists no cases", advice="Write a heading and one line for each case")
    return [_csv_entry(path, number, row) for number, row in enumerate(rows, 2)]


def _dialect(text: str) -> type[csv.Dialect]:
    """Commas, or the semicolons that spreadsheets write in many countries."""
    heading = text.partition("\n")[0]
    dialect: type[csv.Dialect] = type("dialect", (csv.excel,), {"delimiter": ";" if ";" in heading else ","})
    return dialect


def _csv_entry(path: Path, number: int, row: dict[Any, Any]) -> Entry:
    where = f"{path.name}, line {number}"
    if None in row or None in row.values():
        raise WrongUsage(where, "has another number of cells than the heading", advice="Check commas and quotes")
    told = {key.strip(): value.strip() for key, value in row.items() if value.strip()}
    for key in told:
        if key not in COLUMNS and "." not in key:
            advice = f"{nearest(key, list(COLUMNS))} A value of the recipe is named `table.key`"
            raise WrongUsage(f"{path.name}, heading", f"unknown column `{key}`", advice=advice)
    table: dict[str, Any] = {key: told[key] for key in COLUMNS if key in told}
    return Entry.from_table({**table, "set": {key: told[key] for key in told if key not in COLUMNS}}, where)


def _listed(path: Path, entry: Entry, named_by_folder: bool) -> BatchCase:
    source = path.parent / entry.source
    found = case_of(source, named_by_folder) if source.exists() else BatchCase(_anonymous(source), source)
    settings = tuple(f"{key}={value if isinstance(value, str) else _toml(value)}" for key, value in entry.set.items())
    return BatchCase(entry.case or found.name, source, entry.recipe or found.recipe, settings)


def _toml(value: Any) -> str:
    import tomli_w

    return tomli_w.dumps({"value": value}).removeprefix("value = ").strip()


def _refuse_twins(cases: Iterable[BatchCase]) -> None:
    """Two cases in one folder would overwrite each other; on some disks `A` and `a` are one folder."""
    seen: dict[str, BatchCase] = {}
    for case in cases:
        other = seen.setdefault(case.folder_name.casefold(), case)
        if other is not case:
            found = f"two cases are named `{case.name}`" if other.name == case.name else "two names share a folder"
            raise WrongUsage(case.source, found, advice="Give each its own name in a list, column `case`")


def scans_in(inbox: Path) -> tuple[Path, ...]:
    """What lies directly in an inbox: folders, archives and image files; hidden ones do not count."""
    found = []
    for path in sorted(inbox.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() or path.suffix.lower() in ARCHIVES or is_image_file(path):
            found.append(path)
    return tuple(found)


def stamp(source: Path) -> str:
    """Sizes and times of a scan's files: what changes while it is still being copied."""
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    whole = hashlib.sha256()
    for path in files:
        try:
            told = path.stat()
        except FileNotFoundError:
            continue  # it was renamed while we looked: the next look differs
        whole.update(f"{path}\0{told.st_size}\0{told.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest() if files else ""
