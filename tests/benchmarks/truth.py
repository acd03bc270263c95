"""A case held against the truth of its example."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def compare(case: Path, truth: Path) -> dict[str, Any]:
    """For each structure its volume, for the fiducial markers their largest error."""
    raise NotImplementedError
