"""Landmarks, point sets and trajectories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from surgplan.model.frames import LPS, Array, Frame, Transform, same_frame


def _position(values: ArrayLike, name: str) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise ValueError(f"the position of {name!r} must be three finite numbers")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Landmark:
    """A named point.

    Parameters
    ----------
    name:
        1 or more printable characters.
    position:
        (3,) mm, in `frame`.
    frame:
        Where the position is given.
    description:
        Free text, for example how it was found. Never anything that identifies a patient.
    uncertainty_mm:
        One standard deviation of the position, mm, or None when nobody stated or measured it.
    """

    name: str
    position: Array
    frame: Frame = LPS
    description: str = ""
    uncertainty_mm: float | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise ValueError("a landmark needs a printable name")
        object.__setattr__(self, "position", _position(self.position, self.name))
        if self.uncertainty_mm is not None and not 0 < self.uncertainty_mm < np.inf:
            raise ValueError(f"the uncertainty of {self.name!r}, {self.uncertainty_mm} mm, is not positive")

    def moved(self, transform: Transform) -> Landmark:
        """The landmark in `transform.fixed`; call it as `transform @ landmark`."""
        return replace(self, position=transform.apply(self.position), frame=transform.fixed)


@dataclass(frozen=True, eq=False)
class PointSet:
    """Landmarks that all lie in one frame; `frame` is needed only when there are none.

    Raises
    ------
    FrameMismatch
        The landmarks lie in different frames.
    ValueError
        Two landmarks have one name.
    """

    landmarks: tuple[Landmark, ...]
    frame: Frame = LPS

    def __init__(self, landmarks: Iterable[Landmark], frame: Frame = LPS) -> None:
        points = tuple(landmarks)
        names = [point.name for point in points]
        if len(set(names)) != len(names):
            raise ValueError(f"two landmarks are named {max(names, key=names.count)!r}")
        object.__setattr__(self, "landmarks", points)
        object.__setattr__(self, "frame", same_frame(*points) if points else frame)

    @classmethod
    def from_array(cls, positions: ArrayLike, frame: Frame = LPS, prefix: str = "P") -> PointSet:
        """Positions, (n, 3) mm, named P-1, P-2, …"""
        rows = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
        return cls((Landmark(f"{prefix}-{n}", row, frame) for n, row in enumerate(rows, 1)), frame)

    @property
    def positions(self) -> Array:
        """(n, 3) mm, in `frame`."""
        return np.array([point.position for point in self.landmarks], dtype=np.float64).reshape(-1, 3)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.positions, dtype=dtype)

    def __len__(self) -> int:
        return len(self.landmarks)

    def __iter__(self) -> Iterator[Landmark]:
        return iter(self.landmarks)

    def __getitem__(self, name: str) -> Landmark:
        for point in self.landmarks:
            if point.name == name:
                return point
        raise KeyError(name)

    def moved(self, transform: Transform) -> PointSet:
        """The points in `transform.fixed`; call it as `transform @ points`."""
        return PointSet((point.moved(transform) for point in self.landmarks), transform.fixed)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A straight path from an entry to a target, both in `frame`, mm.

    `avoid` names structures, and `margin_mm` the distance to keep from them. `diameter_mm` is the instrument's, and
    `depth_mm` how far it goes from the entry: to the target when None. `axis` names two landmarks, or nothing.
    """

    name: str
    entry: Array
    target: Array
    frame: Frame = LPS
    avoid: tuple[str, ...] = ()
    margin_mm: float = 0.0
    diameter_mm: float = 0.0
    depth_mm: float | None = None
    axis: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable():
            raise ValueError("a trajectory needs a printable name")
        object.__setattr__(self, "avoid", tuple(self.avoid))
        object.__setattr__(self, "entry", _position(self.entry, f"{self.name} entry"))
        object.__setattr__(self, "target", _position(self.target, f"{self.name} target"))
        if self.length_mm == 0:
            raise ValueError(f"trajectory {self.name!r}: entry and target are the same point")
        if not (np.isfinite(self.margin_mm) and self.margin_mm >= 0):
            raise ValueError(f"trajectory {self.name!r}: margin {self.margin_mm} mm is negative")
        if not (np.isfinite(self.diameter_mm) and self.diameter_mm >= 0):
            raise ValueError(f"trajectory {self.name!r}: diameter {self.diameter_mm} mm is negative")
        if self.depth_mm is not None and not 0 < self.depth_mm < np.inf:
            raise ValueError(f"trajectory {self.name!r}: depth {self.depth_mm} mm is not positive")
        object.__setattr__(self, "axis", tuple(self.axis))
        if len(self.axis) not in (0, 2):
            raise ValueError(f"trajectory {self.name!r}: an axis leads from one landmark to another")

    @property
    def length_mm(self) -> float:
        """Distance from entry to target, mm."""
        return float(np.linalg.norm(self.target - self.entry))

    @property
    def direction(self) -> Array:
        """(3,) unit vector from entry to target."""
        return np.asarray((self.target - self.entry) / self.length_mm)

    @property
    def reach_mm(self) -> float:
        """How far the instrument goes from the entry, mm."""
        return self.length_mm if self.depth_mm is None else self.depth_mm

    @property
    def end(self) -> Array:
        """(3,) where the instrument's tip comes to lie, mm."""
        return np.asarray(self.entry + self.reach_mm * self.direction)

    def moved(self, transform: Transform) -> Trajectory:
        """The trajectory in `transform.fixed`; call it as `transform @ trajectory`."""
        return replace(
            self,
            entry=transform.apply(self.entry),
            target=transform.apply(self.target),
            frame=transform.fixed,
        )
