"""Smoothing a region's boundary: by the majority around each voxel, or by a Gaussian at constant volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.segment.region import Region


def majority(region: Region, radius_mm: float) -> Region:
    """Each voxel follows the majority of those within a box of `radius_mm` around it: a median of the mask."""
    from scipy.ndimage import uniform_filter1d

    nk, nj, ni = (max(1, round(radius_mm / step)) for step in region.spacing_kji)
    larger = region.grown((nk, nj, ni))
    share = larger.mask.astype(np.float32)
    for axis, count in enumerate((nk, nj, ni)):
        uniform_filter1d(share, 2 * count + 1, axis=axis, output=share, mode="nearest")
    return larger.with_mask(share > 0.5)


def smoothed(region: Region, sigma_mm: float) -> Region:
    """Blur the mask by a Gaussian, and cut it where its volume stays as it was.

    The scan's end is no boundary: beyond it the structure goes on as it ends there.
    """
    from scipy.ndimage import gaussian_filter

    sigma = [sigma_mm / step for step in region.spacing_kji]
    reach = [int(np.ceil(3 * each)) for each in sigma]
    larger = region.grown((reach[0], reach[1], reach[2]))
    share: NDArray[np.float32] = gaussian_filter(larger.mask.astype(np.float32), sigma, mode="nearest", truncate=3.0)
    wanted = region.voxels
    values = share[share > 0]
    level = np.partition(values, len(values) - wanted)[len(values) - wanted] if wanted < len(values) else 0.0
    return larger.with_mask(share >= level if level > 0 else share > 0)
