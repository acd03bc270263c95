"""How the slices of a series lie in space, measured from their positions; what is no stack of slices is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from surgplan.errors import BadInput, blaming
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.limits import check_place
from surgplan.model.frames import Array
from surgplan.model.volume import Grid

FEWEST_SLICES = 3
"""With fewer slices nothing can be said of their steps."""
SAME_PLACE_MM = 0.01
"""Slices nearer than this to each other lie at the same place."""
EVEN_MM = 0.05
"""How far a slice may lie from its place in an even stack: positions in headers are often rounded to 0.1 mm."""
ENDS_MM = 0.001
"""An even stack has its first and last slice where they say they are."""
GAP, OVERLAP = 1.5, 0.5
"""A step longer, or shorter, than this many usual ones is a gap, or two acquisitions that overlap."""
LARGEST_TURN_MM = 0.5
"""Directions with three digits are this far off at the end of a slice; what is further off is no rounding."""
WIDEST_FILL_MM = 10.0
"""A wider gap holds anatomy that nobody can guess."""
EXPORT_AGAIN = "Re-export the series from the scanner or the archive"


@dataclass(frozen=True, eq=False)
class Layout:
    """Slices in order along their normal, all of one size and orientation.

    `size` counts pixels along i and j, `pixel_mm` is their distance. The columns of `axes`, (3, 3), are the unit
    vectors along which i, j and k grow, LPS; the third, the normal, is the cross product of the others (DICOM PS3.3
    C.7.6.2.1.1), so they are right-handed. `positions`, (n, 3), are the centres of the first pixels, LPS mm. `turn_mm`
    is how far `axes` place a pixel from where a slice's own directions do, at most.
    """

    slices: tuple[SliceHeader, ...]
    size: tuple[int, int]
    pixel_mm: tuple[float, float]
    axes: Array
    positions: Array
    turn_mm: float = 0.0

    @cached_property
    def along(self) -> Array:
        """(n,) where the slices lie along the normal, mm."""
        return self.positions @ self.axes[:, 2]

    @cached_property
    def steps(self) -> Array:
        """(n - 1,) distances of neighbouring slices along the normal, mm."""
        return np.diff(self.along)

    @cached_property
    def usual_steps(self) -> Array:
        """(n - 1,) the step that is usual around each one: the lower median of it and three neighbours each side."""
        around = [np.sort(self.steps[max(at - 3, 0) : at + 4]) for at in range(len(self.steps))]
        return np.array([near[(len(near) - 1) // 2] for near in around])

    @cached_property
    def places(self) -> Array:
        """(n,) the nearest even places along the normal, mm: from end to end, or a least-squares line where rounded."""
        numbers = np.arange(len(self.along))
        step, start = (self.along[-1] - self.along[0]) / numbers[-1], self.along[0]
        if np.abs(self.along - (start + step * numbers)).max() > ENDS_MM:
            step, start = np.polyfit(numbers, self.along, 1)
        line: Array = start + step * numbers
        return line

    @cached_property
    def unevenness_mm(self) -> float:
        """How far a slice lies from its even place, at most."""
        return float(np.abs(self.along - self.places).max())

    @cached_property
    def shifts(self) -> Array:
        """(n, 2) how far each slice's first pixel lies from the first slice's along i and j, mm."""
        apart: Array = (self.positions - self.positions[0]) @ self.axes[:, :2]
        return apart

    @property
    def drift_mm(self) -> float:
        """How far the slices are shifted within their planes, at most; 0 in an orthogonal stack."""
        return float(np.linalg.norm(np.ptp(self.shifts, axis=0)))

    @property
    def tilt_deg(self) -> float:
        """The angle between the slices' normal and the line on which they lie: a gantry's tilt."""
        travel = float(self.along[-1] - self.along[0])
        return math.degrees(math.atan2(float(np.linalg.norm(self.shifts[-1])), travel))

    @cached_property
    def bend_mm(self) -> float:
        """How far a slice lies beside the straight line from the first to the last one, within its plane."""
        share = (self.along - self.along[0]) / (self.along[-1] - self.along[0])
        return float(np.linalg.norm(self.shifts - np.outer(share, self.shifts[-1]), axis=1).max())

    def grid(self) -> Grid:
        """The grid of an even and orthogonal stack; shifts within `EVEN_MM` are spread over all slices."""
        count = len(self.positions)
        step = round(float((self.places[-1] - self.places[0]) / (count - 1)), 9)
        middle = (self.shifts.min(axis=0) + self.shifts.max(axis=0)) / 2
        start = self.positions[0] + self.axes @ [*middle, self.places[0] - self.along[0]]
        with blaming(self.slices[0].path, EXPORT_AGAIN):
            return Grid((*self.size, count), (*self.pixel_mm, step), start, self.axes)


def lay_out(slices: Sequence[SliceHeader], fill_gaps: bool = False) -> Layout:
    """Sort slices of one size and orientation along their normal, and check that they follow each other.

    With `fill_gaps`, a gap up to `WIDEST_FILL_MM` is let through.

    Raises
    ------
    BadInput
        Too few slices, two at one place or too near to each other, a gap, or directions that are not at right angles.
    """
    first = slices[0]
    if len(slices) < FEWEST_SLICES:
        found = f"its series has {len(slices)} {'slice' if len(slices) == 1 else 'slices'}"
        advice = "Name the folder that holds the whole series"
        raise BadInput(first.path, found, f"at least {FEWEST_SLICES}", advice)
    row, column = directions(first)
    axes = np.column_stack([row, column, np.cross(row, column)])
    positions = np.array([each.position for each in slices], dtype=np.float64)
    check_place(first.path, first.pixel_spacing or (0.0, 0.0), float(np.abs(positions).max()))
    order = np.argsort(positions @ axes[:, 2], kind="stable")
    ordered = tuple(slices[number] for number in order)
    # PixelSpacing tells the distance of rows first: that is the step along j
    along_j, along_i = first.pixel_spacing or (0.0, 0.0)
    turned = np.array([each.orientation for each in slices], dtype=np.float64).reshape(-1, 2, 3) - axes[:, :2].T
    extents = (first.columns * along_i, first.rows * along_j)
    turn = float(np.linalg.norm(np.einsum("nac,a->nc", turned, extents), axis=1).max())
    layout = Layout(ordered, (first.columns, first.rows), (along_i, along_j), axes, positions[order], turn)
    _refuse_overlap(layout)
    _refuse_gap(layout, fill_gaps)
    return layout


def directions(first: SliceHeader) -> tuple[Array, Array]:
    """Unit vectors along rows and columns, made exactly orthogonal when the header's digits allow it."""
    row, column = np.array(first.orientation, dtype=np.float64).reshape(2, 3)
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    cosine = float(row @ column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(cosine)) > 1e-3:
        found = (
            f"row and column directions are {lengths[0]:.4f} and {lengths[1]:.4f} long, with the cosine {cosine:.4f}"
        )
        raise BadInput(first.path, found, "1, 1 and 0", EXPORT_AGAIN)
    row = row / lengths[0]
    column = column - (column @ row) * row
    return row, column / np.linalg.norm(column)


