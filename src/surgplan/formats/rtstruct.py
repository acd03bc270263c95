"""DICOM RT Structure Sets: contours as masks on the scan's own slices.

A voxel belongs to a structure when its centre lies inside an odd number of its contours on that slice, so that a
contour within another one is a hole. Source: DICOM PS3.3 C.8.8.5 (structure sets), C.8.8.6 (ROI contours). Nothing that
identifies a patient is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.model.labels import LONGEST_NAME
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Grid

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
"""RT Structure Set Storage (PS3.4 B.5)."""
OFF_SLICE = 0.1
"""How far, as a share of the slices' distance, a contour may lie beside a slice."""
MOST_POINTS = 20_000_000
"""More points than any planning system writes."""
ON_THIS_SCAN = "Pass the scan that the contours were drawn on, as it was, without resampling"

Masks = tuple[tuple[NamedMask, ...], tuple[Finding, ...]]


def masks_of_contours(path: Path, stored: Any, grid: Grid) -> Masks:
    """One mask for each structure with closed contours, on the scan's grid, and what was doubtful.

    Raises
    ------
    BadInput
        There are no contours, or they do not lie on the scan's slices.
    """
    frames = {int(roi.ROINumber): str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in _rois(stored)}
    names = {int(roi.ROINumber): _name(roi) for roi in _rois(stored)}
    masks, findings, points = [], [], 0
    for roi in stored.get("ROIContourSequence") or []:
        number = int(roi.ReferencedROINumber)
        loops = [_loop(path, item) for item in roi.get("ContourSequence") or [] if _is_closed(item)]
        points += sum(len(loop) for loop in loops)
        if number not in names or not loops:
            continue
        if points > MOST_POINTS:
            raise BadInput(path, f"holds more than {MOST_POINTS} points", advice="Export fewer structures")
        whole, told = _filled(path, names[number], loops, grid)
        color = [int(channel) for channel in roi.get("ROIDisplayColor") or []]
        shown = (color[0], color[1], color[2]) if len(color) == 3 and all(0 <= c <= 255 for c in color) else None
        reference = {"frame_of_reference": frames[number], "color": shown, "source": path.name}
        masks.append(NamedMask.cut(names[number], grid, whole, **reference))
        findings += told
    if not masks:
        raise BadInput(path, "holds no closed contours", "at least one structure with some", "Export it again")
    return tuple(masks), tuple(findings)


def _rois(stored: Any) -> Iterable[Any]:
    return stored.get("StructureSetROISequence") or []


def _name(roi: Any) -> str:
    plain = "".join(letter for letter in str(roi.get("ROIName", "")) if letter.isprintable()).strip()
    return plain[:LONGEST_NAME] or f"structure-{int(roi.ROINumber)}"


def _is_closed(item: Any) -> bool:
    return str(item.get("ContourGeometricType", "")) in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR") and item.get(
        "ContourData"
    )


def _loop(path: Path, item: Any) -> Array:
    """(n, 3) corners, LPS mm."""
    values = np.array([float(value) for value in item.ContourData])
    if len(values) % 3 or len(values) < 9 or not np.isfinite(values).all():
        raise BadInput(path, f"a contour has {len(values)} coordinates", "three for each of at least three points")
    return values.reshape(-1, 3)


def _filled(path: Path, name: str, loops: list[Array], grid: Grid) -> tuple[NDArray[np.bool_], list[Finding]]:
    """(k, j, i) the voxels whose centres the contours surround; contours lie across one of the grid's axes."""
    places = [grid.ijk_from_lps.apply(loop) for loop in loops]
    axis = min(range(3), key=lambda axis: max(float(np.ptp(place[:, axis])) for place in places))
    whole = np.zeros(grid.shape, dtype=np.bool_)
    slices = np.moveaxis(whole, 2 - axis, 0)  # the two axes that are left stay in the order of the array
    across = [other for other in (2, 1, 0) if other != axis]
    used = set()
    for place in places:
        at = float(place[:, axis].mean())
        apart = float(np.abs(place[:, axis] - round(at)).max())
        if apart > OFF_SLICE:
            found = f"a contour of `{name}` lies {apart * grid.spacing[axis]:.2f} mm beside the scan's nearest slice"
            raise BadInput(path, found, f"at most {OFF_SLICE * grid.spacing[axis]:.2f} mm", ON_THIS_SCAN)
        if not 0 <= round(at) < grid.size[axis]:
            found = f"a contour of `{name}` lies {_beyond(at, grid, axis):.1f} mm beyond the scan's last slice"
            raise BadInput(path, found, "on one of its slices", ON_THIS_SCAN)
        used.add(round(at))
        _toggle(slices[round(at)], place[:, across[0]], place[:, across[1]])
    return whole, _told_gaps(name, used, grid, axis)


def _beyond(at: float, grid: Grid, axis: int) -> float:
    return float(max(-at, at - grid.size[axis] + 1) * grid.spacing[axis])


def _toggle(plane: NDArray[np.bool_], rows: Array, columns: Array) -> None:
    """Turn round each pixel of the plane whose centre lies inside the polygon; corners in (fractional) indices."""
    after_rows, after_columns = np.roll(rows, -1), np.roll(columns, -1)
    first, last = max(0, int(np.ceil(rows.min()))), min(len(plane) - 1, int(np.floor(rows.max())))
    for row in range(first, last + 1):
        crossing = (rows <= row) != (after_rows <= row)
        share = (row - rows[crossing]) / (after_rows[crossing] - rows[crossing])
        at = np.sort(columns[crossing] + share * (after_columns[crossing] - columns[crossing]))
        for left, right in zip(at[0::2], at[1::2], strict=True):
            plane[row, max(0, int(np.ceil(left))) : max(0, int(np.ceil(right)))] ^= True


def _told_gaps(name: str, used: set[int], grid: Grid, axis: int) -> list[Finding]:
    count = max(used) - min(used) + 1
    if len(used) == count:
        return []
    measured = f"contours on {len(used)} of {count} slices of {grid.spacing[axis]:.2f} mm: the others stay empty"
    advice = "Interpolate the contours where they were drawn"
    return [Finding("contours", Level.WARN, measured, "every slice", advice, "DICOM PS3.3 C.8.8.6", name)]
