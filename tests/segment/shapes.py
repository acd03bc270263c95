"""Analytic shapes as scans: the truth that the tests of segmentation are held against."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter

from surgplan.model.volume import IDENTITY, Grid, Modality, Volume
from surgplan.segment.region import Box, Region


def grid(size, spacing=(1.0, 1.0, 1.0), direction=IDENTITY):
    """A grid of `size` voxels (i, j, k) with LPS (0, 0, 0) in its middle."""
    spacing = np.asarray(spacing, dtype=float)
    offset = np.asarray(direction) @ ((np.asarray(size) - 1) / 2 * spacing)
    return Grid(size, spacing, -offset, direction)


def places(where):
    """LPS x, y and z of the voxels' centres: three arrays that broadcast to (k, j, i)."""
    ijk = np.ogrid[tuple(slice(n) for n in where.shape)][::-1]
    matrix = where.lps_from_ijk.matrix
    return [sum((row[axis] * ijk[axis] for axis in range(3) if row[axis]), start=row[3]) for row in matrix[:3]]


def ball(where, radius, centre=(0.0, 0.0, 0.0)):
    """The voxels whose centres lie in a ball, mm."""
    x, y, z = places(where)
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 <= radius**2


def scan(where, array, modality=Modality.CT):
    """A scan of rounded intensities."""
    return Volume(where, np.rint(array).astype(np.int16), modality)


def region(mask, spacing=(1.0, 1.0, 1.0)):
    """A region whose box is the whole grid."""
    where = grid(mask.shape[::-1], spacing)
    return Region(where, Box((0, 0, 0), mask.shape), np.ascontiguousarray(mask))


def whole(found):
    """A region's mask on the whole grid."""
    return found.within(Box((0, 0, 0), found.grid.shape)).mask


def blurred_ball(where, radius, inside, outside, blur, noise=0.0):
    """A ball with partial volume, a Gaussian point spread of `blur` mm, and noise, as a scan."""
    share = blurred_share(where.size, tuple(where.spacing), radius, blur)
    random = np.random.default_rng(3).normal(0.0, noise, share.shape)
    return scan(where, outside + (inside - outside) * share + random)


@cache
def blurred_share(size, spacing, radius, blur, fine=4):
    """How much of each voxel lies in the ball, from `fine`³ samples of it, blurred."""
    where = grid(size, spacing)
    finer = grid(np.array(size) * fine, where.spacing / fine)
    k, j, i = where.shape
    share = ball(finer, radius).reshape(k, fine, j, fine, i, fine).mean(axis=(1, 3, 5), dtype=np.float64)
    return gaussian_filter(share, blur / where.spacing[::-1])