def _refuse_overlap(layout: Layout) -> None:
    """Slices at one place, or much nearer to each other than those around: copies, or acquisitions that overlap."""
    steps = layout.steps
    double = np.flatnonzero((steps < SAME_PLACE_MM) | (steps < OVERLAP * layout.usual_steps))
    if not len(double):
        return
    if steps.max() < SAME_PLACE_MM:
        found = f"all {len(layout.slices)} slices of its series lie at the same place"
        raise BadInput(layout.slices[0].path, found, "slices side by side", "Name a series that covers a volume")
    place = int(double[0])
    others = f", and so do {len(double) - 1} more" if len(double) > 1 else ""
    usual = float(np.median(steps[steps >= SAME_PLACE_MM]))
    found = f"lies {steps[place]:.2f} mm from slice {place + 1} ({layout.slices[place].path.name}){others}"
    advice = "Remove the copies, or export one acquisition only"
    raise BadInput(layout.slices[place + 1].path, found, f"a step of {usual:.2f} mm", advice)


def _refuse_gap(layout: Layout, fill_gaps: bool) -> None:
    """A step much longer than those around it; where the step changes for good, it is no gap."""
    allowed = WIDEST_FILL_MM if fill_gaps else 0.0
    gaps = np.flatnonzero((layout.steps > GAP * layout.usual_steps) & (layout.steps > allowed))
    if not len(gaps):
        return
    place = int(gaps[0])
    found = f"gap of {layout.steps[place]:.2f} mm after slice {place + 1}"
    found += f", one of {len(gaps)}" if len(gaps) > 1 else ""
    fillable = layout.steps[gaps].max() <= WIDEST_FILL_MM
    advice = (
        f"{EXPORT_AGAIN}, or pass --fill-gaps to interpolate (recorded in the manifest)" if fillable else EXPORT_AGAIN
    )
    raise BadInput(layout.slices[place].path, found, f"{layout.usual_steps[place]:.2f} mm", advice)
