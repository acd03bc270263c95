"""Which slices make a volume together, and which volume of a folder is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.formats.dicom import DicomTree, SliceHeader

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
FEWEST_SLICES = 3
"""With fewer slices nothing can be said of their steps."""

AS_GOOD = 0.8
"""A second volume with at least this share of the best one's slices is as good: then the user has to choose."""


@dataclass(frozen=True)
class Series:
    """Slices that share series, orientation, size and kind, in no order yet."""

    number: int
    slices: tuple[SliceHeader, ...]

    @property
    def first(self) -> SliceHeader:
        """Any of the slices: all agree in what makes them a series."""
        return self.slices[0]

    def told(self) -> str:
        """One line that tells the series from others; nothing in it identifies a patient."""
        first = self.first
        words = [f"number {self.number}", first.modality or "no modality", f"{len(self.slices)} slices"]
        words += [f"kernel {first.kernel}"] if first.kernel else []
        words += [f"{first.columns}×{first.rows}"]
        return ", ".join(words)


def group(slices: Iterable[SliceHeader]) -> tuple[tuple[Series, ...], tuple[tuple[Path, str], ...]]:
    """The volumes among the slices, numbered from 1 in the order of their series numbers, and what is left over."""
    volumes: dict[tuple[object, ...], list[SliceHeader]] = {}
    left: list[tuple[Path, str]] = []
    for each in slices:
        reason = why_no_volume(each)
        if reason:
            left.append((each.path, reason))
        else:
            volumes.setdefault(_kind(each), []).append(each)
    ordered = sorted(
        volumes.values(), key=lambda part: (part[0].series_number or 0, part[0].series_uid, str(part[0].path))
    )
    return tuple(Series(number, tuple(part)) for number, part in enumerate(ordered, 1)), tuple(left)


def _rank(part: list[SliceHeader]) -> tuple[int, str, str]:
    return part[0].series_number or 0, part[0].series_uid, str(part[0].path)


def why_no_volume(each: SliceHeader) -> str:
    """Why a slice cannot be part of a volume, or "" when it can."""
    reasons = {
        "is a localizer": "LOCALIZER" in each.image_type,
        "is a Secondary Capture": each.sop_class.startswith(SECONDARY_CAPTURE),
        "is a colour picture": each.samples != 1,
        "says neither where it lies nor how it is turned": each.position is None or each.orientation is None,
        "does not say how large its pixels are": not each.pixel_spacing or min(each.pixel_spacing) <= 0,
    }
    return next((reason for reason, so in reasons.items() if so), "")


def _kind(each: SliceHeader) -> tuple[object, ...]:
    orientation = tuple(round(value, 3) + 0.0 for value in each.orientation or ())
    spacing = tuple(round(value, 4) for value in each.pixel_spacing or ())
    return (
        *(each.series_uid, each.modality, each.rows, each.columns, orientation, spacing),
        *(each.image_type[2:4], each.kernel, each.echo_time, each.transfer_syntax, each.signed, each.bits_allocated),
    )


def choose(tree: DicomTree, wanted: str | None, source: Path) -> tuple[Series, tuple[Finding, ...]]:
    """The volume that is meant, and a finding that says why.

    `wanted` is a number of the list, a series UID, or the beginning of one. Without it, the volume with the most
    slices is taken, unless another one is as good.

    Raises
    ------
    BadInput
        There is no volume, or several are as good.
    WrongUsage
        `wanted` names none of them, or more than one.
    """
    series, left = group(tree.slices)
    usable = [each for each in series if len(each.slices) >= FEWEST_SLICES]
    if wanted is not None:
        return _named(series, wanted), ()
    if not usable:
        raise _no_volume(tree, series, left, source)
    best = max(usable, key=lambda each: (len(each.slices), -each.number))
    rivals = [each for each in usable if len(each.slices) >= AS_GOOD * len(best.slices)]
    if len(rivals) > 1:
        told = "; ".join(each.told() for each in rivals)
        raise BadInput(source, f"holds {len(rivals)} series that are as good: {told}", "one", "Pass --series NUMBER")
    others = len(series) - 1 + len(left) + len(tree.skipped)
    if not others:
        return best, ()
    measured = f"{best.told()} chosen for its number of slices; {len(series) - 1} other series, "
    measured += f"{len(left) + len(tree.skipped)} other files left out"
    return best, (
        Finding("series", Level.NOTE, measured, advice="Pass --series to choose another", source="DICOM headers"),
    )


def _named(series: Sequence[Series], wanted: str) -> Series:
    found = [each for each in series if wanted in (str(each.number), each.first.series_uid)]
    found = found or [each for each in series if wanted and each.first.series_uid.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    told = "; ".join(each.told() for each in found or series) or "there are none"
    count = "more than one series" if found else "no series"
    raise WrongUsage("--series", f"`{wanted}` names {count}", f"one of: {told}", "Pass one of these numbers")


def _no_volume(tree: DicomTree, series: Sequence[Series], left: Sequence[tuple[Path, str]], source: Path) -> BadInput:
    """Say why the folder holds no volume, with its best candidate."""
    advice = "Name the folder of a CT or MR series"
    broken = [each for each in tree.skipped if each.broken]
    if series:
        most = max(series, key=lambda each: len(each.slices))
        return BadInput(
            source, f"its largest series has {len(most.slices)} slices", f"at least {FEWEST_SLICES}", advice
        )
    if left:
        path, reason = left[0]
        return BadInput(path, reason, "slices of a volume", advice)
    if broken:
        return BadInput(broken[0].path, broken[0].reason, "a DICOM image", advice)
    if tree.skipped:
        return BadInput(tree.skipped[0].path, tree.skipped[0].reason, "a DICOM image", advice)
    return BadInput(source, "is empty", "slices of a volume", advice)
