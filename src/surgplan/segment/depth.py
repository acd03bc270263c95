"""How deep a voxel lies in a mask, and the thick parts of a mask without what hangs on them by a thin neck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surgplan.segment.region import Mask

Floats = NDArray[np.float32]
Spacing = tuple[float, float, float]


def depth(mask: Mask, spacing_kji: Spacing) -> Floats:
    """(k, j, i) distance of each voxel of the mask from what lies outside, mm; 0 outside."""
    import SimpleITK as sitk

    if mask.all():
        return np.full(mask.shape, np.float32(np.inf))
    return _distance(sitk.GetImageFromArray((~mask).view(np.uint8)), spacing_kji)


def distance_to(mask: Mask, spacing_kji: Spacing) -> Floats:
    """(k, j, i) distance of each voxel from the mask, mm; 0 inside, infinite when the mask is empty."""
    import SimpleITK as sitk

    if not mask.any():
        return np.full(mask.shape, np.float32(np.inf))
    return _distance(sitk.GetImageFromArray(mask.view(np.uint8)), spacing_kji)


def _distance(image: object, spacing_kji: Spacing) -> Floats:
    import SimpleITK as sitk

    image.SetSpacing([float(step) for step in spacing_kji[::-1]])  # type: ignore[attr-defined]
    found: Floats = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True))
    return np.maximum(found, 0, out=found)


def numbered(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Connected parts (by faces) of a mask as numbers from 1, and the voxels of each number, 0 included."""
    import SimpleITK as sitk

    parts: NDArray[np.int32] = sitk.GetArrayFromImage(
        sitk.ConnectedComponent(sitk.GetImageFromArray(mask.view(np.uint8)))
    ).astype(np.int32)
    return parts, np.bincount(parts.ravel()).astype(np.int64)


def restored(core: Mask, mask: Mask, radius_mm: float, spacing_kji: Spacing) -> Mask:
    """What of a mask belongs to the cores that are left after it was shrunk by a radius."""
    near: Mask = distance_to(core, spacing_kji) <= radius_mm + 0.5 * max(spacing_kji)
    return mask & near
