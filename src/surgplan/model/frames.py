"""Frames, and transforms that know which frame they lead from and to.

LPS: x grows to the patient's left, y to posterior, z to superior (DICOM PS3.3 C.7.6.2.1.1); millimetres.
RAS: x right, y anterior, z superior (3D Slicer's and NIfTI's world); millimetres.
IJK: voxel indices, i fastest in memory; whole numbers are voxel centres.
PRINT: the build plate, origin at its front left corner, z up; millimetres of the print.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgplan.errors import FrameMismatch

Array = NDArray[np.float64]

RIGID_TOLERANCE = 1e-4
"""How far a rotation's columns may be from orthonormal: direction cosines in headers have 5 to 6 digits."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A named coordinate frame. Two frames are the same only when name and scope are.

    `scope` tells apart frames of one kind: the voxel frames of two scans, the world frames of two patients.
    """

    name: str
    scope: str = ""

    def __post_init__(self) -> None:
        if not self.name or not (self.name + self.scope).isprintable():
            raise ValueError("a frame needs a printable name and scope")

    def __str__(self) -> str:
        return f"{self.name} ({self.scope})" if self.scope else self.name


LPS = Frame("LPS")
RAS = Frame("RAS")
IJK = Frame("IJK")
PRINT = Frame("PRINT")


class Placed(Protocol):
    """What lies in a frame and can be carried to another one."""

    @property
    def frame(self) -> Frame:
        """Where it lies."""
        ...

    def moved(self, transform: Transform) -> Self:
        """The same thing in `transform.fixed`; `transform @ thing` checks the frames first."""
        ...


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, eq=False)
class Transform:
    """An affine map that carries points of the frame `moving` into the frame `fixed`.

    Name variables by that: `lps_from_ijk` is `Transform(LPS, IJK, matrix)`.

    Parameters
    ----------
    fixed, moving:
        The frames it leads to and from.
    matrix:
        (4, 4) homogeneous, acts on columns; millimetres in physical frames, voxels in IJK.

    Raises
    ------
    ValueError
        The matrix is not affine, not finite, singular, or mirrors: a left would become a right. LPS, RAS and PRINT
        are right-handed, and so is the voxel frame of every `Grid`, so no lawful transform mirrors.
    """

    fixed: Frame
    moving: Frame
    matrix: Array

    def __init__(self, fixed: Frame, moving: Frame, matrix: ArrayLike) -> None:
        values = np.array(matrix, dtype=np.float64)
        if values.shape != (4, 4):
            raise ValueError(f"a transform's matrix is 4 × 4, not {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError("the transform's matrix holds a value that is not finite")
        if not np.array_equal(values[3], [0.0, 0.0, 0.0, 1.0]):
            raise ValueError(f"the transform's last row is {values[3].tolist()}, not [0, 0, 0, 1]")
        lengths = np.linalg.norm(values[:3, :3], axis=0)
        if lengths.min() == 0 or abs(np.linalg.det(values[:3, :3] / lengths)) < 1e-6:
            raise ValueError("the transform is singular: it flattens space")
        if np.linalg.det(values[:3, :3]) < 0:
            raise ValueError(f"the transform {fixed} from {moving} mirrors: a left would become a right")
        values.setflags(write=False)
        object.__setattr__(self, "fixed", fixed)
        object.__setattr__(self, "moving", moving)
        object.__setattr__(self, "matrix", values)

    @classmethod
    def identity(cls, fixed: Frame, moving: Frame) -> Transform:
        """The two frames coincide."""
        return cls(fixed, moving, np.eye(4))

    @classmethod
    def translation(cls, fixed: Frame, moving: Frame, offset_mm: ArrayLike) -> Transform:
        """A shift by `offset_mm`, (3,), in the fixed frame."""
        matrix = np.eye(4)
        matrix[:3, 3] = np.asarray(offset_mm, dtype=np.float64)
        return cls(fixed, moving, matrix)

    @property
    def linear(self) -> Array:
        """(3, 3) without the translation."""
        return self.matrix[:3, :3]

    @property
    def offset(self) -> Array:
        """(3,) where the moving frame's origin lies in the fixed frame."""
        return self.matrix[:3, 3]

    @property
    def is_rigid(self) -> bool:
        """Whether it keeps lengths and angles, within `RIGID_TOLERANCE`."""
        return bool(np.allclose(self.linear.T @ self.linear, np.eye(3), atol=RIGID_TOLERANCE))

    def inverse(self) -> Transform:
        """The way back."""
        return Transform(self.moving, self.fixed, _affine_inverse(self.matrix))

    def apply(self, points: ArrayLike) -> Array:
        """Bare positions, (n, 3) or (3,), that the caller knows to lie in `moving`, carried to `fixed`."""
        return np.asarray(points, dtype=np.float64) @ self.linear.T + self.offset

    @overload
    def __matmul__(self, other: Transform) -> Transform: ...
    @overload
    def __matmul__(self, other: P) -> P: ...
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Transform):
            if other.fixed != self.moving:
                raise FrameMismatch("transform", f"leads to {other.fixed}", f"{self.moving}")
            return Transform(self.fixed, other.moving, self.matrix @ other.matrix)
        if not hasattr(other, "moved"):
            return NotImplemented
        if other.frame != self.moving:
            raise FrameMismatch(type(other).__name__, f"lies in {other.frame}", f"{self.moving}")
        return other.moved(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Transform):
            return NotImplemented
        same_frames = (self.fixed, self.moving) == (other.fixed, other.moving)
        return same_frames and bool(np.array_equal(self.matrix, other.matrix))

    __hash__ = None  # type: ignore[assignment]


def _affine_inverse(matrix: Array) -> Array:
    inverse = np.eye(4)
    inverse[:3, :3] = np.linalg.inv(matrix[:3, :3])
    inverse[:3, 3] = -inverse[:3, :3] @ matrix[:3, 3]
    return inverse


RAS_FROM_LPS = Transform(RAS, LPS, np.diag([-1.0, -1.0, 1.0, 1.0]))
"""RAS and LPS differ by half a turn about the long axis: no mirroring."""
LPS_FROM_RAS = RAS_FROM_LPS.inverse()


def same_frame(*things: Placed) -> Frame:
    """The one frame in which all the things lie.

    Raises
    ------
    FrameMismatch
        They lie in different frames.
    """
    frames = {thing.frame for thing in things}
    if len(frames) != 1:
        names = " and ".join(sorted(str(frame) for frame in frames)) or "none"
        raise FrameMismatch("points", f"lie in {names}", "one frame", "Carry them to one frame first")
    return frames.pop()
