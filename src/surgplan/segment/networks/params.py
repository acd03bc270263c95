"""What networks may use of the machine."""

from __future__ import annotations

from pydantic import Field

from surgplan.params import Params


class NetworkLimits(Params):
    """Networks of the lab's own, and TotalSegmentator: what they may use of the machine."""

    threads: int = Field(2, ge=1, le=256, description="processor threads; the same number gives the same mask")
    memory_gb: float | None = Field(
        None, gt=0, description="most memory that a network may take, in GiB; without it, what is free on the machine"
    )
    hours: float = Field(2.0, gt=0, le=48, description="most time that TotalSegmentator may take, in hours")
