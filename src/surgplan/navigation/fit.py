"""Closed-form least squares between paired points, for one set of pairs or for thousands at once.

Source: Arun, Huang and Blostein, "Least-squares fitting of two 3-D point sets", 1987; Umeyama, "Least-squares
estimation of transformation parameters between two point patterns", 1991: the scale, and why the determinant must be
forced. (Horn's symmetric scale, which VTK uses, is the same for points that fit; for those that do not, it is larger.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array

STEPS, SMALL_STEP = 30, 1e-12


class Fit(NamedTuple):
    """`fixed` ≈ `linear` · `moving` + `offset`; leading axes are those of the sets that were fitted at once.

    `linear` is (…, 3, 3) a rotation (a mirrored one where that was asked for) times `scale` (…,), `offset` (…, 3) mm.
    """

    linear: Array
    offset: Array
    scale: Array

    def apply(self, points: Array) -> Array:
        """Points (…, n, 3), mm, carried from `moving` to `fixed`."""
        carried: Array = points @ np.swapaxes(self.linear, -1, -2) + self.offset[..., None, :]
        return carried

    def inverse_apply(self, points: Array) -> Array:
        """Points (n, 3), mm, carried back from `fixed` to `moving`; for one set only."""
        return np.asarray(np.linalg.solve(self.linear, (points - self.offset).T).T)

    def matrix(self) -> Array:
        """(…, 4, 4) homogeneous."""
        whole = np.zeros((*self.offset.shape[:-1], 4, 4))
        whole[..., :3, :3], whole[..., :3, 3], whole[..., 3, 3] = self.linear, self.offset, 1.0
        return whole


def fit(fixed: Array, moving: Array, weights: Array | None = None, scaled: bool = False, mirrored: bool = False) -> Fit:
    """The rigid or similarity transform that brings `moving` nearest to `fixed` in the weighted sum of squares.

    Parameters
    ----------
    fixed, moving:
        (…, n, 3) mm; row i of one belongs to row i of the other.
    weights:
        (…, n) not negative; all 1 when None.
    scaled:
        Also one scale for all directions.
    mirrored:
        The best *improper* rotation instead: how well a mirror image would fit.
    """
    share = np.ones(moving.shape[:-1]) if weights is None else np.broadcast_to(weights, _sets(fixed, moving, weights))
    share = (share / share.sum(axis=-1, keepdims=True))[..., None]
    fixed_middle, moving_middle = (share * fixed).sum(axis=-2), (share * moving).sum(axis=-2)
    about_fixed, about_moving = fixed - fixed_middle[..., None, :], moving - moving_middle[..., None, :]
    left, _, right = np.linalg.svd(np.swapaxes(share * about_moving, -1, -2) @ about_fixed)
    turn = np.swapaxes(left @ right, -1, -2)
    sign = np.sign(np.linalg.det(turn)) * (-1.0 if mirrored else 1.0)
    flip = np.ones((*sign.shape, 3))
    flip[..., 2] = sign
    rotation = np.swapaxes(left @ (flip[..., None] * right), -1, -2)
    scale = np.ones(sign.shape)
    if scaled:
        turned = about_moving @ np.swapaxes(rotation, -1, -2)
        scale = (share * about_fixed * turned).sum(axis=(-1, -2)) / (share * about_moving**2).sum(axis=(-1, -2))
    linear = scale[..., None, None] * rotation
    return Fit(linear, fixed_middle - (linear @ moving_middle[..., None])[..., 0], scale)


def _sets(fixed: Array, moving: Array, weights: Array) -> tuple[int, ...]:
    return np.broadcast_shapes(fixed.shape[:-1], moving.shape[:-1], weights.shape)


def cross(points: Array) -> Array:
    """(…, 3, 3) matrices that take the cross product with each of the (…, 3) points."""
    x, y, z = np.moveaxis(points, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def motion(points: Array, scaled: bool) -> Array:
    """(n, 3, 6 or 7) how points move with a small turn, shift and, where `scaled`, growth about the origin."""
    columns = [-cross(points), np.broadcast_to(np.eye(3), (len(points), 3, 3))]
    if scaled:
        columns.append(points[:, :, None])
    return np.concatenate(columns, axis=-1)


def fit_by_precision(fixed: Array, moving: Array, precision: Array, scaled: bool = False) -> Fit:
    """The fit that is most likely when each pair has an error ellipsoid of its own.

    Parameters
    ----------
    fixed, moving:
        (n, 3) mm.
    precision:
        (n, 3, 3) inverse covariance of each pair's error, 1/mm², in the fixed frame.

    Source: Gauss-Newton from the closed form; Balachandran and Fitzpatrick, "Iterative solution for rigid-body
    point-based registration with anisotropic weighting", 2009.
    """
    from scipy.spatial.transform import Rotation

    found = fit(fixed, moving, np.trace(precision, axis1=1, axis2=2), scaled)
    for _ in range(STEPS):
        carried = found.apply(moving)
        middle = carried.mean(axis=0)
        step = solve(motion(carried - middle, scaled), precision) @ (fixed - carried).ravel()
        turn = Rotation.from_rotvec(step[:3]).as_matrix() * (1 + step[6] if scaled else 1.0)
        linear = turn @ found.linear
        offset = turn @ (found.offset - middle) + middle + step[3:6]
        found = Fit(linear, offset, np.cbrt(np.linalg.det(linear)))
        if np.abs(step).max() < SMALL_STEP:
            break
    return found


def solve(rows: Array, precision: Array) -> Array:
    """(6 or 7, 3n) the weighted pseudo-inverse: from errors of the pairs to the small motion that fits them best."""
    weighted = np.swapaxes(rows, -1, -2) @ precision
    normal = (weighted @ rows).sum(axis=0)
    return np.asarray(np.linalg.solve(normal, weighted.transpose(1, 0, 2).reshape(len(normal), -1)))


def flatness(points: Array) -> tuple[float, float]:
    """Root mean square length of points (n, 3) along their main axis, and across it in the widest direction, mm."""
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / np.sqrt(len(points))
    return float(spread[0]), float(spread[1])


def pair_swaps(count: int) -> NDArray[np.int64]:
    """(k, n) orders of n things in which two are exchanged."""
    first, second = np.triu_indices(count, 1)
    orders = np.tile(np.arange(count), (len(first), 1))
    rows = np.arange(len(first))
    orders[rows, first], orders[rows, second] = second, first
    return orders
