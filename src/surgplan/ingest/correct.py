"""From a layout of slices to a volume on an orthogonal grid: as it is, resampled and told, or refused.

A tilted gantry shifts each slice within its own plane. It is undone there, by interpolation along one pixel axis; no
slice is mixed with another. Uneven steps are interpolated linearly between neighbouring slices.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.ingest.geometry import EVEN_MM, EXPORT_AGAIN, GAP, LARGEST_TURN_MM, Layout
from surgplan.model.frames import Array
from surgplan.model.volume import Grid

EXACT_MM = 0.01
"""Below this a voxel lies where the header says."""
LARGEST_TILT_DEG = 35.0
"""CT gantries tilt by 30° at most; what is steeper is no tilt."""
TILT_AGREES_DEG = 1.0
"""Consoles show whole or half degrees."""
LARGEST_BEND_MM = 0.5
"""Slices that lie further beside their line were not taken in one go."""
LARGEST_RATIO = 5.0
"""Thick slices among ones this many times thinner hold too little to be interpolated."""
SOURCE = "DICOM PS3.3 C.7.6.2"


@dataclass(frozen=True, eq=False)
class Placed:
    """Voxels on their grid, what was found and corrected, and each correction as plain numbers for the manifest."""

    grid: Grid
    array: NDArray[Any]
    findings: tuple[Finding, ...] = ()
    corrections: tuple[dict[str, Any], ...] = ()


def check_layout(layout: Layout, orthogonal: bool) -> None:
    """Refuse what `place` could not put on an orthogonal grid, or may not when `orthogonal` is off.

    Raises
    ------
    BadInput
        Tilted, bent or uneven beyond what is corrected.
    """
    path = layout.slices[0].path
    if layout.turn_mm > LARGEST_TURN_MM:
        found = f"its directions place a pixel up to {layout.turn_mm:.2f} mm from where right angles do"
        raise BadInput(path, found, f"at most {LARGEST_TURN_MM:.2f} mm", EXPORT_AGAIN)
    if layout.bend_mm > LARGEST_BEND_MM:
        found = f"a slice of its series lies {layout.bend_mm:.2f} mm beside the line of the others"
        raise BadInput(path, found, f"at most {LARGEST_BEND_MM:.2f} mm", EXPORT_AGAIN)
    if layout.drift_mm > EVEN_MM and (not orthogonal or layout.tilt_deg > LARGEST_TILT_DEG):
        found = f"gantry tilt of {layout.tilt_deg:.1f}°, which shifts slices by {layout.drift_mm:.1f} mm in all"
        if layout.tilt_deg > LARGEST_TILT_DEG:
            raise BadInput(path, found, f"at most {LARGEST_TILT_DEG:g}°", EXPORT_AGAIN)
        raise BadInput(path, found, "none", "Pass --orthogonal to resample it")
    ratio = float(layout.usual_steps.max() / layout.usual_steps.min())
    if layout.unevenness_mm > EVEN_MM and (not orthogonal or ratio > LARGEST_RATIO):
        found = f"its series has steps from {layout.steps.min():.2f} to {layout.steps.max():.2f} mm"
        advice = EXPORT_AGAIN if ratio > LARGEST_RATIO else "Pass --orthogonal to resample it"
        raise BadInput(path, found, f"even steps of {layout.usual_steps.min():.2f} mm", advice)


def place(layout: Layout, array: NDArray[Any], outside: float) -> Placed:
    """The slices' voxels, (k, j, i), on an orthogonal grid; what lies outside the slices becomes `outside`.

    `check_layout` must have passed.
    """
    tilted, uneven = layout.drift_mm > EVEN_MM, layout.unevenness_mm > EVEN_MM
    if not tilted and not uneven:
        return Placed(layout.grid(), array, (*_turned(layout), *_told_otherwise(layout), *_rounding(layout)))
    findings: list[Finding] = [*_turned(layout), *_told_otherwise(layout)]
    corrections: list[dict[str, Any]] = []
    if tilted:
        findings.append(_told_tilt(layout))
        corrections.append(_record(layout, "gantry tilt", "cubic within slices"))
        layout, array = _untilted(layout, array, outside)
    if uneven:
        findings.append(_told_uneven(layout))
        corrections.append(_record(layout, "uneven steps", "linear between slices"))
        return Placed(*_evened(layout, array), tuple(findings), tuple(corrections))
    return Placed(layout.grid(), array, tuple(findings), tuple(corrections))


def _turned(layout: Layout) -> tuple[Finding, ...]:
    if layout.turn_mm <= EXACT_MM:
        return ()
    told = f"directions are rounded: pixels may lie up to {layout.turn_mm:.3f} mm from where the headers say"
    return (Finding("slice-directions", Level.NOTE, told, f"{EXACT_MM} mm", source=SOURCE),)


def _told_otherwise(layout: Layout) -> tuple[Finding, ...]:
    """A header that tells of a tilt which neither directions nor positions show: lost on the way, or undone before."""
    told = abs(layout.slices[0].tilt_deg or 0.0)
    lean = math.degrees(math.acos(min(float(np.abs(layout.axes[:, 2]).max()), 1.0)))
    if max(layout.tilt_deg, lean) >= told - TILT_AGREES_DEG:
        return ()
    measured = f"the header tells of a gantry tilt of {told:.1f}°, but directions and positions show none"
    advice = "If it was not undone by the scanner, the volume is sheared: compare a known length or angle"
    return (Finding("gantry-tilt", Level.WARN, measured, f"{TILT_AGREES_DEG:g}°", advice, "DICOM PS3.3 C.8.2.1"),)


def _rounding(layout: Layout) -> tuple[Finding, ...]:
    off = max(layout.unevenness_mm, layout.drift_mm / 2)
    if off <= EXACT_MM:
        return ()
    told = f"slices lie up to {off:.3f} mm from an even stack; taken for rounding in the headers"
    return (Finding("slice-positions", Level.NOTE, told, f"{EXACT_MM} mm", source=SOURCE),)


def _told_tilt(layout: Layout) -> Finding:
    told = f"gantry tilt of {layout.tilt_deg:.1f}°, slices shifted by {layout.drift_mm:.1f} mm in all: shifted back "
    told += "within their planes by cubic interpolation"
    advice = "Look at the volume before it is used; scan without tilt next time"
    return Finding("gantry-tilt", Level.WARN, told, "0°", advice, SOURCE)


def _told_uneven(layout: Layout) -> Finding:
    gaps = int(np.count_nonzero(layout.steps > GAP * layout.usual_steps))
    told = f"steps from {layout.steps.min():.2f} to {layout.steps.max():.2f} mm"
    told += f", {gaps} of them gaps that were filled" if gaps else ""
    told += f": resampled to {layout.usual_steps.min():.2f} mm by linear interpolation between slices"
    advice = "Look at the volume before it is used; re-export the series if slices are missing"
    return Finding("uneven-steps", Level.WARN, told, f"{EVEN_MM} mm", advice, SOURCE)


def _record(layout: Layout, what: str, interpolation: str) -> dict[str, Any]:
    """Where the slices lay before the correction: an affine from slice indices to LPS, and each slice's own place."""
    source = np.eye(4)
    source[:3, :2] = layout.axes[:, :2] * layout.pixel_mm
    source[:3, 2] = (layout.positions[-1] - layout.positions[0]) / (len(layout.positions) - 1)
    source[:3, 3] = layout.positions[0]
    return {
        "corrected": what,
        "interpolation": interpolation,
        "tilt_deg": round(layout.tilt_deg, 4),
        "lps_from_source_ijk": source.tolist(),
        "slices_along_normal_mm": [round(float(place), 4) for place in layout.along],
    }


