"""Which intensities a slice shows, from black to white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.model.volume import Modality

DENSE_HU, BRIGHT_HU, AIR_HU = 700.0, 200.0, -300.0


@dataclass(frozen=True)
class Window:
    """Grey runs from `level − width / 2` (black) to `level + width / 2` (white)."""

    name: str
    level: float
    width: float
    unit: str = ""

    def grey(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Intensities as grey levels."""
        share = (values - (self.level - self.width / 2)) / self.width
        return np.asarray(np.clip(share * 255 + 0.5, 0, 255), dtype=np.uint8)

    def __str__(self) -> str:
        return f"{self.name} window (level {self.level:.0f}, width {self.width:.0f}{self.unit and ' ' + self.unit})"


# The usual windows of CT (Hofer, "CT teaching manual"); contrast-filled vessels need one between soft tissue and bone.
BONE = Window("bone", 400.0, 1800.0, "HU")
CONTRAST = Window("contrast", 200.0, 800.0, "HU")
SOFT = Window("soft tissue", 50.0, 400.0, "HU")
LUNG = Window("lung", -600.0, 1500.0, "HU")


def window_for(modality: Modality, inside: NDArray[Any], around: NDArray[Any]) -> Window:
    """The window that fits a structure.

    `inside` are intensities of its voxels, `around` those of the slices through it; in CT the structure's own decide:
    bone has a twentieth above 700 HU. Other scans have no fixed scale: almost all of the slices is shown.
    """
    if modality is not Modality.CT:
        low, high = (float(value) for value in np.percentile(around, (1, 99.5)))
        return Window("fitted", (low + high) / 2, max(high - low, 1e-6))
    if not inside.size:
        return SOFT
    if float(np.percentile(inside, 95)) >= DENSE_HU:
        return BONE
    middle = float(np.median(inside))
    if middle < AIR_HU:
        return LUNG
    return CONTRAST if middle > BRIGHT_HU else SOFT
