"""Recipe: what to do with a scan; one table of parameters for each stage."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from surgplan.case.toml_files import merged, read_toml
from surgplan.errors import Missing, WrongUsage
from surgplan.ingest.stage import IngestParams
from surgplan.navigation.register import RegisterParams
from surgplan.navigation.stage import NavigationParams
from surgplan.params import Params, nearest
from surgplan.printing.stage import PrintParams
from surgplan.report.stage import ReportParams
from surgplan.segment.networks.params import NetworkLimits
from surgplan.segment.stage import SegmentParams, StructureParams
from surgplan.surface.stage import SurfaceParams

DEEPEST_EXTENSION = 8
"""How many recipes may extend one another."""


class Recipe(Params):
    """What to do with a scan, from reading it to the report."""

    description: str = Field("", description="one line: what the recipe is for")
    ingest: IngestParams = Field(default_factory=IngestParams, description="reading the scan")
    structure: tuple[StructureParams, ...] = Field(min_length=1, description="what to segment")
    networks: NetworkLimits = Field(default_factory=NetworkLimits, description="what networks may use of the machine")
    surface: SurfaceParams = Field(default_factory=SurfaceParams, description="from labels to surfaces")
    print: PrintParams = Field(default_factory=PrintParams, description="preparing for the printer")
    navigation: NavigationParams = Field(default_factory=NavigationParams, description="landmarks and frames")
    registration: RegisterParams = Field(default_factory=RegisterParams, description="registration and its limits")
    report: ReportParams = Field(default_factory=ReportParams, description="pictures and page")

    @field_validator("structure")
    @classmethod
    def _names_differ(cls, structures: tuple[StructureParams, ...]) -> tuple[StructureParams, ...]:
        names = [structure.name for structure in structures]
        if len(set(names)) != len(names):
            raise ValueError(f"two structures are named {max(names, key=names.count)!r}")
        return structures

    @property
    def segment(self) -> SegmentParams:
        """The parameters of the segmentation stage."""
        return SegmentParams(structures=self.structure)


def recipe_folders() -> tuple[Path, ...]:
    """Where recipes are looked up, first the lab's own: `$SURGPLAN_RECIPES`, the user's configuration, the package."""
    folders = [Path(entry) for entry in os.environ.get("SURGPLAN_RECIPES", "").split(os.pathsep) if entry]
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    folders.append(Path(config) / "surgplan" / "recipes")
    return (*(folder for folder in folders if folder.is_dir()), *_shipped_folders())


def _shipped_folders() -> tuple[Path, ...]:
    """Where the package's own recipes are: in it, or beside it in a checkout that is installed for development."""
    package = Path(__file__).resolve().parents[1]
    return tuple(each for each in (package / "pipelines", package.parents[1] / "pipelines") if each.is_dir())


def shipped(name: str) -> Path:
    """A file of the package's `pipelines/`.

    Raises
    ------
    Missing
        The installation is not whole.
    """
    for folder in _shipped_folders():
        if (folder / name).is_file():
            return folder / name
    raise Missing(name, "is not in this installation", advice="Install surgplan again")


def recipe_paths() -> dict[str, Path]:
    """Name → file of every recipe that can be named; a lab's own hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in recipe_folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def find_recipe(name: str, beside: Path | None = None) -> Path:
    """The file of a recipe given by name or by path; a relative path also counts from the folder `beside`.

    Raises
    ------
    WrongUsage
        There is none; the nearest name is told.
    """
    if name.endswith(".toml") or os.sep in name:
        places = [Path(name)] + ([beside / name] if beside else [])
        for place in places:
            if place.is_file():
                return place
        raise WrongUsage(name, "there is no such recipe file", advice="Check the path, or see `surgplan recipes`")
    known = recipe_paths()
    if name not in known:
        advice = nearest(name, list(known)) if known else "Pass the path of a recipe file"
        raise WrongUsage(f"recipe `{name}`", "there is none of that name", advice=advice)
    return known[name]


def recipe_named_in(holder: Path, word: str, name: str) -> Path:
    """The file of a recipe that another file names; when there is none, the error is about the file that names it."""
    try:
        return find_recipe(name, holder.parent)
    except WrongUsage as error:
        raise WrongUsage(holder, f"{word} {error.subject}: {error.found}", advice=error.advice) from None


def recipe_chain(path: Path) -> tuple[Path, ...]:
    """The recipe's file, then that of the recipe which it `extends`, and so on.

    Raises
    ------
    WrongUsage
        There is no such recipe, or they extend one another in a circle.
    """
    chain = [path]
    while (base := read_toml(chain[-1]).get("extends")) is not None:
        if len(chain) > DEEPEST_EXTENSION or not isinstance(base, str):
            found = f"`extends = {base!r}` goes round in circles or is no name"
            raise WrongUsage(chain[-1], found, advice="Name one recipe")
        chain.append(recipe_named_in(chain[-1], "extends", base))
    return tuple(chain)


def recipe_tables(path: Path) -> dict[str, Any]:
    """A recipe's tables, on top of those of the recipe that it `extends`."""
    tables: dict[str, Any] = {}
    for each in reversed(recipe_chain(path)):
        own = read_toml(each)
        own.pop("extends", None)
        tables = merged(tables, own)
    return tables


def load_recipe(tables: dict[str, Any], where: str, overrides: Iterable[tuple[str, dict[str, Any]]] = ()) -> Recipe:
    """The recipe of these tables with overrides laid over them, later ones last.

    Each override carries what it is called (`case.toml`, `--set`), which an error about one of its keys names.
    """
    laid = tables
    blame = where
    for source, over in overrides:
        _refuse_unknown_structure(laid, over, source)
        laid = merged(laid, over)
        blame = source if over else blame
        Recipe.from_table(laid, source)
    return Recipe.from_table(laid, blame)


def _refuse_unknown_structure(tables: dict[str, Any], over: dict[str, Any], source: str) -> None:
    """`--set structure.skul.…` must not add a structure: only a case file may."""
    if not source.startswith("--set"):
        return
    names = [entry.get("name") for entry in tables.get("structure", [])]
    for entry in over.get("structure", []):
        if entry["name"] not in names:
            raise WrongUsage(source, f"no structure is named `{entry['name']}`", advice=nearest(entry["name"], names))
