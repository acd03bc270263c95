"""Arrangements of fiducials and targets that tests of registration share, mm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from surgplan.model.frames import LPS, Frame, Transform
from surgplan.model.points import Landmark, PointSet

Array = NDArray[np.float64]

TRACKER = Frame("tracker")

SQUARE = np.array([[50, 50, 0], [50, -50, 0], [-50, 50, 0], [-50, -50, 0]], float)
HEAD = np.array([[8, -70, 62], [60, -45, 40], [-50, -60, 45], [70, 30, 35], [-65, 45, 30], [-10, 50, 80]], float)
THREE = np.array([[0, 0, 0], [100, 0, 0], [20, 80, 0]], float)
LONG = np.array([[0, 0, 0], [100, 8, 0], [200, 0, 10], [300, -6, -5], [150, 20, 0]], float)

LAYOUTS = {
    "square": (SQUARE, np.array([[0, 0, 0], [0, 0, 100], [80, 10, -30]], float)),
    "head": (HEAD, np.array([[28, 18, 24], [0, -80, -40]], float)),
    "three": (THREE, np.array([[40, 30, -50], [100, 100, 0]], float)),
    "long": (LONG, np.array([[40, 30, -50], [150, 5, 1]], float)),
}


def truth(seed: int = 3) -> Transform:
    """A turn of any size and a shift, from the tracker to LPS."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    matrix[:3, 3] = [120.0, -40.0, 310.0]
    return Transform(LPS, TRACKER, matrix)


def named(positions: Array, frame: Frame = LPS) -> PointSet:
    return PointSet([Landmark("ABCDEFGHIJKLMNOPQRST"[n], row, frame) for n, row in enumerate(positions)], frame)


def seen(fixed: Array, noise_mm: float = 0.3, seed: int = 0) -> PointSet:
    """Fixed points as the tracker sees them, with an error of so much along each axis."""
    rng = np.random.default_rng(seed)
    return named(truth().inverse().apply(fixed) + rng.normal(0, noise_mm, fixed.shape), TRACKER)
