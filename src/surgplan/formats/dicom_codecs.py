"""Compressed, deflated and other encapsulated pixels of DICOM files: which decoder reads which transfer syntax."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.limits import AGAIN

PACKAGES = {
    "1.2.840.10008.1.2.4.5": "pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.6": "pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.7": "pylibjpeg-libjpeg",
    "1.2.840.10008.1.2.4.8": "pyjpegls",
    "1.2.840.10008.1.2.4.9": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.2": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.5": "pydicom",
}
"""The package that decodes each family of transfer syntaxes (DICOM PS3.5, annex A.4)."""


def decoded_frame(each: SliceHeader) -> NDArray[Any]:
    """(rows, columns) stored values of one frame.

    Raises
    ------
    BadInput
        The stream is damaged.
    Missing
        No decoder is installed.
    """
    from pydicom.pixels.utils import pixel_array

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(pixel_array(str(each.path), raw=True, index=each.frame))
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # decoders raise many kinds on broken streams
        if "plugin" in str(error) or "missing" in str(error).lower():
            found = f"is compressed as {_name(each)}, which no installed decoder reads"
            raise Missing(each.path, found, advice=f"Install one: pip install {_package(each)}") from None
        raise BadInput(each.path, "has pixels that cannot be decoded", advice=AGAIN) from None


def _name(each: SliceHeader) -> str:
    from pydicom.uid import UID

    return UID(each.transfer_syntax).name


def _package(each: SliceHeader) -> str:
    starts = [start for start in PACKAGES if each.transfer_syntax.startswith(start)]
    return PACKAGES[max(starts, key=len)] if starts else "pydicom"
