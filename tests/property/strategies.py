"""What property tests draw from: rotations, transforms, grids, names, points."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgplan.model.frames import IJK, LPS, PRINT, RAS, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Grid

Array = NDArray[np.float64]

lengths_mm = st.floats(-1500, 1500, allow_nan=False, width=64)
positions = st.tuples(lengths_mm, lengths_mm, lengths_mm).map(np.array)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=40
).filter(lambda name: bool(name.strip()) and name.isprintable())
frames = st.sampled_from([LPS, RAS, IJK, PRINT]) | st.builds(Frame, names, names | st.just(""))

AXIS_TURNS: list[Array] = [
    np.array([signs[axis] * np.eye(3)[order[axis]] for axis in range(3)]).T
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]
"""All 48 ways in which the axes of an image can lie along those of the patient; half of them are left-handed."""


@st.composite
def rotations(draw: Any) -> Array:
    """(3, 3) rotations, from unit quaternions."""
    w, x, y, z = draw(st.tuples(*[st.floats(-1, 1) for _ in range(4)]).filter(lambda q: sum(v * v for v in q) > 1e-2))
    w, x, y, z = np.array([w, x, y, z]) / np.sqrt(w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def rigid_transforms(draw: Any, fixed: Frame = RAS, moving: Frame = LPS) -> Transform:
    """A turn and a shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = draw(rotations())
    matrix[:3, 3] = draw(positions)
    return Transform(fixed, moving, matrix)


@st.composite
def affine_transforms(draw: Any, fixed: Frame = PRINT, moving: Frame = LPS) -> Transform:
    """A turn, a scale of its own along each axis, another turn, a shift: what grids and prints need, and more."""
    scales = draw(st.tuples(*[st.floats(0.1, 10)] * 3))
    matrix = np.eye(4)
    matrix[:3, :3] = draw(rotations()) @ np.diag(scales) @ draw(rotations())
    matrix[:3, 3] = draw(positions)
    return Transform(fixed, moving, matrix)


@st.composite
def grids(draw: Any) -> Grid:
    """Small grids in any right-handed direction, oblique ones too."""
    size = draw(st.tuples(*[st.integers(1, 5)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.1, 6)] * 3))
    straight = st.sampled_from([turn for turn in AXIS_TURNS if np.linalg.det(turn) > 0])
    return Grid(size, spacing, draw(positions), draw(straight | rotations()))


@st.composite
def point_sets(draw: Any, frame: Frame = LPS) -> PointSet:
    """Up to eight points of different names."""
    given = draw(
        st.lists(st.tuples(names, positions, st.text(max_size=60)), max_size=8, unique_by=lambda each: each[0])
    )
    return PointSet([Landmark(name, place, frame, text) for name, place, text in given], frame)
