"""Volumes as NRRD, MHA and NIfTI files, through SimpleITK, with the checks that it leaves out."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, SurgplanError, blaming
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Written, write_file
from surgplan.formats.limits import check_bytes, check_image_size
from surgplan.model.volume import SAME_GRID_MM, Grid, Modality, Volume, right_handed

ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd", ".nii", ".nii.gz")
MODALITY_KEY = "surgplan modality"
FRAME_KEY = "surgplan frame of reference"
NARROW_TYPES = ("uint8", "int8", "uint16", "int16", "float32")
COPY_AGAIN = "Copy or export it again"

NIFTI_UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""NIfTI-1 xyzt_units, lowest three bits: unknown, metre, millimetre, micrometre."""


def is_image_file(path: Path) -> bool:
    """Whether the file's name is that of an image that `read_image` takes."""
    return path.name.lower().endswith(ENDINGS)


def read_image(path: Path) -> tuple[Volume, tuple[Finding, ...]]:
    """Any supported image, in LPS mm, on a right-handed grid; every voxel stays where the file places it.

    The modality is that which surgplan itself stored, else OTHER.

    Raises
    ------
    BadInput
        Not such an image, cut short, not three-dimensional, sheared, or with values that are not finite.
    """
    findings: list[Finding] = []
    if path.name.lower().endswith((".nii", ".nii.gz")):
        findings += check_nifti(path)
    image = open_image(path)
    array = voxels_of(image)
    with blaming(path, "Export the scan again"):
        grid, voxels = right_handed(
            image.GetSize(), image.GetSpacing(), image.GetOrigin(), np.array(image.GetDirection()).reshape(3, 3), array
        )
        told = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
        modality = Modality(told[MODALITY_KEY]) if told.get(MODALITY_KEY) in set(Modality) else Modality.OTHER
        return Volume(grid, voxels, modality, told.get(FRAME_KEY, "")), tuple(findings)


def open_image(path: Path) -> Any:
    """The image, after its header was checked; SimpleITK's complaints become one sentence."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        sizes = tuple(reader.GetSize())
        if len(sizes) == 4 and sizes[3] == 1:
            reader.SetExtractSize([*sizes[:3], 0])
        elif len(sizes) != 3:
            raise BadInput(path, f"has {len(sizes)} dimensions, {sizes}", "3", "Choose one volume and export it alone")
        if reader.GetNumberOfComponents() != 1:
            found = f"has {reader.GetNumberOfComponents()} values for each voxel"
            raise BadInput(path, found, "1", "This is a colour or vector image, not a scan")
        check_image_size(path, sizes[:3])
        return reader.Execute()
    except RuntimeError as error:
        raise BadInput(path, f"cannot be read as an image: {_reason(error)}", advice=COPY_AGAIN) from None


def _reason(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else "no reason given"
    # ITK puts the class and its address before the reason
    return last.rpartition("): ")[2][:200]


def voxels_of(image: Any) -> NDArray[Any]:
    """(k, j, i) voxels in one of the types that a volume may have."""
    import SimpleITK as sitk

    array: NDArray[Any] = sitk.GetArrayViewFromImage(image)
    if array.dtype.name in NARROW_TYPES:
        # the view dies with the image
        return array.copy()
    return array.astype(np.float32) if array.dtype.kind == "f" else narrow(array)


def narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the smallest type that holds them, `int16` first; others as float32."""
    low, high = array.min(), array.max()
    for kind in ("int16", "uint16", "int32", "uint32"):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array.astype(np.float32)


def check_nifti(path: Path) -> tuple[Finding, ...]:
    """What SimpleITK does not check: the file's length, its unit, and whether its two frames agree.

    Source: NIfTI-1.1 header (nifti1.h), fields dim, bitpix, vox_offset, xyzt_units, qform_code, sform_code.
    """
    header = _nifti_header(path)
    if len(header) < 348:
        raise BadInput(path, f"holds {len(header)} bytes, cut short", "a NIfTI header of 348 bytes", COPY_AGAIN)
    order = "<" if int.from_bytes(header[:4], "little") in (348, 540) else ">"
    if int(np.frombuffer(header, order + "i4", 1)[0]) != 348:
        return ()  # NIfTI-2: SimpleITK decides
    dim = np.frombuffer(header, order + "i2", 8, 40).astype(int)
    bits = int(np.frombuffer(header, order + "i2", 1, 72)[0])
    offset = float(np.frombuffer(header, order + "f4", 1, 108)[0])
    if not 1 <= dim[0] <= 7 or not 0 <= offset < 2**31:
        raise BadInput(path, f"declares {dim[0]} dimensions and data at {offset:g}", "a NIfTI header", COPY_AGAIN)
    sizes = tuple(int(size) for size in dim[1 : dim[0] + 1])
    check_image_size(path, sizes)
    declared = int(offset) + int(np.prod(sizes, dtype=np.int64)) * bits // 8
    if path.name.lower().endswith(".gz"):
        _check_gzip(path, declared)
    else:
        check_bytes(path, declared, "voxels")
    return _nifti_findings(path, header, order)


def _nifti_header(path: Path) -> bytes:
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as packed:
                return packed.read(540)
        with path.open("rb") as plain:
            return plain.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(path, f"cannot be read: {error}", advice=COPY_AGAIN) from None


