"""Which mask a structure takes, when something else than this program has found it."""

from __future__ import annotations

from pydantic import Field

from surgplan.model.labels import LONGEST_NAME
from surgplan.params import Params

MaskKey = tuple[str, str]
"""Where a mask comes from, and what it is called there."""

GIVEN = "masks"
"""Where masks come from that the case gives."""

EVERY = "*"
"""As the name of a structure with method `mask`: every mask that no other structure takes."""


class MaskParams(Params):
    """Method `mask`: taken from a file that the case gives (`masks`)."""

    name: str | None = Field(
        None, min_length=1, max_length=LONGEST_NAME, description="what it is called there, if otherwise"
    )

    def key(self, structure: str) -> MaskKey:
        """The mask that a structure of this name takes."""
        return GIVEN, self.name or structure


class NetworkParams(Params):
    """Method `network`: found by a network of the lab's own; see `surgplan models`."""

    model: str = Field(min_length=1, description="name of the model, or path of its folder")
    label: str | None = Field(
        None, min_length=1, max_length=LONGEST_NAME, description="what the model calls it, if otherwise"
    )

    def key(self, structure: str) -> MaskKey:
        """The mask that a structure of this name takes."""
        return f"network {self.model}", self.label or structure


class TotalSegmentatorParams(Params):
    """Method `totalsegmentator`: found by the program of that name, which must be installed."""

    label: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_]{1,64}$", description="TotalSegmentator's name of the class, if otherwise"
    )
    task: str = Field(
        "total", pattern=r"^[a-z0-9_]{1,40}$", description="TotalSegmentator's task, for example total_mr"
    )
    fast: bool = Field(False, description="its quick model of 3 mm voxels, coarser than its usual one")

    def key(self, structure: str) -> MaskKey:
        """The mask that a structure of this name takes."""
        return f"totalsegmentator {self.task}{' fast' if self.fast else ''}", self.label or structure
