"""Intensities as a network was trained to see them, as nnU-Net and MONAI define the scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.formats.model_card import ClipAndScale, Intensity, NoScaling, Range, Shift

Reals = NDArray[np.float32]
SMALLEST_STD = 1e-8
"""nnU-Net divides by no less."""


def scaled(array: NDArray[Any], how: Intensity) -> Reals:
    """The array, (a, b, c), as single-precision numbers of the network's scale; the array itself stays as it is.

    Source: Isensee et al., nnU-Net 2, `default_normalization_schemes.py`; MONAI, `ScaleIntensityRange` and
    `NormalizeIntensity`.
    """
    values = array.astype(np.float32)
    if isinstance(how, NoScaling):
        return values
    if isinstance(how, ClipAndScale):
        np.clip(values, how.low, how.high, out=values)
        values -= np.float32(how.mean)
        values /= np.float32(max(how.std, SMALLEST_STD))
    elif isinstance(how, Shift):
        values -= np.float32(how.subtrahend)
        values /= np.float32(how.divisor)
    elif isinstance(how, Range):
        values -= np.float32(how.a_min)
        values *= np.float32((how.b_max - how.b_min) / (how.a_max - how.a_min))
        values += np.float32(how.b_min)
        if how.clip:
            np.clip(values, how.b_min, how.b_max, out=values)
    else:
        _to_zero_mean(values, how.nonzero)
    return values


def _to_zero_mean(values: Reals, nonzero: bool) -> None:
    """In place, plane by plane: sums in double precision, and nothing as large as the scan is made."""
    chosen = [plane[plane != 0] if nonzero else plane for plane in values]
    count = sum(plane.size for plane in chosen)
    if not count:
        return
    mean = sum(float(plane.sum(dtype=np.float64)) for plane in chosen) / count
    squares = sum(float(np.square(plane - mean, dtype=np.float64).sum()) for plane in chosen)
    std = max(float(np.sqrt(squares / count)), SMALLEST_STD)
    for plane in values:
        counted = plane != 0 if nonzero else np.True_
        np.subtract(plane, np.float32(mean), out=plane, where=counted)
        np.divide(plane, np.float32(std), out=plane, where=counted)