def _check_gzip(path: Path, declared: int) -> None:
    """The archive is whole and holds as many bytes as the header declares; nothing is kept."""
    total = 0
    with contextlib.ExitStack() as stack:
        try:
            packed = stack.enter_context(gzip.open(path))
            while chunk := packed.read(1 << 22):
                total += len(chunk)
                if total > declared + (1 << 24):
                    raise BadInput(path, f"unpacks to more than {total} bytes", f"{declared} bytes", COPY_AGAIN)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(path, f"is a broken archive: {error}", advice=COPY_AGAIN) from None
    if total < declared:
        raise BadInput(path, f"holds {total} bytes, cut short", f"{declared} bytes of voxels", COPY_AGAIN)


def _nifti_findings(path: Path, header: bytes, order: str) -> tuple[Finding, ...]:
    unit = header[123] & 7
    if unit not in (0, 2):
        found = f"its unit is {'metre' if unit == 1 else 'micrometre' if unit == 3 else unit}"
        raise BadInput(path, found, "millimetre", "Convert it to millimetres")
    qform, sform = (int(code) for code in np.frombuffer(header, order + "i2", 2, 252))
    findings = []
    if unit == 0:
        findings.append(Finding("unit", Level.NOTE, "the file states no unit; millimetres taken", source="NIfTI-1.1"))
    if qform <= 0 and sform <= 0:
        measured = "neither qform nor sform is set: the file does not say which side is left"
        advice = "Convert the scan again with a tool that keeps its orientation, or pass the DICOM files"
        findings.append(Finding("orientation", Level.WARN, measured, "a code above 0", advice, "NIfTI-1.1"))
    if qform > 0 and sform > 0:
        findings += _disagreement(path, header, order)
    return tuple(findings)


def _disagreement(path: Path, header: bytes, order: str) -> list[Finding]:
    """qform and sform place the corners of the scan; they should agree."""
    dim = np.frombuffer(header, order + "i2", 8, 40)[1:4].astype(float)
    sform = np.eye(4)
    sform[:3] = np.frombuffer(header, order + "f4", 12, 280).reshape(3, 4)
    qform = _qform(header, order)
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in dim], indexing="ij")).reshape(3, -1)
    corners = np.vstack([ends, np.ones(ends.shape[1])])
    apart = float(np.linalg.norm((qform - sform)[:3] @ corners, axis=0).max())
    if np.linalg.det(qform[:3, :3]) * np.linalg.det(sform[:3, :3]) < 0:
        raise BadInput(
            path, "qform and sform are mirror images", "one orientation", "Convert the scan again from DICOM"
        )
    if apart <= SAME_GRID_MM * 10:
        return []
    measured = (
        f"qform and sform place the scan's corners up to {apart:.2f} mm apart; the sform is not used by ITK alone"
    )
    return [Finding("frames-disagree", Level.WARN, measured, "0.10 mm", "Check the position of landmarks", "NIfTI-1.1")]


def _qform(header: bytes, order: str) -> NDArray[np.float64]:
    """Source: nifti1.h, method 2."""
    pixdim = np.frombuffer(header, order + "f4", 4, 76).astype(float)
    b, c, d, x, y, z = np.frombuffer(header, order + "f4", 6, 256).astype(float)
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ]
    side = -1.0 if pixdim[0] < 0 else 1.0
    matrix[:3, :3] *= [pixdim[1], pixdim[2], side * pixdim[3]]
    matrix[:3, 3] = x, y, z
    return matrix


def write_volume(path: Path, volume: Volume) -> Written:
    """NRRD, uncompressed, space left-posterior-superior; read back and compared.

    Raises
    ------
    OutOfResources, WrongUsage
        The file cannot be written.
    """
    image = to_image(volume.grid, volume.array)
    image.SetMetaData(MODALITY_KEY, str(volume.modality))
    if volume.frame_of_reference:
        image.SetMetaData(FRAME_KEY, volume.frame_of_reference)
    return write_image(path, image, volume.grid, compress=False)


def write_image(path: Path, image: Any, grid: Grid, compress: bool) -> Written:
    """Write a SimpleITK image as NRRD, and check that it comes back on the same grid."""
    import SimpleITK as sitk

    def fill(temporary: Path) -> None:
        sitk.WriteImage(image, str(temporary), useCompression=compress, compressionLevel=1)

    return write_file(path, fill, lambda temporary: _check_written(temporary, grid))


def _check_written(path: Path, grid: Grid) -> None:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    direction = np.array(reader.GetDirection()).reshape(3, 3)
    found = Grid(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), direction)
    if not found.matches(grid):
        raise BadInput(path, "reading back places the voxels elsewhere", advice="Report this as a bug")


def to_image(grid: Grid, array: NDArray[Any]) -> Any:
    """A SimpleITK image of the array, (k, j, i), on the grid."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing.tolist())
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(grid.direction.ravel().tolist())
    return image


def read_volume(path: Path) -> Volume:
    """The volume that `write_volume` wrote, or that of any image file.

    Raises
    ------
    BadInput
        As `read_image`.
    """
    if not is_image_file(path):
        raise BadInput(path, "is not named like an image", " ".join(ENDINGS), "Make a volume first: surgplan ingest")
    try:
        return read_image(path)[0]
    except SurgplanError:
        raise
    except (OSError, ValueError) as error:
        raise BadInput(path, f"cannot be read: {error}", advice=COPY_AGAIN) from None
