"""What the header of one slice says of the scan as a whole: contrast, compression, sides, date, kind of scanner.

Apart from the date, of which only the age of the scan is ever told, nothing here tells who the patient is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from surgplan.formats.dicom_elements import read_elements

TAGS = {
    "ImageType": 0x00080008,
    "StudyDate": 0x00080020,
    "SeriesDate": 0x00080021,
    "AcquisitionDate": 0x00080022,
    "AnatomicalOrientationType": 0x00102210,
    "ContrastBolusAgent": 0x00180010,
    "ContrastBolusAgentSequence": 0x00180012,
    "PatientOrientation": 0x00200020,
    "Laterality": 0x00200060,
    "ImageLaterality": 0x00200062,
    "LossyImageCompressionRatio": 0x00282112,
}


@dataclass(frozen=True)
class ScanContext:
    """What the header says; "" or None where it says nothing. `laterality` is `L`, `R`, `B`, `U` or ""."""

    contrast: bool = False
    lossy_ratio: float | None = None
    patient_orientation: tuple[str, ...] = ()
    laterality: str = ""
    quadruped: bool = False
    cone_beam: bool = False
    taken_on: date | None = None


def read_context(path: Path) -> ScanContext:
    """The context that a file's header tells; an empty one when it cannot be read."""
    try:
        found = read_elements(path, frozenset(TAGS.values()))
    except (OSError, ValueError):
        found = None
    if found is None:
        return ScanContext()
    texts = {
        name: tuple(part.strip(" \0") for part in found.values[tag].data.decode("latin-1").split("\\"))
        for name, tag in TAGS.items()
        if tag in found.values and not name.endswith("Sequence")
    }

    def first(name: str) -> str:
        return texts.get(name, ("",))[0]

    agents = found.values.get(TAGS["ContrastBolusAgentSequence"])
    return ScanContext(
        contrast=first("ContrastBolusAgent").casefold() not in ("", "none", "no", "n")
        or bool(agents and agents.length),
        lossy_ratio=max(filter(None, map(_number, texts.get("LossyImageCompressionRatio", ()))), default=None),
        patient_orientation=texts.get("PatientOrientation", ()),
        laterality=first("ImageLaterality") or first("Laterality"),
        quadruped=first("AnatomicalOrientationType") == "QUADRUPED",
        cone_beam=any("CBCT" in part.upper() or "CONE" in part.upper() for part in texts.get("ImageType", ())),
        taken_on=_date(first("AcquisitionDate")) or _date(first("SeriesDate")) or _date(first("StudyDate")),
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
