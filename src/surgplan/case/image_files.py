"""Image files that are not DICOM, in a folder or an archive: which of them is the scan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from surgplan.case.opened import OpenSource
from surgplan.errors import BadInput, SurgplanError, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.formats.images import read_image
from surgplan.ingest.gate import check_scan
from surgplan.ingest.listing import Row, image_row
from surgplan.ingest.stage import IngestParams

MOST_TOLD = 12


def image_rows(images: Sequence[Path], before: int, source: OpenSource, params: IngestParams) -> Iterator[Row]:
    """A row for each image file, numbered after the `before` DICOM series; every one is read whole."""
    for number, path in enumerate(images, before + 1):
        name = path.relative_to(source.root).as_posix() if path != source.root else path.name
        try:
            volume, _ = read_image(path, params.frame)
        except SurgplanError as error:
            yield image_row(number, name, "", None, error.found)
            continue
        try:
            check_scan(volume.array, volume.modality, path)
        except BadInput as error:
            yield image_row(number, name, str(volume.modality), volume.grid, error.found)
        else:
            yield image_row(number, name, str(volume.modality), volume.grid, "")


def choose_image(
    images: Sequence[Path], before: int, source: OpenSource, params: IngestParams
) -> tuple[Path, tuple[Finding, ...]]:
    """The image file that is meant: the one that was asked for, the only one, or the only one that is a scan.

    Raises
    ------
    BadInput
        Several are scans, or none is.
    WrongUsage
        The one that was asked for is not there.
    """
    if params.series is not None:
        return _named(images, before, params.series), ()
    if len(images) == 1:
        return images[0], ()
    rows = list(image_rows(images, before, source, params))
    sound = [row for row in rows if not row.trouble]
    if len(sound) == 1:
        told = f"number {sound[0].number} of {len(rows)} image files: the only one that is a scan"
        return images[sound[0].number - before - 1], (Finding("series", Level.NOTE, told),)
    shown = "; ".join(f"number {row.number}, {row.description}" for row in (sound or rows)[:MOST_TOLD])
    what = f"{len(sound)} image files that are scans" if sound else f"{len(rows)} image files, none of them a scan"
    advice = "Pass --series NUMBER, or name the file itself; --list tells what is wrong with each"
    raise BadInput(source.given, f"holds {what} ({shown})", "one scan", advice)


def _named(images: Sequence[Path], before: int, wanted: str) -> Path:
    for number, path in enumerate(images, before + 1):
        if wanted in (str(number), path.name):
            return path
    advice = "Pass one of the numbers that --list shows"
    raise WrongUsage("--series", f"`{wanted}` names no image file", f"a number up to {before + len(images)}", advice)
