"""A small scan whose headers, folders and file names are full of what identifies a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from tests.formats.slices import slice_of, write

FAMILY, GIVEN = "Zwyrtkova", "Quintessa"
PLANTED = {
    "PatientName": f"{FAMILY}^{GIVEN}",
    "PatientID": "QX-8841-77",
    "PatientBirthDate": "19531107",
    "AccessionNumber": "ACC7719034",
    "InstitutionName": "Krankenhaus Blauwald",
    "nested RequestedProcedureID": "RPID-55512",
    "nested OtherPatientIDs": "MRN00931177",
    "private text": "Zanzibar-Private-7",
    "private bytes": "Xylophonist Hubertus",
    "private nested": "Nested Quokka 42",
}
"""Ten values: five in standard attributes, two in standard sequences, two in private ones, one nested in a private."""


def plant(data: Dataset) -> None:
    """Put the ten values into one header."""
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "InstitutionName"):
        setattr(data, keyword, PLANTED[keyword])
    request, other, inner = Dataset(), Dataset(), Dataset()
    request.RequestedProcedureID = PLANTED["nested RequestedProcedureID"]
    other.PatientID = PLANTED["nested OtherPatientIDs"]
    data.RequestAttributesSequence = Sequence([request])
    data.OtherPatientIDsSequence = Sequence([other])
    block = data.private_block(0x0011, "A HOSPITAL", create=True)
    block.add_new(0x10, "LO", PLANTED["private text"])
    block.add_new(0x11, "UN", PLANTED["private bytes"].encode())
    inner.add(DataElement(0x00130010, "LO", "A HOSPITAL"))
    inner.add(DataElement(0x00131001, "LO", PLANTED["private nested"]))
    block.add_new(0x12, "SQ", Sequence([inner]))


def planted_scan(folder: Path) -> Path:
    """A ball of bone in tissue in air, 36 slices of 48 × 48 at 1.5 mm, in folders and files named after the patient."""
    k, j, i = np.indices((36, 48, 48))
    radius = np.sqrt((k - 18) ** 2 + (j - 24) ** 2 + (i - 24) ** 2) * 1.5
    noise = np.random.default_rng(3).normal(0, 8, radius.shape)
    array = np.round(np.select([radius < 13, radius < 30], [900, 40], -1000) + noise).astype(np.int16)
    scan = folder / f"{FAMILY.upper()}_{GIVEN}" / PLANTED["PatientID"]
    for number, plane in enumerate(array):
        data = slice_of(plane, (0, 0, number * 1.5), PixelSpacing=[1.5, 1.5], SliceThickness=1.5)
        data.InstanceNumber = number + 1
        plant(data)
        write(scan / f"{FAMILY}_{number:03d}.dcm", data)
    return scan