def _untilted(layout: Layout, array: NDArray[Any], outside: float) -> tuple[Layout, NDArray[Any]]:
    """Each slice shifted within its plane, onto pixels that lie above each other."""
    start = layout.shifts.min(axis=0)
    offsets = (layout.shifts - start) / np.array(layout.pixel_mm)  # (n, 2) pixels along i and j
    spread = offsets.max(axis=0)
    offsets[:, spread * np.array(layout.pixel_mm) <= EXACT_MM] = 0.0
    more_i, more_j = (int(np.ceil(extent - 1e-6)) for extent in offsets.max(axis=0))
    shape = (array.shape[0], array.shape[1] + more_j, array.shape[2] + more_i)
    straight = np.empty(shape, array.dtype)

    def shift(number: int) -> None:
        plane = array[number].astype(np.float32)
        plane = shifted(plane, float(offsets[number, 1]), more_j, outside)
        plane = shifted(plane.T, float(offsets[number, 0]), more_i, outside).T if more_i else plane
        straight[number] = _fitting(plane, array.dtype)

    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0)))) as pool:
        list(pool.map(shift, range(len(array))))
    origin = layout.positions[0] + layout.axes[:, :2] @ start
    positions = origin + np.outer(layout.along - layout.along[0], layout.axes[:, 2])
    return replace(layout, size=(shape[2], shape[1]), positions=positions), straight


