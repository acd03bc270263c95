"""Who has which voxel: seeds compete, and each voxel belongs to the one whose front reaches it first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from surgplan.segment.region import Mask

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]

NEVER = np.float32(1e30)
CLOSED = np.float32(1e-6)
"""Speed outside of the domain: no front gets through it in time."""


def arrival(speed: Floats, domain: Mask, seed: Mask, spacing_kji: tuple[float, float, float], until: float) -> Floats:
    """Time (mm at speed 1) at which a front that starts at the seed reaches each voxel; `NEVER` beyond `until`.

    Source: Sethian, "A fast marching level set method for monotonically advancing fronts", PNAS 93, 1996.
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.where(domain, speed, CLOSED).astype(np.float32))
    image.SetSpacing([float(step) for step in spacing_kji[::-1]])
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([tuple(int(n) for n in kji[::-1]) for kji in np.argwhere(seed & domain)])
    march.SetStoppingValue(until)
    times: Floats = sitk.GetArrayFromImage(march.Execute(image))
    times[~domain | (times > until)] = NEVER
    return times


def territories(
    speed: Floats,
    domain: Mask,
    seeds: Mapping[int, Mask],
    spacing_kji: tuple[float, float, float],
    until: float = 2000.0,
) -> Labels:
    """(k, j, i) the number of the seed whose front comes first, 0 where none comes; the lower number wins a tie."""
    first = np.full(domain.shape, NEVER, dtype=np.float32)
    owner = np.zeros(domain.shape, dtype=np.uint8)
    for number in sorted(seeds):
        if not (seeds[number] & domain).any():
            continue
        times = arrival(speed, domain, seeds[number], spacing_kji, until)
        sooner = times < first
        first[sooner] = times[sooner]
        owner[sooner] = number
    return owner


def bone_speed(intensities: Floats, soft_hu: float = 50.0, hard_hu: float = 450.0, least: float = 0.35) -> Floats:
    """Speed 1 in cortical bone, falling with the square of the intensity to an eighth: joints hold a front back."""
    share = np.clip((intensities - soft_hu) / (hard_hu - soft_hu), least, 1.0)
    return np.asarray(share * share, dtype=np.float32)


def marrow_speed(intensities: Floats, marrow_hu: float = 50.0, cortex_hu: float = 350.0, least: float = 0.2) -> Floats:
    """Speed 1 in marrow, falling with the square of the intensity to 1/25 in cortex: fronts of two bones meet there.

    A joint lies between two cortices. Where slices are too thick to show its gap, it still shows these, and fronts that
    run fast through the marrow, fatty marrow too, wait at them for each other.
    """
    share = np.clip((cortex_hu - intensities) / (cortex_hu - marrow_hu), least, 1.0)
    return np.asarray(share * share, dtype=np.float32)
