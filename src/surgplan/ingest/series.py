"""Which slices make a volume together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from surgplan.errors import BadInput
from surgplan.formats.dicom import SliceHeader
from surgplan.ingest.correct import check_layout
from surgplan.ingest.geometry import FEWEST_SLICES, Layout, lay_out

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
NO_SCANS = frozenset(["SEG", "RTDOSE", "RTIMAGE", "PR", "DOC", "SM", "CR", "DX", "MG", "RF", "US", "IVUS", "OCT", "ES"])
"""Modalities whose images are no slices of a scan, or are no scan of a patient's inside (DICOM PS3.3 C.7.3.1.1.1)."""
NO_PLACE, NO_SIZE = "an image that does not say where it lies", "an image that does not say how large its pixels are"
SAME_DIRECTION = 2e-4
"""Direction cosines nearer than this are the same: they move no pixel of a 500 mm slice by more than 0.1 mm."""
SAME_SPACING_MM = 1e-3

SOFT_KINDS: tuple[Callable[[SliceHeader], object], ...] = (
    lambda each: each.transfer_syntax,
    lambda each: each.stack,
    lambda each: each.acquisition,
    lambda each: each.image_type,
    lambda each: each.trigger_time,
    lambda each: each.thickness,
    lambda each: each.path.parent,
    lambda each: each.path if each.frames > 1 else None,
)
"""What may differ within one volume, but tells several apart where slices are in each other's way."""


@dataclass(frozen=True)
class Rules:
    """What the ingest stage lets through."""

    orthogonal: bool = True
    fill_gaps: bool = False


@dataclass(frozen=True, eq=False)
class Series:
    """Slices that belong together, how they lie, or what is wrong with them; counted from 1 in each source."""

    number: int
    slices: tuple[SliceHeader, ...]
    layout: Layout | None
    trouble: BadInput | None

    @property
    def first(self) -> SliceHeader:
        """Any of the slices: all agree in what makes them a series."""
        return self.slices[0]

    @property
    def is_original(self) -> bool:
        """Whether the scanner reconstructed it directly, not from another series."""
        return "DERIVED" not in self.first.image_type[:1] and "REFORMATTED" not in self.first.image_type

    def told(self) -> str:
        """One line that tells the series from others; nothing in it identifies a patient."""
        first = self.first
        words = [f"number {self.number}", first.modality or "no modality", f"{len(self.slices)} slices"]
        words += [f"{first.columns}×{first.rows}"]
        words += [f"step {self.layout.usual_steps.min():.2f} mm"] if self.layout else []
        words += [f"kernel {first.kernel}"] if first.kernel else []
        words += [f"echo {first.echo_time:g} ms"] if first.echo_time else []
        return ", ".join(words)


def group(
    slices: Iterable[SliceHeader], rules: Rules
) -> tuple[tuple[Series, ...], tuple[tuple[SliceHeader, str], ...]]:
    """The series among the slices, in the order of their DICOM numbers, and what belongs to none, with the reason."""
    judged = [(each, why_no_slice(each)) for each in slices]
    left = [(each, reason) for each, reason in judged if reason]
    parts: list[list[SliceHeader]] = []
    for alike in _alike([each for each, reason in judged if not reason]):
        parts += _split(alike, rules)
    parts.sort(key=lambda part: _order(part[0]))
    made = (_assessed(number, part, rules) for number, part in enumerate(parts, 1))
    return tuple(made), tuple(left)


def why_no_slice(each: SliceHeader) -> str:
    """Why an image cannot be part of a volume, or "" when it can."""
    reasons = {
        "a localizer": "LOCALIZER" in each.image_type,
        "a mosaic of many slices (export it as enhanced MR)": "MOSAIC" in each.image_type,
        "a Secondary Capture": each.sop_class.startswith(SECONDARY_CAPTURE),
        "a colour picture": each.samples != 1 or each.photometric not in ("", "MONOCHROME1", "MONOCHROME2"),
        f"an image of modality {each.modality}, no scan": each.modality in NO_SCANS,
        NO_PLACE: each.position is None or each.orientation is None,
        NO_SIZE: not each.pixel_spacing or min(each.pixel_spacing) <= 0,
    }
    return next((reason for reason, so in reasons.items() if so), "")


def _order(each: SliceHeader) -> tuple[object, ...]:
    return (each.series_number or 0, each.series_uid, each.acquisition or 0, each.temporal or 0, str(each.path))


def _alike(slices: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Slices by what can never differ within one volume."""
    alike: dict[tuple[object, ...], list[SliceHeader]] = {}
    turns: list[tuple[float, ...]] = []
    widths: list[tuple[float, ...]] = []
    for each in slices:
        kind = (
            *(each.patient, each.series_uid, each.frame_of_reference, each.modality, each.rows, each.columns),
            _cluster(each.orientation or (), turns, SAME_DIRECTION),
            _cluster(each.pixel_spacing or (), widths, SAME_SPACING_MM),
            *(each.image_type[:3], each.kernel, each.echo_time, each.temporal, each.diffusion),
        )
        alike.setdefault(kind, []).append(each)
    return list(alike.values())


def _cluster(values: tuple[float, ...], known: list[tuple[float, ...]], tolerance: float) -> int:
    """The number of the first known tuple that is the same within the tolerance; a new one when there is none."""
    for number, others in enumerate(known):
        if all(abs(one - other) <= tolerance for one, other in zip(values, others, strict=True)):
            return number
    known.append(values)
    return len(known) - 1


def _split(slices: list[SliceHeader], rules: Rules) -> list[list[SliceHeader]]:
    """One part when the slices make one volume; else the parts by the first property that makes each of them one."""
    if _sound(slices, rules):
        return [slices]
    for kind in SOFT_KINDS:
        parts: dict[object, list[SliceHeader]] = {}
        for each in slices:
            parts.setdefault(kind(each), []).append(each)
        if len(parts) > 1 and all(_sound(part, rules) for part in parts.values()):
            return list(parts.values())
    return [slices]


def _sound(slices: Sequence[SliceHeader], rules: Rules) -> bool:
    return len(slices) >= FEWEST_SLICES and _assessed(0, slices, rules).trouble is None


def _assessed(number: int, slices: Sequence[SliceHeader], rules: Rules) -> Series:
    layout = None
    try:
        layout = lay_out(slices, rules.fill_gaps)
        check_layout(layout, rules.orthogonal)
    except BadInput as trouble:
        return Series(number, tuple(slices), layout, trouble)
    return Series(number, layout.slices, layout, None)
