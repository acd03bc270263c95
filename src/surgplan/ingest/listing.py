"""A table of the series of a source: what each holds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.formats.dicom import SliceHeader
from surgplan.ingest.correct import EXACT_MM
from surgplan.ingest.geometry import EVEN_MM, directions
from surgplan.ingest.series import Series
from surgplan.model.frames import Array
from surgplan.model.volume import Grid

HEADINGS = ("#", "modality", "description", "slices", "pixels", "voxel (mm)", "orientation", "kernel", "what is wrong")
PLANES = ("sagittal", "coronal", "axial")
STRAIGHT_DEG = 1.0
"""A plane that leans more than this is called oblique."""


@dataclass(frozen=True, slots=True)
class Row:
    """One series, or one image file. `number` is what `--series` takes; `trouble` is "" when it can be read.

    `spacing_mm` is that along i, j and k, the last one None when it is not known. `remarks` are what would be corrected
    or warned of. The description is the scanner's own text, or the file's name: it is shown, and never stored.
    """

    number: int
    series_uid: str
    modality: str
    description: str
    slices: int
    pixels: str
    spacing_mm: tuple[float | None, ...]
    orientation: str
    kernel: str
    trouble: str
    remarks: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """The row under `HEADINGS`."""
        known = any(self.spacing_mm)
        spacing = " × ".join("?" if step is None else f"{step:.2f}" for step in self.spacing_mm) if known else ""
        return (
            *(str(self.number), self.modality, self.description, str(self.slices or ""), self.pixels, spacing),
            *(self.orientation, self.kernel, self.trouble or "; ".join(self.remarks)),
        )

    def as_dict(self) -> dict[str, object]:
        """The same for `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Listing:
    """All rows, the number of the one that would be read, why that one or why none, and what belongs to no row."""

    rows: tuple[Row, ...]
    chosen: int | None
    why: str
    left_out: str

    def lines(self) -> list[str]:
        """What follows the table."""
        read = "would be read without --series" if self.chosen is not None else "none is read without --series"
        told = [f"left out: {self.left_out}"] if self.left_out else []
        return [*told, f"number {self.chosen} {read}" if self.chosen is not None else f"{read}: {self.why}"]

    def as_dict(self) -> dict[str, object]:
        """The same for `--json`."""
        series = [row.as_dict() for row in self.rows]
        return {"series": series, "chosen": self.chosen, "why": self.why, "left_out": self.left_out}


def rows(series: Sequence[Series]) -> tuple[Row, ...]:
    """The table, in the order of the series' numbers."""
    return tuple(_row(each) for each in series)


def _row(each: Series) -> Row:
    first, layout = each.first, each.layout
    step = None if layout is None else round(float(layout.usual_steps.min()), 4)
    along_j, along_i = first.pixel_spacing or (None, None)
    return Row(
        number=each.number,
        series_uid=first.series_uid,
        modality=first.modality,
        description=first.description,
        slices=len(each.slices),
        pixels=f"{first.columns}×{first.rows}",
        spacing_mm=(along_i, along_j, step),
        orientation=_lying(first),
        kernel=first.kernel,
        trouble="" if each.trouble is None else each.trouble.found,
        remarks=tuple(_remarks(each)),
    )


def image_row(number: int, name: str, modality: str, grid: Grid | None, trouble: str) -> Row:
    """The row of a file that is not DICOM; without a grid, it could not be read."""
    size, spacing = (grid.size, grid.spacing.tolist()) if grid is not None else ((0, 0, 0), (None, None, None))
    return Row(
        number=number,
        series_uid="",
        modality=modality,
        description=name,
        slices=size[2],
        pixels=f"{size[0]}×{size[1]}" if grid is not None else "",
        spacing_mm=tuple(spacing),
        orientation=how_it_lies(grid.direction) if grid is not None else "",
        kernel="",
        trouble=trouble,
    )


def how_it_lies(axes: Array) -> str:
    """The plane of the slices, how far it leans, and where i, j and k grow: `axial, LPS`, `coronal +12°, LIP`."""
    normal = axes[:, 2]
    main = int(np.abs(normal).argmax())
    lean = float(np.degrees(np.arccos(min(abs(float(normal[main])), 1.0))))
    plane = PLANES[main] + (f" leaning {lean:.0f}°" if lean > STRAIGHT_DEG else "")
    return f"{plane}, {Grid((1, 1, 1), (1, 1, 1), (0, 0, 0), axes).orientation_code()}"


def _lying(first: SliceHeader) -> str:
    try:
        row, column = directions(first)
    except BadInput:
        return "?"
    return how_it_lies(np.column_stack([row, column, np.cross(row, column)]))


def _remarks(each: Series) -> Iterator[str]:
    first, layout = each.first, each.layout
    if layout is not None and layout.drift_mm > EVEN_MM:
        yield f"gantry tilt of {layout.tilt_deg:.1f}°, will be resampled"
    if layout is not None and layout.unevenness_mm > EVEN_MM:
        yield f"steps from {layout.steps.min():.2f} to {layout.steps.max():.2f} mm, will be resampled"
    elif layout is not None and first.thickness and layout.usual_steps.max() > first.thickness + EXACT_MM:
        yield f"slices of {first.thickness:g} mm lie {layout.usual_steps.max():.2f} mm apart"
    if any(one.lossy for one in each.slices):
        yield "compressed with loss"
    if not each.is_original:
        yield "derived from another series"
