"""What the voxels of a CT tell of it: noise, metal, contrast, air, and what the field of view cuts off.

Measured on a few dozen slices: it takes some tenths of a second on any scan.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.ingest.limits import ACR, BY_NAME, CHRISTIANSON, RECIPE, GateLimits
from surgplan.model.volume import Grid, Modality, Volume

PLANES = 16
"""So many slices are looked at."""
SOFT_HU = (0.0, 100.0)
WINDOW = 5
MOST_SD = 150.0
FEW_WINDOWS = 2000
METAL_HU = 3000.0
METAL_MM3 = 20.0
VESSEL_MM = 9.0
VESSEL_HU = (130.0, 600.0)
EVEN = 1.2
"""A vessel full of contrast is at most so much noisier than soft tissue; spongy bone is far more uneven."""
VESSEL_ML = 4.0
"""Measured: 6 to 300 ml in scans with contrast, at most 2.9 ml in scans without."""
AIR_LIKE_HU = -500.0
FEW_AIR = 0.5
EVEN_AIR_HU = 90.0
"""The middle half of air's values lies within this; lung is more uneven."""
FAR_AIR_HU = 200.0
BODY_HU = -300.0
COARSE_MM = 4.0
TOUCH = 0.002
SIDES = {"L": ("right", "left"), "R": ("left", "right"), "P": ("front", "back"), "A": ("back", "front")}
SIDES |= {"S": ("lower", "upper"), "I": ("upper", "lower")}


