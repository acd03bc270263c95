"""Is the print as large as it should be? Distances measured on it against the ones that were meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array
from surgplan.params import Params

FLAT = 0.35
"""A distance runs within the layers when no more than this share of its direction is vertical: 20°."""
UPRIGHT = 0.94
"""And across them when at least this share is."""
FEWEST = 3
"""So many distances within the layers are needed to tell an offset from a scale."""
SPREAD = 2.0
"""And the longest must be so many times as long as the shortest."""
NONSENSE = 0.15
"""Nobody's print is off by so much: that is another scale, another unit, or another distance."""


class PrintCheckParams(Params):
    """What a print must keep."""

    tolerance_mm: float = Field(0.5, gt=0, le=10, description="most that a distance may be off, in mm")
    scale_limit: float = Field(0.01, gt=0, le=0.2, description="most that the scale may be off: 0.01 is 1 %")


@dataclass(frozen=True)
class Measured:
    """A distance as meant and as measured, mm on the print; its direction on the plate, (3,), zeros when not known."""

    name: str
    expected_mm: float
    measured_mm: float
    direction: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not (0 < self.expected_mm < 1e5 and 0 < self.measured_mm < 1e5):
            raise ValueError(f"`{self.name}`: {self.measured_mm:g} for {self.expected_mm:g} mm is no pair of lengths")

    @property
    def error_mm(self) -> float:
        """Measured less expected: positive where the print is too large."""
        return self.measured_mm - self.expected_mm

    @property
    def axis(self) -> str:
        """`xy` within the layers, `z` across them, `` between the two or not known."""
        rise = abs(self.direction[2])
        if not any(self.direction):
            return ""
        return "xy" if rise <= FLAT else "z" if rise >= UPRIGHT else ""


@dataclass(frozen=True)
class Errors:
    """Errors of some distances, mm: their mean (the bias), spread (n − 1), RMS and the largest by size."""

    count: int
    bias_mm: float
    sd_mm: float | None
    rms_mm: float
    worst_mm: float


@dataclass(frozen=True)
class PrintCheck:
    """What the distances tell.

    `scale` and `offset_mm` are those of the line measured = scale · expected + offset through the distances within the
    layers, None where they cannot be told apart; `xy_compensation_mm` is what the slicer program should add to outlines
    on each side, in all, so that the offset goes.
    """

    distances: tuple[Measured, ...]
    all: Errors
    within_layers: Errors | None
    across_layers: Errors | None
    scale: float | None
    offset_mm: float | None
    xy_compensation_mm: float | None
    findings: tuple[Finding, ...]

    @property
    def nonsense(self) -> bool:
        """Whether a distance is so far off that the check tells nothing of the printer."""
        return any(map(_is_nonsense, self.distances))


def check_print(distances: Sequence[Measured], params: PrintCheckParams, compensation_mm: float) -> PrintCheck:
    """Judge the distances; `compensation_mm` is what the slicer program added on each side when this was printed.

    Raises
    ------
    BadInput
        There are no distances.
    """
    if not distances:
        raise BadInput("print", "no distance was measured", "at least one", "Give --measured NAME=MM")
    within = [each for each in distances if each.axis == "xy"]
    line = None if any(map(_is_nonsense, distances)) else _line(within)
    scale, offset = line if line else (None, None)
    # outlines that grow by c on each side make outer distances longer by 2 c
    compensation = None if offset is None else round(compensation_mm - offset / 2, 3) + 0.0
    findings = tuple(_findings(distances, params, scale, offset, compensation))
    groups = [_errors(each) for each in (distances, within, [each for each in distances if each.axis == "z"])]
    assert groups[0] is not None
    return PrintCheck(tuple(distances), groups[0], groups[1], groups[2], scale, offset, compensation, findings)


def _is_nonsense(distance: Measured) -> bool:
    return abs(distance.error_mm) > NONSENSE * distance.expected_mm


def _errors(distances: Sequence[Measured]) -> Errors | None:
    if not distances:
        return None
    errors = np.array([each.error_mm for each in distances])
    spread = float(errors.std(ddof=1)) if len(errors) > 1 else None
    worst = float(errors[np.abs(errors).argmax()])
    return Errors(len(errors), float(errors.mean()), spread, float(np.sqrt((errors**2).mean())), worst)


def _line(distances: Sequence[Measured]) -> tuple[float, float] | None:
    """Scale and offset by least squares, where there are enough distances of different lengths."""
    expected, measured = (np.array([getattr(d, key) for d in distances]) for key in ("expected_mm", "measured_mm"))
    if len(distances) < FEWEST or expected.max() < SPREAD * expected.min():
        return None
    design: Array = np.column_stack([expected, np.ones(len(expected))])
    scale, offset = np.linalg.lstsq(design, measured, rcond=None)[0]
    return float(scale), float(offset)


def _findings(
    distances: Sequence[Measured],
    params: PrintCheckParams,
    scale: float | None,
    offset: float | None,
    compensation: float | None,
) -> Iterator[Finding]:
    for each in distances:
        if _is_nonsense(each):
            ratio = each.measured_mm / each.expected_mm
            measured = f"{each.measured_mm:g} mm is {ratio:.3g} times the {each.expected_mm:g} mm that were meant"
            advice = "Check unit and scale, and that this distance was meant; do not use the print"
            yield Finding("print-size", Level.REFUSE, measured, f"{1 + NONSENSE:g} times", advice, subject=each.name)
        elif abs(each.error_mm) > params.tolerance_mm:
            measured = f"{each.error_mm:+.2f} mm off {each.expected_mm:g} mm"
            advice = "Do not plan by this print; find the cause and print it again"
            limit = f"{params.tolerance_mm:g} mm"
            yield Finding("print-size", Level.REFUSE, measured, limit, advice, "tolerance_mm", each.name)
    if scale is not None and abs(scale - 1) > params.scale_limit:
        measured = f"the print is {scale:.4f} times as large as meant within the layers"
        advice = "Correct the scale in the slicer program, or calibrate the printer's steps"
        yield Finding("print-scale", Level.WARN, measured, f"{params.scale_limit:.1%}", advice, "scale_limit")
    if compensation is not None and offset is not None:
        measured = f"outlines are {offset / 2:+.3f} mm off on each side: an XY compensation of {compensation:+.3f} mm"
        advice = "Set it in the slicer program and in the profile (xy_compensation_mm), if other prints say the same"
        yield Finding("xy-compensation", Level.NOTE, measured, advice=advice)
    elif any(each.axis == "xy" for each in distances) and not any(map(_is_nonsense, distances)):
        measured = "too few distances within the layers to tell an offset from a scale: no XY compensation is suggested"
        advice = f"Measure at least {FEWEST}, the longest {SPREAD:g} times as long as the shortest"
        yield Finding("xy-compensation", Level.NOTE, measured, advice=advice)
