"""Thresholds that the scan's own histogram gives: for scans without HU, and for any strength of contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgplan.errors import EmptyLabel
from surgplan.findings import Finding, Level
from surgplan.model.volume import Volume
from surgplan.params import Params
from surgplan.segment.bias import without_bias
from surgplan.segment.given import Found, Scene
from surgplan.segment.region import Region
from surgplan.segment.threshold import threshold

SAMPLED = 2_000_000
"""Voxels of which the histogram is made."""

BINS = 256


class OtsuParams(Params):
    """Classes of intensity, parted where the histogram says (Otsu 1979)."""

    classes: int = Field(2, ge=2, le=5, description="into how many classes the intensities are parted")
    first: int = Field(1, ge=0, le=4, description="the darkest class that belongs to the structure, counted from 0")
    last: int = Field(4, ge=0, le=4, description="the brightest class that belongs to it")
    within: str | None = Field(None, description="a structure found before, whose voxels alone are looked at")
    flat_field: bool = Field(False, description="even out the coils' brightness of an MR scan before (N4)")


def otsu(scene: Scene, name: str, params: OtsuParams) -> Found:
    """The voxels of the chosen classes.

    Raises
    ------
    EmptyLabel
        No voxel lies in them.
    """
    volume = without_bias(scene.volume) if params.flat_field else scene.volume
    inside = scene.structure(params.within, name) if params.within is not None else None
    cuts = otsu_cuts(_sample(volume, inside), params.classes)
    low = cuts[params.first - 1] if params.first else float("-inf")
    high = cuts[params.last] if params.last < len(cuts) else float("inf")
    told = f"classes parted at {', '.join(f'{cut:g}' for cut in cuts)}; from {low:g} to {high:g} is taken"
    finding = Finding("otsu", Level.NOTE, told, source="Otsu 1979", subject=name)
    if inside is None:
        region = threshold(volume, low, high)
    else:
        values = volume.array[inside.box.slices]
        region = inside.with_mask(inside.mask & (values >= low) & (values <= high)).trimmed()
    if not region.voxels:
        raise EmptyLabel(f"structure `{name}`", f"no voxel lies in the chosen classes: {told}", advice="Take others")
    level = low if params.first and not params.flat_field else None
    return Found(region, level, (finding,))


def _sample(volume: Volume, inside: Region | None) -> NDArray[Any]:
    values = volume.array.reshape(-1) if inside is None else volume.array[inside.box.slices][inside.mask]
    return values[:: max(1, len(values) // SAMPLED)]


def otsu_cuts(values: NDArray[Any], classes: int) -> list[float]:
    """The intensities at which `classes` classes differ most; the histogram's outermost thousandth is clamped.

    Source: Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9, 1979.
    """
    low, high = np.quantile(values, (0.001, 0.999))
    counts, edges = np.histogram(np.clip(values, low, high), bins=BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * middles)])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (moment[None] - moment[:, None]) ** 2 / (weight[None] - weight[:, None])
    share = np.where(np.isfinite(share), share, 0.0)  # between-class variance of the bins a … b - 1
    best = share[0].copy()
    back = []
    for _ in range(classes - 1):
        table = np.where(np.arange(BINS + 1)[:, None] < np.arange(BINS + 1), best[:, None] + share, -np.inf)
        back.append(table.argmax(axis=0))
        best = table.max(axis=0)
    cuts = []
    end = BINS
    for choice in reversed(back):
        end = int(choice[end])
        cuts.append(float(edges[end]))
    return cuts[::-1]
