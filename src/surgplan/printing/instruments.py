"""Planned screws and needles as bodies of the printed model: rods of their trajectories' diameter and length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from surgplan.model.labels import LONGEST_NAME, Label
from surgplan.model.points import Trajectory
from surgplan.model.surface import Surface

COLOR = (64, 120, 192)
SIDES = 64
"""Sides of the prism that stands for a rod: its surface is less than a thousandth of the diameter off."""


def instruments(trajectories: Sequence[Trajectory], first_value: int) -> tuple[Surface, ...]:
    """A rod for each trajectory that has a diameter, from its entry to its end, in the trajectory's frame, mm.

    They are called `planned NAME`, and numbered from `first_value`.
    """
    wide = [path for path in trajectories if path.diameter_mm > 0]
    return tuple(rod(path, first_value + number) for number, path in enumerate(wide))


def rod(path: Trajectory, value: int) -> Surface:
    """A closed prism around a trajectory, facing outward, whose cross-section has the area of the round rod's."""
    along = path.direction
    beside = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    beside /= np.linalg.norm(beside)
    turns = 2 * np.pi * np.arange(SIDES) / SIDES
    # a regular polygon of this radius has the area of the circle (area = n r² sin(2π/n) / 2)
    radius = path.diameter_mm / 2 * np.sqrt(2 * np.pi / (SIDES * np.sin(2 * np.pi / SIDES)))
    ring = radius * (np.outer(np.cos(turns), beside) + np.outer(np.sin(turns), np.cross(along, beside)))
    vertices = np.vstack([path.entry + ring, path.end + ring, path.entry, path.end])
    here = np.arange(SIDES)
    beyond = np.roll(here, -1)
    low, high = np.full(SIDES, 2 * SIDES), np.full(SIDES, 2 * SIDES + 1)
    sides = [(here, beyond, beyond + SIDES), (here, beyond + SIDES, here + SIDES)]
    ends = [(low, beyond, here), (high, here + SIDES, beyond + SIDES)]
    triangles = np.vstack([np.column_stack(each) for each in (*sides, *ends)]).astype(np.int32)
    label = Label(value, f"planned {path.name}"[:LONGEST_NAME].strip(), COLOR)
    return Surface(label, vertices.astype(np.float32).astype(np.float64), triangles, path.frame)
