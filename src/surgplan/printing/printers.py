"""Printer profiles: those that ship with the package, and the lab's own."""

from __future__ import annotations

import os
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from surgplan.errors import BadInput, WrongUsage
from surgplan.params import Params, nearest

LARGEST_BUILD_MM = 10_000.0
NO_SOURCE = "default of surgplan, not a figure of this printer"

DEFAULT = "generic-fdm"
"""The printer where nobody chose one."""


class Technology(StrEnum):
    """How a printer makes its layers, which decides what it can hold up and what it traps."""

    FILAMENT = "filament"
    RESIN = "resin"
    POWDER = "powder"
    JETTING = "jetting"


class Printer(Params):
    """What a printer can make, of one material; `sources` names for each number where it comes from."""

    name: str = Field(min_length=1, max_length=64, description="name that recipes use")
    description: str = Field("", description="one line: what it is")
    technology: Technology = Field(Technology.FILAMENT, description="filament, resin, powder or jetting")
    build_volume_mm: tuple[float, float, float] = Field(description="width, depth, height of the build volume, in mm")
    layer_mm: float = Field(gt=0, le=2, description="usual layer height, in mm")
    xy_resolution_mm: float = Field(0.05, gt=0, le=2, description="step within a layer, in mm")
    smallest_wall_mm: float = Field(1.0, gt=0, le=10, description="thinnest wall that it makes, in mm")
    smallest_feature_mm: float = Field(1.0, gt=0, le=10, description="thinnest pin or body that it makes, in mm")
    clearance_mm: float = Field(0.5, gt=0, le=10, description="gap below which two parts fuse, in mm")
    spacing_mm: float = Field(5.0, gt=0, le=100, description="room between parts that share a plate, in mm")
    drain_hole_mm: float | None = Field(None, gt=0, le=50, description="hole that empties a cavity, in mm")
    overhang_deg: float | None = Field(
        None, gt=0, lt=90, description="lean from the vertical that prints without support, in degrees"
    )
    bridge_mm: float | None = Field(None, gt=0, le=200, description="span that prints without support, in mm")
    xy_compensation_mm: float = Field(
        0.0, ge=-1, le=1, description="what the slicer program adds to outlines, on each side, in mm"
    )
    density_g_cm3: float = Field(1.2, gt=0.1, lt=25, description="density of the printed material, in g/cm³")
    shell_mm: float | None = Field(None, gt=0, le=50, description="solid shell, in mm; without one, parts are solid")
    infill_share: float = Field(1.0, gt=0, le=1, description="share of material within the shell")
    support_share: float = Field(0.0, ge=0, le=1, description="share of material in the room that is supported")
    seconds_per_layer: float = Field(0.0, ge=0, le=3600, description="what each layer takes besides, in s")
    deposit_mm3_s: float | None = Field(None, gt=0, le=1e6, description="material laid down, in mm³/s")
    cost_per_kg: float | None = Field(None, ge=0, le=1e6, description="price of a kilogram of material")
    cost_per_hour: float | None = Field(None, ge=0, le=1e6, description="price of an hour of the machine")
    currency: str = Field("USD", min_length=1, max_length=8, description="of the prices")
    source: str = Field("", description="where the numbers come from that `sources` does not name")
    sources: dict[str, str] = Field(default_factory=dict, description="number → where it comes from")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        smallest = min(self.build_volume_mm)
        if smallest <= 0 or max(self.build_volume_mm) > LARGEST_BUILD_MM:
            raise ValueError(f"build_volume_mm is {list(self.build_volume_mm)}; lengths lie above 0, up to 10 m")
        if self.layer_mm >= self.build_volume_mm[2]:
            raise ValueError(f"layer_mm is {self.layer_mm:g}, not below the height of {self.build_volume_mm[2]:g} mm")
        for key in ("smallest_wall_mm", "smallest_feature_mm", "clearance_mm", "spacing_mm", "drain_hole_mm"):
            length = getattr(self, key)
            if length is not None and length >= smallest:
                raise ValueError(f"{key} is {length:g}, not below the build volume's {smallest:g} mm")
        unknown = sorted(set(self.sources) - set(type(self).model_fields))
        if unknown:
            raise ValueError(f"sources names `{unknown[0]}`, which is no number of a profile")
        return self

    def source_of(self, key: str) -> str:
        """Where a number comes from."""
        if key not in self.model_fields_set:
            return NO_SOURCE
        return self.sources.get(key) or self.source

    @property
    def stacks(self) -> bool:
        """Whether parts may lie above each other: in a powder bed nothing has to be held up."""
        return self.technology is Technology.POWDER


def profile_folders() -> tuple[Path, ...]:
    """Where profiles are looked up, first the lab's own."""
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "surgplan" / "printers", Path(__file__).parent / "profiles"


def profile_paths() -> dict[str, Path]:
    """Name → file of every profile; a lab's own hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in profile_folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def printers() -> dict[str, Printer]:
    """All profiles by name.

    Raises
    ------
    BadInput
        A profile is no TOML, has a wrong key, or an impossible value.
    """
    return {name: _read(path) for name, path in profile_paths().items()}


def _read(path: Path) -> Printer:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(path, f"is not valid TOML: {error}", advice="Correct that place in the file") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}", advice="Check the file") from None
    try:
        return Printer.from_table({"name": path.stem, **table}, str(path))
    except WrongUsage as error:  # a profile is a file like any other: what is wrong in it is bad input
        raise BadInput(path, error.found, error.expected, error.advice or "Correct it in the profile") from None


def find_printer(name: str) -> Printer:
    """The profile of that name; `DEFAULT` without one.

    Raises
    ------
    WrongUsage
        There is none; the nearest name is told.
    BadInput
        There is something wrong in it.
    """
    name = name or DEFAULT
    known = profile_paths()
    if name not in known:
        raise WrongUsage(f"printer `{name}`", "there is no profile of that name", advice=nearest(name, list(known)))
    return _read(known[name])
