"""Whether the slices of a series make a regular, orthogonal volume; measured from their positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.dicom import SliceHeader
from surgplan.model.frames import Array
from surgplan.model.volume import Grid

SAME_PLACE_MM = 0.01
"""Slices nearer than this to each other lie at the same place."""

STEP_TOLERANCE_MM = 0.05
"""How far a step may be from the usual one: positions in headers are often rounded to 0.1 mm."""

STEP_TOLERANCE_SHARE = 0.01
"""The same as a share of the step."""

GAP = 1.5
"""A step longer than this many usual ones is a gap."""

LARGEST_TILT_DEG = 0.1
"""A smaller angle between the slices' normal and their line moves no voxel of a 300 mm scan by more than 0.5 mm."""

EXPORT_AGAIN = "Re-export the series from the scanner or the archive"


@dataclass(frozen=True)
class Stack:
    """Slices in order along their normal, and the grid on which they lie."""

    slices: tuple[SliceHeader, ...]
    grid: Grid


def stack(slices: Sequence[SliceHeader]) -> Stack:
    """Sort slices by their position along the slice normal, and check that they are evenly spaced and not sheared.

    The normal is the cross product of row and column directions (DICOM PS3.3 C.7.6.2.1.1), so the grid is right-handed.

    Raises
    ------
    BadInput
        Two slices at one place, a gap, uneven steps, a tilted gantry, or directions that are not at right angles.
    """
    first = slices[0]
    row, column = _directions(first)
    normal = np.cross(row, column)
    positions = np.array([each.position for each in slices], dtype=np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    ordered = tuple(slices[number] for number in order)
    positions = positions[order]
    step = _step(ordered, positions @ normal)
    _refuse_tilt(ordered, positions, normal)
    spacing_row, spacing_column = first.pixel_spacing or (0.0, 0.0)
    with blaming(first.path, EXPORT_AGAIN):
        direction = np.column_stack([row, column, normal])
        # PixelSpacing gives the step between rows first: that is along the column direction
        grid = Grid(
            (first.columns, first.rows, len(slices)), (spacing_column, spacing_row, step), positions[0], direction
        )
    return Stack(ordered, grid)


def _directions(first: SliceHeader) -> tuple[Array, Array]:
    """Unit vectors along rows and columns, made exactly orthogonal when the header's digits allow it."""
    row, column = np.array(first.orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    cosine = float(row @ column)
    if abs(lengths[0] - 1) > 1e-3 or abs(lengths[1] - 1) > 1e-3 or abs(cosine) > 1e-3:
        found = (
            f"row and column directions have the lengths {lengths[0]:.4f}, {lengths[1]:.4f} and the cosine {cosine:.4f}"
        )
        raise BadInput(first.path, found, "1, 1 and 0", EXPORT_AGAIN)
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _step(slices: Sequence[SliceHeader], along: Array) -> float:
    """The distance of neighbouring slices, mm, when all are the same."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    place = int(steps.argmin())
    if steps[place] < SAME_PLACE_MM:
        found = f"lies {steps[place]:.3f} mm from {slices[place].path.name}, slice {place + 1}"
        raise BadInput(slices[place + 1].path, found, f"{usual:.2f} mm", "Export one acquisition only")
    place = int(steps.argmax())
    if steps[place] > GAP * usual:
        found = f"gap of {steps[place]:.2f} mm after slice {place + 1}"
        raise BadInput(slices[place].path, found, f"{usual:.2f} mm", EXPORT_AGAIN)
    allowed = max(STEP_TOLERANCE_MM, STEP_TOLERANCE_SHARE * usual)
    place = int(np.abs(steps - usual).argmax())
    if abs(steps[place] - usual) > allowed:
        found = f"step of {steps[place]:.2f} mm after slice {place + 1}"
        limit = f"{usual:.2f} ± {allowed:.2f} mm as between the other slices"
        raise BadInput(slices[place].path, found, limit, EXPORT_AGAIN)
    return float((along[-1] - along[0]) / (len(along) - 1))


def _refuse_tilt(slices: Sequence[SliceHeader], positions: Array, normal: Array) -> None:
    """Slices must lie on a line along their normal; else the volume is sheared, as by a tilted gantry."""
    travel = positions[-1] - positions[0]
    beside = travel - (travel @ normal) * normal
    angle = math.degrees(math.atan2(float(np.linalg.norm(beside)), float(travel @ normal)))
    if angle > LARGEST_TILT_DEG:
        found = f"gantry tilt of {angle:.1f}°: slices are shifted by {np.linalg.norm(beside):.1f} mm in all"
        limit = f"at most {LARGEST_TILT_DEG:g}°"
        raise BadInput(slices[0].path, found, limit, "Reconstruct the scan without tilt, or straighten it first")
    line = positions[0] + np.outer((positions - positions[0]) @ normal, travel / (travel @ normal))
    off = np.linalg.norm(positions - line, axis=1)
    place = int(off.argmax())
    if off[place] > max(STEP_TOLERANCE_MM, 0.5):
        found = f"slice {place + 1} lies {off[place]:.2f} mm beside the line of the others"
        raise BadInput(slices[place].path, found, "at most 0.50 mm", EXPORT_AGAIN)
