"""A table of the series of a source: what each holds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from surgplan.errors import BadInput
from surgplan.ingest.series import Series

HEADINGS = ("#", "modality", "description", "slices", "pixels", "step (mm)", "axes", "kernel", "trouble")


@dataclass(frozen=True, slots=True)
class Row:
    """One series. `number` is what `--series` takes; `axes` tells where i, j and k grow; `trouble` is "" when sound.

    The description is the scanner's own text: it is shown, and never stored.
    """

    number: int
    series_uid: str
    modality: str
    description: str
    slices: int
    pixels: str
    step_mm: float | None
    axes: str
    kernel: str
    trouble: str

    def cells(self) -> tuple[str, ...]:
        """The row under `HEADINGS`."""
        step = "" if self.step_mm is None else f"{self.step_mm:.2f}"
        return (
            *(str(self.number), self.modality, self.description, str(self.slices), self.pixels, step),
            *(self.axes, self.kernel, self.trouble),
        )

    def as_dict(self) -> dict[str, str | int | float | None]:
        """The same for `--json`."""
        return asdict(self)


def rows(series: Sequence[Series]) -> tuple[Row, ...]:
    """The table, in the order of the series' numbers."""
    return tuple(_row(each) for each in series)


def _row(each: Series) -> Row:
    first, layout = each.first, each.layout
    axes = ""
    if layout is not None and each.trouble is None:
        try:
            axes = layout.grid().orientation_code()
        except BadInput:
            axes = "?"
    return Row(
        number=each.number,
        series_uid=first.series_uid,
        modality=first.modality,
        description=first.description,
        slices=len(each.slices),
        pixels=f"{first.columns}×{first.rows}",
        step_mm=None if layout is None else round(float(layout.usual_steps.min()), 4),
        axes=axes,
        kernel=first.kernel,
        trouble="" if each.trouble is None else each.trouble.found,
    )
