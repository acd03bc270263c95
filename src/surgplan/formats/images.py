"""Scalar images that are not DICOM: NIfTI, NRRD and MetaImage come in, NRRD goes out.

Every voxel keeps its place in LPS millimetres: what a format says in another world is carried over, and a left-handed
grid is turned right-handed together with its voxels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding
from surgplan.formats.atomic import Written, write_pieces
from surgplan.formats.limits import check_place, check_regular
from surgplan.formats.metaimage import read_metaimage
from surgplan.formats.nifti import read_nifti
from surgplan.formats.nrrd import nrrd_layout, nrrd_pieces, read_nrrd
from surgplan.formats.voxels import StoredImage, header_of
from surgplan.model.frames import RIGID_TOLERANCE
from surgplan.model.volume import VOXEL_TYPES, Grid, Modality, Volume, right_handed

READERS = {
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
}
MODALITY = "surgplan modality"
FRAME_OF_REFERENCE = "surgplan frame of reference"
INT16 = np.iinfo(np.int16)


def image_suffix(path: Path) -> str:
    """Which of the endings of `READERS` the file has, or ""."""
    return next((ending for ending in READERS if path.name.lower().endswith(ending)), "")


def is_image_file(path: Path) -> bool:
    """Whether the file's name is that of an image that `read_image` takes."""
    return bool(image_suffix(path))


def read_stored(path: Path) -> StoredImage:
    """The file as it lies on disk.

    Raises
    ------
    BadInput
        No known ending, damaged, or cut short.
    """
    ending = image_suffix(path)
    with header_of(path):
        check_regular(path)
    if not ending:
        raise BadInput(path, "is no image file", f"one of {', '.join(READERS)}", "Convert it to one of these")
    return READERS[ending](path)


def placed(path: Path, stored: StoredImage) -> tuple[Grid, NDArray[Any]]:
    """The right-handed grid of a stored image, and its voxels on it.

    Raises
    ------
    BadInput
        The axes are not at right angles, flat, not finite, or of sizes that no scan has.
    """
    affine = stored.lps_from_ijk
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or steps.min() <= 0:
        found = f"its voxels measure {' × '.join(f'{step:g}' for step in steps)} mm"
        raise BadInput(path, found, "finite, positive sizes", "Export it again")
    reach = np.abs(affine[:3, 3]).max() + float(steps @ stored.array.shape[2::-1])
    check_place(path, steps, float(reach))
    axes = affine[:3, :3] / steps
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if skew > RIGID_TOLERANCE:
        angle = float(np.degrees(np.arccos(min(skew, 1.0))))
        advice = "A sheared volume must be resampled on an orthogonal grid first: start from the DICOM series"
        raise BadInput(path, f"its axes stand at {angle:.2f}°", "90°", advice)
    with blaming(path):
        return right_handed(stored.array.shape[2::-1], steps, affine[:3, 3], axes, stored.array)


def read_image(path: Path, frame: int | None = None) -> tuple[Volume, tuple[Finding, ...]]:
    """Any scalar image: its volume, LPS millimetres, and what was doubtful about its header.

    `frame`, counted from 1, tells which volume is meant where the file holds several. Whole numbers that fit are kept
    as int16; the modality is OTHER unless the file names it.

    Raises
    ------
    BadInput
        Damaged, cut short, several volumes, sheared, or with values that are not finite.
    OutOfResources
        It does not fit into memory.
    """
    stored = _framed(path, read_stored(path), frame)
    grid, array = placed(path, stored)
    return _volume(path, grid, compact(array), stored.keys), stored.findings


def _framed(path: Path, stored: StoredImage, frame: int | None) -> StoredImage:
    """One of the volumes of a file, as if it were alone."""
    count = stored.array.shape[3] if stored.array.ndim == 4 else 1
    if frame is None and count > 1:
        raise BadInput(path, f"holds {count} volumes", "one", f"Pass --frame, a number from 1 to {count}")
    if frame is not None and frame > count:
        found = f"holds {count} volumes" if count > 1 else "holds one volume"
        raise BadInput(path, found, f"at least {frame}", f"Pass --frame 1 to {count}" if count > 1 else "Omit --frame")
    if stored.array.ndim == 3:
        return stored
    return replace(stored, array=stored.array[..., (frame or 1) - 1])


def _volume(path: Path, grid: Grid, array: NDArray[Any], keys: dict[str, str]) -> Volume:
    named = keys.get(MODALITY, "")
    modality = Modality(named) if named in list(Modality) else Modality.OTHER
    try:
        return Volume(grid, array, modality, keys.get(FRAME_OF_REFERENCE, ""))
    except ValueError as error:
        bad = int(array.size - np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
        if not bad:
            raise BadInput(path, str(error), advice="Export it again") from error
        found = f"{bad} of {array.size} voxels hold no finite value"
        raise BadInput(path, found, "none", "Export it again without NaN, for example with air instead") from error


def compact(array: NDArray[Any]) -> NDArray[Any]:
    """The same values in the smallest of int16, the file's own type, int32 and float32 that holds them exactly.

    Double precision becomes single.
    """
    kind = array.dtype.kind
    if array.dtype.name in ("uint8", "int8", "int16"):
        return array
    if kind in "iub":
        low, high = int(array.min()), int(array.max())
        if INT16.min <= low and high <= INT16.max:
            return array.astype(np.int16)
        if array.dtype.name in VOXEL_TYPES:
            return array
        return array.astype(np.int32 if low >= -(2**31) and high < 2**31 else np.float32)
    return array.astype(np.int16) if _whole(array) else array.astype(np.float32, copy=False)


def _whole(array: NDArray[Any]) -> bool:
    """Whether all real numbers are whole and fit into int16: plane by plane, up to the first that is not."""
    with np.errstate(invalid="ignore"):
        return all(bool((plane.astype(np.int16) == plane).all()) for plane in array)


def write_volume(path: Path, volume: Volume) -> Written:
    """Write a volume as raw NRRD in LPS millimetres; modality and frame of reference are key/value pairs.

    Read back and compared before it gets its name.

    Raises
    ------
    OutOfResources, WrongUsage
        The disk is full; the folder cannot be written to.
    """
    keys = {MODALITY: str(volume.modality), FRAME_OF_REFERENCE: volume.frame_of_reference}

    def check(temporary: Path) -> None:
        # the bytes have been compared: what is left is what the header says of them
        block, affine, header, _ = nrrd_layout(temporary)
        grid, array = placed(temporary, StoredImage(volume.array, affine))
        same = grid.matches(volume.grid) and header.keys == keys
        whole = block.offset + block.declared == temporary.stat().st_size
        if not (same and whole and (block.dtype, block.shape) == (array.dtype, array.shape)):
            raise BadInput(path, "reading back gives another volume than was written", advice="Check the disk")

    return write_pieces(path, nrrd_pieces(volume.grid, volume.array, keys, compressed=False), check)


def read_volume(path: Path) -> Volume:
    """What `write_volume` wrote, to the last bit, or any other image file as `read_image` reads it.

    Raises
    ------
    BadInput
        As `read_image`.
    """
    stored = read_stored(path)
    if MODALITY not in stored.keys or stored.array.dtype.name not in VOXEL_TYPES or stored.array.ndim != 3:
        return read_image(path)[0]
    return _volume(path, *placed(path, stored), stored.keys)
