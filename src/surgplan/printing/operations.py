"""The operations that a recipe's list `[[print.prepare]]` may hold: one table of parameters for each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from surgplan.params import Params


class Hollow(Params):
    """Hollow out what is thicker than twice the wall, with holes through which powder or resin leaves."""

    do: Literal["hollow"]
    wall_mm: float = Field(2.0, gt=0, le=50, description="thickness of the wall that stays, in mm on the print")


Operation = Hollow
