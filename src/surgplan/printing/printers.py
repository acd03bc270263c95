"""Printer profiles: those that ship with the package, and the lab's own."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic import Field

from surgplan.errors import WrongUsage
from surgplan.params import Params, nearest


class Printer(Params):
    """What a printer can make; its numbers come from the source that the profile names."""

    name: str = Field(min_length=1, max_length=64, description="name that recipes use")
    description: str = Field("", description="one line: what it is")
    build_volume_mm: tuple[float, float, float] = Field(description="width, depth, height of the build volume, in mm")
    layer_mm: float = Field(gt=0, le=2, description="usual layer height, in mm")
    smallest_wall_mm: float = Field(1.0, gt=0, le=10, description="thinnest wall that it makes, in mm")
    source: str = Field("", description="where the numbers come from")


def profile_folders() -> tuple[Path, ...]:
    """Where profiles are looked up, first the lab's own."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "surgplan" / "printers", Path(__file__).parent / "profiles"


def printers() -> dict[str, Printer]:
    """All profiles by name; a lab's own hides a shipped one of the same name.

    Raises
    ------
    WrongUsage
        A profile is no TOML, has a wrong key, or an impossible value.
    """
    found: dict[str, Printer] = {}
    for folder in profile_folders():
        for path in sorted(folder.glob("*.toml")):
            if path.stem not in found:
                found[path.stem] = _read(path)
    return dict(sorted(found.items()))


def _read(path: Path) -> Printer:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(path, f"is not valid TOML: {error}", advice="Correct that place in the file") from None
    printer = Printer.from_table({"name": path.stem, **table}, str(path))
    if min(printer.build_volume_mm) <= 0:
        raise WrongUsage(path, f"`build_volume_mm` is {printer.build_volume_mm}", "lengths above 0", "Correct it")
    return printer


def find_printer(name: str) -> Printer:
    """The profile of that name; `WrongUsage` names the nearest one when there is none."""
    known = printers()
    if name not in known:
        raise WrongUsage(f"printer `{name}`", "there is no profile of that name", advice=nearest(name, list(known)))
    return known[name]
