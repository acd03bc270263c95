"""A picture of the report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """In which part of the page a picture stands."""

    TOGETHER = "together"
    """All structures, rendered."""
    STRUCTURE = "structure"
    """One structure, rendered."""
    MAP = "map"
    """One structure, rendered, coloured by the distance to the boundary in the scan."""
    THICKNESS = "thickness"
    """One structure, rendered, coloured by the thickness of its walls."""
    PLAN = "plan"
    """Landmarks, markers and trajectories, rendered."""
    PLATE = "plate"
    """A plate of the printer, on the job sheet."""
    SLICE = "slice"
    """A slice of the scan with outlines."""


@dataclass(frozen=True)
class Picture:
    """A PNG, with its file name, what it shows (also the text for those who cannot see it), and its size in pixels."""

    name: str
    kind: Kind
    caption: str
    png: bytes
    size: tuple[int, int]
    structure: str = ""