def shifted(plane: NDArray[np.float32], offset: float, more: int, outside: float) -> NDArray[np.float32]:
    """A plane with `more` rows whose row r holds the old row r - `offset`: cubic, or `outside` where there is none.

    Source: Keys, "Cubic convolution interpolation", IEEE Trans. ASSP 29, 1981, with a = -1/2.
    """
    whole = int(np.floor(offset))
    part = np.float32(offset - whole)
    count, width = plane.shape
    wide = np.full((count + more + 4, width), outside, np.float32)
    wide[whole + 2 : whole + 2 + count] = plane
    if part == 0:
        return wide[2 : 2 + count + more]
    # the border rows reach outwards, so that cubic weights do not ring against the outside
    wide[whole : whole + 2] = plane[0]
    wide[whole + 2 + count : whole + 4 + count] = plane[-1]
    back = 1 - part  # the old row r - offset lies this far behind the old row r - whole - 1
    taps = (
        ((-0.5 * back + 1.0) * back - 0.5) * back,
        (1.5 * back - 2.5) * back * back + 1.0,
        ((-1.5 * back + 2.0) * back + 0.5) * back,
        (0.5 * back - 0.5) * back * back,
    )
    result: NDArray[np.float32] = sum(  # type: ignore[assignment]
        np.float32(tap) * wide[at : at + count + more] for at, tap in enumerate(taps)
    )
    rows = np.arange(count + more) - offset
    result[(rows < -0.5) | (rows > count - 0.5)] = outside
    return result


def _evened(layout: Layout, array: NDArray[Any]) -> tuple[Grid, NDArray[Any]]:
    """Slices at even places, the finest usual step apart: linear interpolation between the two nearest ones."""
    travel = float(layout.along[-1] - layout.along[0])
    count = round(travel / float(layout.usual_steps.min())) + 1
    places: Array = np.linspace(layout.along[0], layout.along[-1], count)
    after = np.clip(np.searchsorted(layout.along, places), 1, len(layout.along) - 1)
    share = (places - layout.along[after - 1]) / layout.steps[after - 1]
    even = np.empty((count, *array.shape[1:]), array.dtype)
    for number, (top, part) in enumerate(zip(after, share, strict=True)):
        low, high = array[top - 1].astype(np.float32), array[top].astype(np.float32)
        even[number] = _fitting(low + np.float32(part) * (high - low), array.dtype)
    spacing = (*layout.pixel_mm, travel / (count - 1))
    return Grid((*layout.size, count), spacing, layout.positions[0], layout.axes), even


def _fitting(values: NDArray[np.float32], kind: np.dtype[Any]) -> NDArray[Any]:
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    return np.clip(np.rint(values), limits.min, limits.max).astype(kind)
