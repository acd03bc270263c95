"""What the elements of a DICOM header mean: text, numbers and sequences by keyword. Source: DICOM PS3.6."""

from __future__ import annotations

import math
from collections.abc import Iterator
from struct import calcsize, unpack

from surgplan.formats.dicom_elements import DicomFile, Value, items
from surgplan.formats.voxels import real

KEYWORDS: dict[str, tuple[int, str]] = {
    "OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity": (0x00041200, "UL"),
    "DirectoryRecordSequence": (0x00041220, "SQ"),
    "OffsetOfTheNextDirectoryRecord": (0x00041400, "UL"),
    "RecordInUseFlag": (0x00041410, "US"),
    "OffsetOfReferencedLowerLevelDirectoryEntity": (0x00041420, "UL"),
    "DirectoryRecordType": (0x00041430, "CS"),
    "ReferencedFileID": (0x00041500, "CS"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "AcquisitionDate": (0x00080022, "DA"),
    "AcquisitionDateTime": (0x0008002A, "DT"),
    "AcquisitionTime": (0x00080032, "TM"),
    "ImageType": (0x00080008, "CS"),
    "FrameType": (0x00089007, "CS"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "PatientName": (0x00100010, "PN"),
    "PatientID": (0x00100020, "LO"),
    "SliceThickness": (0x00180050, "DS"),
    "KVP": (0x00180060, "DS"),
    "EchoTime": (0x00180081, "DS"),
    "TriggerTime": (0x00181060, "DS"),
    "GantryDetectorTilt": (0x00181120, "DS"),
    "ConvolutionKernel": (0x00181210, "SH"),
    "PatientPosition": (0x00185100, "CS"),
    "EffectiveEchoTime": (0x00189082, "FD"),
    "DiffusionBValue": (0x00189087, "FD"),
    "MREchoSequence": (0x00189114, "SQ"),
    "MRDiffusionSequence": (0x00189117, "SQ"),
    "CardiacSynchronizationSequence": (0x00189118, "SQ"),
    "NominalCardiacTriggerDelayTime": (0x00209153, "FD"),
    "MRImageFrameTypeSequence": (0x00189226, "SQ"),
    "CTReconstructionSequence": (0x00189314, "SQ"),
    "CTImageFrameTypeSequence": (0x00189329, "SQ"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "SeriesNumber": (0x00200011, "IS"),
    "AcquisitionNumber": (0x00200012, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "FrameOfReferenceUID": (0x00200052, "UI"),
    "TemporalPositionIdentifier": (0x00200100, "IS"),
    "StackID": (0x00209056, "SH"),
    "FrameContentSequence": (0x00209111, "SQ"),
    "PlanePositionSequence": (0x00209113, "SQ"),
    "PlaneOrientationSequence": (0x00209116, "SQ"),
    "TemporalPositionIndex": (0x00209128, "UL"),
    "FrameAcquisitionNumber": (0x00209156, "US"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "PixelPaddingValue": (0x00280120, "US"),
    "PixelPaddingRangeLimit": (0x00280121, "US"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "LossyImageCompression": (0x00282110, "CS"),
    "ModalityLUTSequence": (0x00283000, "SQ"),
    "PixelMeasuresSequence": (0x00289110, "SQ"),
    "PixelValueTransformationSequence": (0x00289145, "SQ"),
    "SharedFunctionalGroupsSequence": (0x52009229, "SQ"),
    "PerFrameFunctionalGroupsSequence": (0x52009230, "SQ"),
}
WANTED = frozenset(tag for tag, _ in KEYWORDS.values())
DECISIVE = {
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames"),
    *("SamplesPerPixel", "BitsAllocated", "BitsStored", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
}
"""Numbers that decide where a voxel lies and what it means: one that cannot be read is not taken for an absent one."""
COUNTS = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}


class Fields:
    """The wanted elements of one data set or item, by keyword. What is absent, empty or nonsense is None or "".

    `at` tells where an item begins in its sequence.
    """

    def __init__(self, found: DicomFile, values: dict[int, Value] | None = None, at: int = 0) -> None:
        self.found, self.at = found, at
        self.values = found.values if values is None else values

    def __contains__(self, keyword: str) -> bool:
        return KEYWORDS[keyword][0] in self.values

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The values of a text element."""
        value = self.values.get(KEYWORDS[keyword][0])
        if value is None or not value.data:
            return ()
        try:
            text = value.data.decode("utf-8")
        except UnicodeDecodeError:
            text = value.data.decode("latin-1")
        return tuple(part.strip(" \0\t\r\n") for part in text.split("\\"))

    def text(self, keyword: str) -> str:
        """The first value of a text element, or ""."""
        return next(iter(self.texts(keyword)), "")

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """The values of a number element, () when one of them is not a finite number.

        Raises
        ------
        ValueError
            The element is `DECISIVE`, is not empty, and does not hold as many numbers as it should.
        """
        found = self._numbers(keyword)
        if keyword in DECISIVE and len(found) != COUNTS.get(keyword, 1):
            value = self.values.get(KEYWORDS[keyword][0])
            if value is not None and value.data.strip(b" \0"):
                # a damaged value may hold anything, also a name: it is not shown
                raise ValueError(f"its {keyword} is not {COUNTS.get(keyword, 1)} finite numbers")
        return found

    def _numbers(self, keyword: str) -> tuple[float, ...]:
        tag, usual = KEYWORDS[keyword]
        value = self.values.get(tag)
        if value is None or not value.data:
            return ()
        vr = value.vr.decode("latin-1") or usual
        if vr in ("OW", "OB", "UN"):
            vr = usual
        code = BINARY.get(vr)
        if (code is None) != (usual not in BINARY):
            return ()  # text where numbers belong, or the other way round
        try:
            if code:
                count = len(value.data) // calcsize(code)
                order = "<" if self.found.little else ">"
                numbers = unpack(f"{order}{count}{code}", value.data[: count * calcsize(code)])
            else:
                numbers = tuple(real(part) for part in value.data.decode("latin-1").strip(" \0").split("\\"))
        except ValueError:
            return ()
        return tuple(map(float, numbers)) if all(map(math.isfinite, numbers)) else ()

    def number(self, keyword: str) -> float | None:
        """The first value of a number element."""
        return next(iter(self.numbers(keyword)), None)

    def integer(self, keyword: str, default: int = 0) -> int:
        """The first value of a number element as a whole number."""
        found = self.number(keyword)
        return default if found is None else int(found)

    def whole(self, keyword: str) -> int | None:
        """The first value of a number element as a whole number, None when it is absent."""
        found = self.number(keyword)
        return None if found is None else int(found)

    def items(self, keyword: str) -> Iterator[Fields]:
        """The items of a sequence."""
        value = self.values.get(KEYWORDS[keyword][0])
        if value is not None:
            for at, each in items(self.found, value, WANTED):
                yield Fields(self.found, each, at)

    def item(self, keyword: str) -> Fields:
        """The first item of a sequence, empty when there is none."""
        return next(self.items(keyword), Fields(self.found, {}))
