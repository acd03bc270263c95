"""Where a surface crosses a plane of the scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array


def outline(vertices: Array, triangles: NDArray[np.int32], axis: int, at: float) -> Array:
    """(n, 2, 3) segments in which triangles cross the plane where coordinate `axis` is `at`.

    `vertices` (n, 3) may lie in any frame, voxel indices say; the segments lie in the same one. A corner exactly in the
    plane counts as above it, so that each triangle gives no segment or one.
    """
    height = vertices[:, axis] - at
    above = height >= 0
    corners = above[triangles]
    count = corners.sum(axis=1, dtype=np.int8)
    crossed = (count == 1) | (count == 2)
    cut, corners, count = triangles[crossed], corners[crossed], count[crossed]
    # the corner that is alone on its side, then the two others
    alone = np.where(count == 1, corners.argmax(axis=1), corners.argmin(axis=1))
    rows = np.arange(len(cut))
    tip, left, right = (cut[rows, (alone + turn) % 3] for turn in range(3))
    ends = [_crossing(vertices, height, tip, other) for other in (left, right)]
    return np.stack(ends, axis=1)


def _crossing(vertices: Array, height: Array, one: NDArray[np.int32], other: NDArray[np.int32]) -> Array:
    # always from the lower corner: neighbours that share the edge then get the very same point
    low, high = np.where(height[one] < height[other], (one, other), (other, one))
    share = height[low] / (height[low] - height[high])
    points: Array = vertices[low] + share[:, None] * (vertices[high] - vertices[low])
    return points