def examine(volume: Volume, limits: GateLimits, aim: str | None, agent: bool) -> list[Finding]:
    """Findings about a CT's voxels; other scans have no scale. `agent`: a header tells of contrast."""
    if volume.modality is not Modality.CT:
        return []
    planes = volume.array[:: max(1, len(volume.array) // PLANES)]
    noise = _noise(planes)
    findings = _told_noise(noise, limits)
    findings += _air(planes, limits)
    findings += _metal(volume, limits)
    findings += _contrast(volume, planes, noise, aim, agent)
    return findings + _field(volume, limits)


def _windows(plane: NDArray[Any], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every square of `size` voxels in a plane."""
    values = plane.astype(np.float64)

    def mean(of: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.pad(of, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
        total = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
        return np.asarray(total / size**2)

    middle = mean(values)
    return middle, np.sqrt(np.maximum(mean(values**2) - middle**2, 0))


def _noise(planes: NDArray[Any]) -> float | None:
    """The commonest standard deviation in soft tissue, HU; None when there is too little of it.

    Source: Christianson et al., "Automated technique to measure noise in clinical CT examinations", AJR 205, 2015.
    """
    found = []
    for plane in planes if min(planes.shape[1:]) > WINDOW else ():
        mean, deviation = _windows(plane, WINDOW)
        found.append(deviation[(mean > SOFT_HU[0]) & (mean < SOFT_HU[1]) & (deviation > 0) & (deviation < MOST_SD)])
    windows = np.concatenate(found) if found else np.empty(0)
    if len(windows) < FEW_WINDOWS:
        return None
    counts, edges = np.histogram(windows, bins=75, range=(0, MOST_SD))
    return float(edges[counts.argmax()] + (edges[1] - edges[0]) / 2)


def _told_noise(noise: float | None, limits: GateLimits) -> list[Finding]:
    if noise is None:
        return []
    measured, limit = f"{noise:.0f} HU in soft tissue", f"{limits.noise_hu:g} HU"
    if noise <= limits.noise_hu:
        return [Finding("noise", Level.NOTE, measured, limit, source=CHRISTIANSON)]
    advice = "Thresholds leave specks and pits: ask for a smoother kernel or thicker slices"
    return [Finding("noise", Level.WARN, measured, limit, advice, CHRISTIANSON)]


def _air(planes: NDArray[Any], limits: GateLimits) -> list[Finding]:
    """The air at the sides of the slices; padding and what is cut off at the bottom of the scale do not count."""
    rim = np.concatenate(
        [planes[:, :2].ravel(), planes[:, -2:].ravel(), planes[:, :, :2].ravel(), planes[:, :, -2:].ravel()]
    )
    lowest = rim.min()
    air = rim[(rim < AIR_LIKE_HU) & (rim > max(float(lowest), -1200.0))]
    if len(air) < FEW_AIR * len(rim):
        return []
    low, middle, high = (float(value) for value in np.quantile(air, (0.25, 0.5, 0.75)))
    if high - low > EVEN_AIR_HU:
        return []
    off = abs(middle + 1000)
    if off <= limits.air_hu:
        return []
    level = Level.REFUSE if off > FAR_AIR_HU else Level.WARN
    advice = "Check the scan's rescale values: thresholds in HU are shifted by as much"
    limit = f"-1000 ± {FAR_AIR_HU if level is Level.REFUSE else limits.air_hu:g} HU"
    return [Finding("hu-scale", level, f"air round the body reads {middle:.0f} HU", limit, advice, ACR)]


def _metal(volume: Volume, limits: GateLimits) -> list[Finding]:
    bright = 0
    top = METAL_HU if volume.array.dtype.kind == "f" else int(METAL_HU)
    for plane in volume.array:
        if plane.max() >= top:
            high = plane >= top
            bright += int(np.count_nonzero(high[:, 1:] & high[:, :-1]))
    amount = bright * volume.grid.voxel_volume_mm3
    if amount < METAL_MM3:
        return []
    measured = f"{amount / 1000:.3g} cm³ at or above {METAL_HU:g} HU: metal, or undiluted contrast agent"
    limit = f"{limits.metal_mm3:g} mm³"
    if amount <= limits.metal_mm3:
        return [Finding("metal-in-scan", Level.NOTE, measured, limit, source=RECIPE)]
    advice = "Surfaces near metal are too large and streaked: ask for metal artefact reduction"
    return [Finding("metal-in-scan", Level.WARN, measured, limit, advice, RECIPE)]


def _contrast(volume: Volume, planes: NDArray[Any], noise: float | None, aim: str | None, agent: bool) -> list[Finding]:
    """Whether vessels are full of contrast agent: by the header, or by bright, even regions as wide as vessels."""
    seen_ml = _bright_ml(volume, planes, noise) if noise is not None else 0.0
    seen = seen_ml >= VESSEL_ML
    source = BY_NAME["contrast"].source
    if aim == "vessel" and not seen and not agent:
        advice = "Take a scan with contrast: vessels cannot be told from muscle without"
        return [Finding("contrast", Level.WARN, "no contrast agent in the header, and none seen", "", advice, source)]
    if not (seen or agent):
        return []
    words = ["the header tells of an agent"] if agent else []
    words += [f"{seen_ml:.0f} ml of bright, even regions"] if seen else []
    measured = f"contrast agent: {', '.join(words)}"
    if aim == "bone" and seen:
        advice = "Vessels that touch bone pass its threshold: look at the surface, or take a scan without contrast"
        return [Finding("contrast", Level.WARN, measured, "none", advice, source)]
    return [Finding("contrast", Level.NOTE, measured, source=source)]


def _bright_ml(volume: Volume, planes: NDArray[Any], noise: float) -> float:
    steps = volume.grid.spacing
    size = round(VESSEL_MM / float(steps[0]))
    if size < WINDOW or min(planes.shape[1:]) <= size:
        return 0.0  # in so few voxels spongy bone looks even
    count = 0
    for plane in planes:
        mean, deviation = _windows(plane, size)
        even = (mean > VESSEL_HU[0]) & (mean < VESSEL_HU[1]) & (deviation < EVEN * noise + 3)
        count += int(np.count_nonzero(even))
    return count * volume.grid.voxel_volume_mm3 * len(volume.array) / len(planes) / 1000


def _field(volume: Volume, limits: GateLimits) -> list[Finding]:
    """Which sides of the scan cut the body, and how much of each it covers."""
    body, grid = _coarse_body(volume)
    cut, touched, ends = [], [], []
    for axis, letter in enumerate(grid.orientation_code()[::-1]):
        for layer, side in zip((0, -1), SIDES[letter], strict=True):
            share = float(body.take(layer, axis=axis).mean())
            told = f"{side} {100 * share:.0f} %"
            if letter in "SI":
                ends += [told] if share > TOUCH else []
            elif share > limits.cut_share:
                cut.append(told)
            elif share > TOUCH:
                touched.append(f"{side} {100 * share:.1f} %")
    limit = f"{100 * limits.cut_share:g} %"
    findings = []
    if cut:
        advice = "Anatomy beyond these sides is missing, skin and side cannot be trusted there: widen the field"
        findings.append(
            Finding("field-of-view", Level.WARN, f"the body is cut: {', '.join(cut)}", limit, advice, RECIPE)
        )
    if touched or ends:
        told = f"the body reaches the scan's border: {', '.join([*touched, *ends])}"
        findings.append(Finding("field-of-view", Level.NOTE, told, limit, source=RECIPE))
    return findings


def _coarse_body(volume: Volume) -> tuple[NDArray[np.bool_], Grid]:
    """The largest part of the tissue on a coarse grid that keeps the outermost voxels."""
    from scipy import ndimage

    picks = [
        np.unique(np.linspace(0, size - 1, max(2, round(size * step / COARSE_MM))).astype(int))
        for size, step in zip(volume.grid.shape, volume.grid.spacing[::-1], strict=True)
    ]
    tissue = volume.array[np.ix_(*picks)] > BODY_HU
    parts, count = ndimage.label(ndimage.binary_opening(np.pad(tissue, 1, mode="edge")))
    parts = parts[1:-1, 1:-1, 1:-1]
    if not count:
        return np.zeros_like(tissue), volume.grid
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax(), volume.grid
