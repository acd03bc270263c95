"""Where a rendered view is seen from, and where a point of the patient then lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from surgplan.model.frames import Array

SHARE_WIDE, SHARE_TALL = 0.86, 0.82
"""How much of the picture the structures may take: letters and scale bar stay free."""


@dataclass(frozen=True)
class View:
    """A direction to look from: `eye` and `up` are axes of LPS, letters lie at the left, right, top, bottom edge."""

    name: str
    words: str
    eye: tuple[int, int, int]
    up: tuple[int, int, int]

    @property
    def right(self) -> Array:
        """(3,) what lies to the right of the picture, LPS."""
        return np.asarray(np.cross(self.up, self.eye), dtype=np.float64)

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """The patient's side at the left, right, top and bottom edge of the picture."""
        right, up = self.right, np.array(self.up)
        return side_letter(-right), side_letter(right), side_letter(up), side_letter(-up)


def side_letter(direction: ArrayLike) -> str:
    """The letter of the patient's side towards which a direction, (3,) LPS, mainly points."""
    towards = np.asarray(direction, dtype=np.float64)
    axis = int(np.abs(towards).argmax())
    return ("RL", "AP", "IS")[axis][int(towards[axis] > 0)]


VIEWS = {
    view.name: view
    for view in (
        View("front", "from the front", (0, -1, 0), (0, 0, 1)),
        View("left", "from the patient's left", (1, 0, 0), (0, 0, 1)),
        View("right", "from the patient's right", (-1, 0, 0), (0, 0, 1)),
        View("above", "from above", (0, 0, 1), (0, -1, 0)),
    )
}


@dataclass(frozen=True)
class Camera:
    """A parallel projection that shows a whole box.

    Parameters
    ----------
    view:
        From where.
    middle:
        (3,) LPS mm, in the middle of the picture.
    mm_per_pixel:
        Scale; the same everywhere in the picture.
    size:
        Width and height in pixels.
    """

    view: View
    middle: Array
    mm_per_pixel: float
    size: tuple[int, int]

    @classmethod
    def framing(cls, view: View, bounds: ArrayLike, size: tuple[int, int]) -> Camera:
        """The camera that sees the whole of `bounds`, (2, 3) LPS mm."""
        low, high = np.asarray(bounds, dtype=np.float64)
        lengths = np.maximum(high - low, 1e-3)
        wide, tall = float(np.abs(view.right) @ lengths), float(np.abs(view.up) @ lengths)
        scale = max(wide / (SHARE_WIDE * size[0]), tall / (SHARE_TALL * size[1]))
        return cls(view, (low + high) / 2, scale, size)

    def project(self, points: ArrayLike) -> Array:
        """(n, 2) pixels, from the left and from the top, where points, (n, 3) LPS mm, lie in the picture."""
        away = np.atleast_2d(np.asarray(points, dtype=np.float64)) - self.middle
        across = self.size[0] / 2 + away @ self.view.right / self.mm_per_pixel
        down = self.size[1] / 2 - away @ np.array(self.view.up, dtype=np.float64) / self.mm_per_pixel
        return np.stack([across, down], axis=1)
