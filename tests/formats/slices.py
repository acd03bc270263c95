"""DICOM slices for tests, written by pydicom: not by the code that is tested."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

COUNTER = itertools.count(1)
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def slice_of(pixels: NDArray[Any], position: ArrayLike = (0, 0, 0), **tags: Any) -> Dataset:
    """A CT slice; `tags` set, or with None remove, any attribute by keyword."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(tags.pop("syntax", ExplicitVRLittleEndian))
    data.SOPClassUID, data.Modality, data.ImageType = CT_IMAGE, "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesInstanceUID, data.StudyInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2", "1.2.9"
    data.SeriesNumber, data.PatientName, data.PatientID = 4, "Planted^Name", "PLANTED-ID"
    data.ImagePositionPatient = [float(f"{value:.10g}") for value in np.asarray(position, float)]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [0.8, 0.7], 2.0
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.PixelData = pixels.tobytes()
    for keyword, value in tags.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    if "SOPInstanceUID" not in tags:
        data.SOPInstanceUID = f"1.2.3.{next(COUNTER)}"
    data["PixelData"].VR = "OW"
    return data


def write(path: Path, data: Dataset) -> Path:
    """The slice as a file."""
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path, array: NDArray[Any], steps: ArrayLike, shift: ArrayLike = (0, 0, 0), **tags: Any
) -> Path:
    """One file for each plane of `array`, (k, j, i), `steps` mm along z; the names say nothing of the order.

    `shift`, LPS mm, is added once more for every slice, as a tilted table would.
    """
    for number, (plane, place) in enumerate(zip(array, np.asarray(steps, float), strict=True)):
        position = np.array([-20.0, -30.0, place]) + number * np.asarray(shift, float)
        name = f"{(number * 7919) % 1009:04d}.dcm"
        write(folder / name, slice_of(plane, position, InstanceNumber=number + 1, **tags))
    return folder
