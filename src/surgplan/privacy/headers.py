"""What in the headers of a scan identifies a patient, or who scanned: all text that is not known to be technical.

DICOM PS3.15, table E.1-1, lists what de-identification removes. Its sense is kept here the safe way round: names,
dates, identifiers and free text count wherever they stand, in nested sequences and private tags too, unless their
attribute is one of the few that describe the machine. Coded strings and numbers of the standard's own attributes
identify nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from surgplan.errors import BadInput

TECHNICAL = frozenset(
    [
        *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ConvolutionKernel", "ContrastBolusAgent"),
        *("ContrastBolusRoute", "FilterMaterial", "SequenceName", "RescaleType", "CodeValue", "CodeMeaning"),
        *("CodingSchemeVersion", "CodingSchemeDesignator", "ImplementationVersionName", "TransducerData"),
        *("ReceiveCoilName", "TransmitCoilName", "PulseSequenceName", "PositionReferenceIndicator", "LUTExplanation"),
        *("AnodeTargetMaterial", "WindowCenterWidthExplanation", "DerivationDescription", "DeidentificationMethod"),
        *("TimezoneOffsetFromUTC", "ContextGroupVersion"),
    ]
)
"""Text attributes that describe the machine, the method or a code."""
TEXT_VRS = frozenset(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
PRIVATE_VRS = TEXT_VRS | {"CS", "IS", "DS", "AS", "UN", "OB"}
LONGEST_TEXT = 1024
"""Longer private values are protocols and curves of the machine."""
SHORTEST, SHORTEST_NAME, SHORTEST_NUMBER = 4, 3, 5
"""Shorter values are found by chance everywhere."""
MOST_DEEP = 64


WHO = frozenset(
    [
        *("PatientName", "PatientID", "OtherPatientNames", "OtherPatientIDs", "PatientBirthName", "PatientBirthDate"),
        *("PatientMotherBirthName", "PatientAddress", "PatientTelephoneNumbers", "AccessionNumber", "AdmissionID"),
        *("MedicalRecordLocator", "ResponsiblePerson"),
    ]
)
"""Attributes that say who the patient is."""


class Kind(StrEnum):
    """How a value may be written elsewhere."""

    NAME = "name"
    TEXT = "text"
    DATE = "date"
    UID = "uid"


@dataclass(frozen=True, slots=True)
class Secret:
    """One identifying value of a header: which attribute holds it, the value, and its kind."""

    where: str
    value: str
    kind: Kind

    @property
    def masked(self) -> str:
        """The attribute and as much of the value as identifies nobody."""
        return f"{self.where}, {self.value[:1]}… ({len(self.value)} characters)"


@dataclass(frozen=True)
class Header:
    """The identifying values of a scan, what its headers say of the machine, and how many files were read.

    `short` counts identifying values that are too short to be looked for.
    """

    secrets: tuple[Secret, ...]
    technical: frozenset[str]
    files: int
    short: int


def read_secrets(files: Iterable[Path]) -> Header:
    """The identifying values of all DICOM files among these; each value once.

    Raises
    ------
    BadInput
        None of the files is DICOM.
    """
    found: dict[tuple[str, Kind], Secret] = {}
    technical: set[str] = set()
    short: set[str] = set()
    count = 0
    first = None
    for path in files:
        first = first or path
        data = _dataset(path)
        if data is None:
            continue
        count += 1
        for tag, keyword, vr, value in _elements(data):
            if keyword in TECHNICAL:
                technical |= {text.casefold() for text in _texts(value)}
                continue
            for secret in _secrets(tag, keyword, vr, value):
                found.setdefault((secret.value, secret.kind), secret) if _is_long(secret) else short.add(secret.value)
    if not count:
        raise BadInput(first or "source", "holds no DICOM header", "the scan of the case", "Name the DICOM folder")
    kept = tuple(each for each in found.values() if not _is_technical(each, technical))
    return Header(kept, frozenset(technical), count, len(short))


def _is_technical(secret: Secret, technical: set[str]) -> bool:
    """Whether the value describes the machine: it is, or is a whole part of, what a technical attribute says too.

    Scanners repeat their model in private elements. What says who the patient is never counts as technical.
    """
    value = secret.value.casefold()
    if value in technical:
        return True
    if secret.kind is not Kind.TEXT or secret.where in WHO:
        return False
    return any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for text in technical)


def _dataset(path: Path) -> Any:
    import warnings

    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            head = file.read(132)
            file.seek(0)
            return pydicom.dcmread(file, stop_before_pixels=True, force=head[128:] != b"DICM" and head[1:2] == b"\0")
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError, EOFError, TypeError):
        return None


def _elements(data: Any, depth: int = 0) -> Iterator[tuple[Any, str, str, Any]]:
    """Tag, keyword, VR and value of every element, also of the file meta group and of nested items."""
    if depth > MOST_DEEP:
        return
    for tag in sorted(data.keys()):
        try:
            element = data[tag]
        except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError, EOFError, OverflowError):
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _elements(item, depth + 1)
        elif element.value not in (None, ""):
            yield element.tag, element.keyword, element.VR, element.value
    meta = getattr(data, "file_meta", None)
    if depth == 0 and meta is not None:
        yield from _elements(meta, 1)


def _texts(value: Any) -> list[str]:
    """The values of an element as clean text; bytes that are no text give nothing."""
    if isinstance(value, bytes):
        value = _readable(value).split("\\")
    values = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return [text for each in values if (text := str(each).strip(" \0\t\r\n"))]


def _readable(value: bytes) -> str:
    if len(value) > LONGEST_TEXT:
        return ""
    plain = value.strip(b" \0")
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = plain.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            return text
    return ""


def _secrets(tag: Any, keyword: str, vr: str, value: Any) -> Iterator[Secret]:
    where = keyword if keyword else f"private ({tag.group:04X},{tag.element:04X})"
    if tag.is_private and (tag.element < 0x100 or vr not in PRIVATE_VRS | {"DA", "DT", "UI"}):
        return
    for text in _texts(value):
        if len(text) > LONGEST_TEXT and tag.is_private:
            continue
        if vr == "UI":
            if not text.startswith("1.2.840.10008."):
                yield Secret(where, text, Kind.UID)
        elif vr in ("DA", "DT") or (vr in ("UN", "LO", "SH") and _is_date(text)):
            if _is_date(text[:8]):
                yield Secret(where, text[:8], Kind.DATE)
        elif vr == "PN":
            yield Secret(where, text, Kind.NAME)
        elif vr in TEXT_VRS or (tag.is_private and _is_telling(text)):
            yield Secret(where, text, Kind.TEXT)


def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"(18|19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", text))


def _is_telling(text: str) -> bool:
    """Whether a private number or code may identify somebody: six digits, or letters."""
    return not re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", text) or (text.isdigit() and len(text) >= 6)


def words_of(value: str) -> list[str]:
    """The words of a value that are long enough to be looked for by themselves."""
    words = re.findall(r"\w+", value)
    return [word for word in words if len(word) >= (SHORTEST_NUMBER if word.isdigit() else SHORTEST_NAME)]


def _is_long(secret: Secret) -> bool:
    if secret.kind is Kind.NAME:
        return bool(words_of(secret.value))
    plain = re.sub(r"\W", "", secret.value)
    return len(plain) >= (SHORTEST_NUMBER if plain.isdigit() else SHORTEST)
