"""A volume written as a CT series that looks like a scanner's; same input, same bytes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.formats.atomic import disk_error
from surgplan.model.volume import Grid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
INTERCEPT = -1024
BODY_PARTS = {"skull": ("SKULL", ""), "femur": ("FEMUR", "L"), "vessel": ("AORTA", "")}
"""Body part and, where parts are paired, side: PS3.16, context groups 4 and 244."""


def derived_uid(*words: object) -> str:
    """A UID derived from the words: 2.25 and 128 bits of their SHA-256 (PS3.5, B.2)."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_series(folder: Path, name: str, grid: Grid, volume: NDArray[np.int16], identity: str) -> tuple[Path, ...]:
    """One file for each slice, in a folder that appears only when it is complete.

    File names follow the order of acquisition, from the feet up; instance numbers count from the head down, as many
    scanners do, so that sorting by either is no substitute for sorting by position.

    Raises
    ------
    OutOfResources, WrongUsage
        The folder cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        template = _template(name, grid, identity)
        for k in range(grid.size[2]):
            _write_slice(temporary / f"IM{k + 1:04d}.dcm", template, grid, volume[k], k, identity)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        raise disk_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return tuple(folder / f"IM{k + 1:04d}.dcm" for k in range(grid.size[2]))


def _template(name: str, grid: Grid, identity: str) -> Any:
    """All that the slices share. Attributes of PS3.3 A.3.3 (CT Image IOD), type 1 and 2."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = UID(CT_IMAGE)
    data.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    data.file_meta.ImplementationClassUID = UID(derived_uid("surgplan", "implementation"))
    data.file_meta.ImplementationVersionName = "SURGPLAN"
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SOPClassUID = CT_IMAGE
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = "20260101"
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = data.ContentTime = "120000"
    data.AccessionNumber = ""
    data.Modality = "CT"
    data.BodyPartExamined, side = BODY_PARTS[name]
    if side:
        data.Laterality = side
    data.Manufacturer = "surgplan"
    data.ReferringPhysicianName = ""
    data.StudyDescription = f"Example {name}"
    data.SeriesDescription = f"Example {name}, analytic shapes"
    data.ManufacturerModelName = "example generator"
    data.PatientName = f"EXAMPLE^{name.upper()}"
    data.PatientID = f"EXAMPLE-{name.upper()}"
    data.PatientBirthDate = ""
    data.PatientSex = "O"
    data.SliceThickness = f"{grid.spacing[2]:.4f}"
    data.KVP = "120"
    data.ConvolutionKernel = "STANDARD"
    data.PatientPosition = "HFS"
    data.StudyInstanceUID = derived_uid(identity, "study")
    data.SeriesInstanceUID = derived_uid(identity, "series")
    data.StudyID = "1"
    data.SeriesNumber = 2
    data.AcquisitionNumber = 1
    data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    data.FrameOfReferenceUID = derived_uid(identity, "frame")
    data.PositionReferenceIndicator = ""
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = grid.size[1], grid.size[0]
    data.PixelSpacing = [f"{grid.spacing[1]:.4f}", f"{grid.spacing[0]:.4f}"]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = str(INTERCEPT), "1", "HU"
    data.WindowCenter, data.WindowWidth = "400", "1800"
    return data


def _write_slice(path: Path, data: Any, grid: Grid, plane: NDArray[np.int16], k: int, identity: str) -> None:
    import pydicom

    uid = derived_uid(identity, "slice", k)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
    data.InstanceNumber = grid.size[2] - k
    place = grid.lps_from_ijk.apply([0, 0, k])
    data.ImagePositionPatient = [f"{value:.4f}" for value in place]
    data.SliceLocation = f"{place[2]:.4f}"
    data.PixelData = (plane.astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
    pydicom.dcmwrite(path, data, enforce_file_format=True)
