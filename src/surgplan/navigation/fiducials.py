"""Fiducial markers in the scan: small bright balls apart from bone, to sub-voxel centres."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality, Volume
from surgplan.navigation.stage import NavigationParams

MARGIN_MM = 3.0
"""What lies this far round a marker must be darker than it: markers stand alone."""

MOST_ELONGATED = 1.6
"""Ratio of a marker's longest to its shortest axis, by its second moments; a ball has 1."""

SOLIDITY = (0.6, 1.5)
"""Volume at half maximum over that of a ball of the same second moments; a ball has 1, a ring less."""

BRIGHTER_THAN_AROUND = 0.5
"""Share of its own brightness by which a marker stands out of what surrounds it."""


@dataclass(frozen=True)
class Candidate:
    """A bright body of a marker's size: centre (3,) LPS mm, diameter mm, and why it is none ("" when it is one)."""

    centre: Array
    diameter_mm: float
    reason: str


def find_fiducials(
    volume: Volume, params: NavigationParams, taken: Container[str] = ()
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The fiducial markers of a CT, named F-1, F-2, … from superior to inferior, and what was found.

    Centres are the intensity-weighted means over each marker and its margin, background taken off: sub-voxel, and
    unbiased for a symmetric marker and point spread (Bose and Amir, "Design of fiducials for accurate registration
    using machine vision", IEEE PAMI 12(12), 1990). Candidates that are no markers are counted with the reason.
    """
    if volume.modality is not Modality.CT:
        note = Finding("fiducials", Level.NOTE, "not looked for: only a CT has the intensities to tell them")
        return PointSet(()), (note,)
    candidates = [_examined(volume, box, params) for box in _bright_bodies(volume, params)]
    good = [each for each in candidates if not each.reason]
    findings = [_rejected(candidates)] if len(good) < len(candidates) else []
    if 0 < len(good) < params.min_markers:
        measured = f"{len(good)} found and left out"
        advice = "Lower min_markers if they are real"
        limit = f"at least {params.min_markers}"
        findings.append(Finding("fiducials", Level.NOTE, measured, limit, advice, "the recipe"))
        good = []
    good.sort(key=lambda each: tuple(-round(value, 2) for value in each.centre[::-1]))
    names = (name for name in (f"F-{number}" for number in range(1, 10_000)) if name not in taken)
    points = PointSet(
        Landmark(next(names), each.centre, description=f"fiducial marker, diameter {each.diameter_mm:.1f} mm")
        for each in good
    )
    if good:
        sizes = ", ".join(f"{each.diameter_mm:.1f}" for each in good)
        findings.insert(0, Finding("fiducials", Level.NOTE, f"{len(good)} markers found, diameters {sizes} mm"))
    return points, tuple(findings)


def _rejected(candidates: list[Candidate]) -> Finding:
    counts: dict[str, int] = {}
    for each in candidates:
        if each.reason:
            counts[each.reason] = counts.get(each.reason, 0) + 1
    told = "; ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return Finding("fiducials-rejected", Level.NOTE, f"bright bodies of a marker's size that are none: {told}")


def _bright_bodies(volume: Volume, params: NavigationParams) -> list[tuple[slice, ...]]:
    """Boxes, (k, j, i) slices, of connected parts above `marker_hu` that are of a marker's size."""
    import SimpleITK as sitk
    from scipy import ndimage

    bright = volume.array > params.marker_hu
    if not bright.any():
        return []
    spots = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(bright.view(np.uint8)), True))
    boxes = ndimage.find_objects(spots)
    largest = params.marker_diameter_mm[1] * 1.3 / volume.grid.spacing[::-1] + 1
    return [
        box
        for box in boxes
        if all(part.stop - part.start <= most for part, most in zip(box, largest, strict=True)) and spots[box].size >= 8
    ]


def _examined(volume: Volume, box: tuple[slice, ...], params: NavigationParams) -> Candidate:
    start, patch = _surroundings(volume, box)
    inner = patch[tuple(slice(part.start - at, part.stop - at) for part, at in zip(box, start, strict=True))]
    peak = float(np.percentile(inner, 90))
    ring = _outer(patch)
    around = float(np.median(ring))
    weights = np.clip(patch.astype(np.float64) - around, 0, None)
    half = weights > (peak - around) / 2
    # beyond the half maximum and its neighbours there is only noise
    weights[~_grown(half, volume)] = 0
    total = weights.sum()
    index = np.indices(patch.shape).reshape(3, -1)[::-1]
    flat = weights.ravel()
    mean = (index @ flat) / total
    moments = _moments(half, volume)
    centre = volume.grid.lps_from_ijk.apply(mean + np.array(start)[::-1])
    size = half.sum() * volume.grid.voxel_volume_mm3
    diameter = float((6 * size / np.pi) ** (1 / 3))
    return Candidate(centre, diameter, _why_none(diameter, moments, peak, around, ring, params))


def _moments(half: NDArray[np.bool_], volume: Volume) -> Array:
    """(3,) second moments of the body at half maximum, mm², smallest first; of the voxels as boxes."""
    spacing = volume.grid.spacing
    places = np.argwhere(half)[:, ::-1] * spacing
    spread = np.cov(places.T, bias=True) if len(places) > 1 else np.zeros((3, 3))
    # a box of width h has the second moment h²/12 about its own centre
    return np.maximum(np.linalg.eigvalsh(spread + np.diag(spacing**2) / 12), 1e-9)


def _why_none(
    diameter: float, moments: Array, peak: float, around: float, ring: NDArray[Any], params: NavigationParams
) -> str:
    low, high = params.marker_diameter_mm
    if not low <= diameter <= high:
        return f"not {low:g} to {high:g} mm in diameter"
    if np.sqrt(moments[-1] / max(moments[0], 1e-9)) > MOST_ELONGATED:
        return "elongated"
    if float(np.percentile(ring, 98)) > around + BRIGHTER_THAN_AROUND * (peak - around):
        return "beside something as bright"
    ball = 4 / 3 * np.pi * np.sqrt(5 * moments).prod()
    if not SOLIDITY[0] <= np.pi / 6 * diameter**3 / ball <= SOLIDITY[1]:
        return "no ball"
    return ""


def _surroundings(volume: Volume, box: tuple[slice, ...]) -> tuple[tuple[int, ...], NDArray[Any]]:
    """The box with its margin, cut at the scan's border: first voxel (k, j, i) and the voxels."""
    margin = np.ceil(MARGIN_MM / volume.grid.spacing[::-1]).astype(int) + 1
    low = [max(0, part.start - more) for part, more in zip(box, margin, strict=True)]
    high = [min(size, part.stop + more) for part, more, size in zip(box, margin, volume.grid.shape, strict=True)]
    return tuple(low), volume.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]


def _outer(patch: NDArray[Any]) -> NDArray[Any]:
    """The voxels on the faces of a patch."""
    shell = np.ones(patch.shape, dtype=bool)
    shell[tuple(slice(1, -1) if size > 2 else slice(None) for size in patch.shape)] = False
    return patch[shell] if shell.any() else patch.ravel()


def _grown(mask: NDArray[np.bool_], volume: Volume) -> NDArray[np.bool_]:
    """The mask and its neighbours up to a millimetre away, one voxel at least."""
    from scipy import ndimage

    steps = max(1, round(1.0 / float(volume.grid.spacing.min())))
    grown: NDArray[np.bool_] = ndimage.binary_dilation(mask, structure=np.ones((3, 3, 3)), iterations=steps)
    return grown
