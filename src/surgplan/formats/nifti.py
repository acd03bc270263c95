"""NIfTI files (.nii, .nii.gz): versions 1 and 2, one volume or several.

Source: Cox et al., nifti1.h and nifti2.h, nifti.nimh.nih.gov. NIfTI's world is RAS.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.limits import AGAIN
from surgplan.formats.voxels import Block, StoredImage, header_of, read_block
from surgplan.model.frames import Array

FIELDS = [
    *("dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units", "intent_code"),
    *("qform_code", "sform_code", "quatern", "qoffset", "srow", "magic"),
]


def _layout(size: int, formats: str, offsets: list[int]) -> np.dtype[Any]:
    parts: Any = {"names": FIELDS, "formats": formats.split(), "offsets": offsets, "itemsize": size}
    layout: np.dtype[Any] = np.dtype(parts)
    return layout


V1 = _layout(
    348,
    "(8,)i2 i2 i2 (8,)f4 f4 f4 f4 u1 i2 i2 i2 (3,)f4 (3,)f4 (3,4)f4 S4",
    [40, 70, 72, 76, 108, 112, 116, 123, 68, 252, 254, 256, 268, 280, 344],
)
V2 = _layout(
    540,
    "(8,)i8 i2 i2 (8,)f8 i8 f8 f8 i4 i4 i4 i4 (3,)f8 (3,)f8 (3,4)f8 S8",
    [16, 12, 14, 104, 168, 176, 184, 500, 504, 344, 348, 352, 376, 400, 4],
)
TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
LABEL_INTENT = 1002
FORMS_AGREE_MM = 0.1
"""How far sform and qform may place a voxel apart without a word: single precision gives a thousandth."""


SIZES_AGREE, SIZES_MAY_DIFFER = 0.001, 0.05
"""Shares by which sform and pixdim may differ in the size of a voxel without a word, and without a refusal."""


def read_nifti(path: Path) -> StoredImage:
    """Voxels (scaled) and geometry of a NIfTI file.

    Raises
    ------
    BadInput
        The file is damaged, cut short, holds no volume, or its two placements contradict each other.
    """
    with header_of(path):
        header, order = _header(path)
        block = _block(path, header, order)
        affine, findings = _affine(path, header, block)
        slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    array = read_block(block)
    if slope not in (0.0, 1.0) or (slope == 1.0 and inter != 0.0):
        if not np.isfinite([slope, inter]).all():
            raise BadInput(path, f"its intensities are scaled by {slope:g} and {inter:g}", "finite numbers", AGAIN)
        array = _scaled(array, slope, inter)
    if array.ndim == 4:
        array = np.moveaxis(array, 0, 3)
    keys = {"intent": "label"} if int(header["intent_code"]) == LABEL_INTENT else {}
    return StoredImage(array, affine, keys, findings)


def _header(path: Path) -> tuple[Any, str]:
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        data = file.read(4096)
    if start == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(31).decompress(data, 1024)
        except zlib.error as error:
            raise ValueError(f"its compressed data are damaged at the start ({error})") from error
    for version in (V1, V2):
        if len(data) >= version.itemsize:
            if int.from_bytes(data[:4], "little") == version.itemsize:
                return np.frombuffer(data, version, 1)[0], "<"
            if int.from_bytes(data[:4], "big") == version.itemsize:
                return np.frombuffer(data, version.newbyteorder(">"), 1)[0], ">"
    raise ValueError("it does not begin like a NIfTI file")


def _block(path: Path, header: Any, order: str) -> Block:
    magic = bytes(header["magic"])[:3]
    if magic not in (b"n+1", b"n+2"):
        raise ValueError("it is one of a pair (.hdr and .img) or damaged; Save it as one .nii file")
    rank = int(header["dim"][0])
    dims = [int(length) for length in header["dim"][1 : rank + 1]] if 1 <= rank <= 7 else []
    if len(dims) < 3 or min(dims) < 1:
        raise ValueError(
            f"its dimensions are {[rank, *dims]}, not those of a volume; Export a scan of three dimensions"
        )
    volumes = math.prod(dims[3:])
    code = int(header["datatype"])
    if code in TYPES and int(header["bitpix"]) != 8 * np.dtype(TYPES[code]).itemsize:
        raise ValueError(f"its voxels are of type {code}, but of {int(header['bitpix'])} bits")
    if code not in TYPES:
        raise ValueError(f"voxels of NIfTI type {code} are not supported; Save it with whole or real numbers")
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    offset = float(header["vox_offset"])
    if offset != int(offset) or not V1.itemsize <= offset <= 1 << 24:
        raise ValueError(f"its voxels begin at byte {offset:g}")
    place = (0, int(offset)) if compressed else (int(offset), 0)
    shape = (*([volumes] if volumes > 1 else []), *dims[2::-1])
    return Block(path, place[0], compressed, np.dtype(order + TYPES[code]), shape, place[1])


def _affine(path: Path, header: Any, block: Block) -> tuple[Array, tuple[Finding, ...]]:
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    scale = MM.get(int(header["xyzt_units"]) & 7)
    if scale is None:
        raise ValueError(f"its unit of length has the unknown code {int(header['xyzt_units']) & 7}")
    sform = _sform(header) if sform_code > 0 else None
    qform = _qform(header) if qform_code > 0 else None
    findings: tuple[Finding, ...] = ()
    if sform is not None and qform is not None:
        findings = _compared(path, sform, qform, scale, block)
    chosen = sform if sform is not None else qform
    if chosen is None:
        chosen = np.diag([*map(float, header["pixdim"][1:4]), 1.0])
        findings = (_unplaced(path),)
    elif sform is not None and qform is None:
        findings = _sizes_compared(path, sform, header)
    lps = np.diag([-scale, -scale, scale, 1.0]) @ chosen
    return lps, findings


def _sform(header: Any) -> Array:
    affine = np.eye(4)
    affine[:3] = header["srow"]
    return affine


def _qform(header: Any) -> Array:
    """Method 2 of nifti1.h: a unit quaternion, voxel sizes, and a factor of -1 or 1 for the third axis."""
    b, c, d = (float(part) for part in header["quatern"])
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < -1e-5:
        raise ValueError("its quaternion is longer than 1")
    a = np.sqrt(max(rest, 0.0))
    length = np.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a / length, b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    steps = np.array(header["pixdim"][1:4], dtype=np.float64)
    steps[2] *= -1.0 if header["pixdim"][0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * steps
    affine[:3, 3] = header["qoffset"]
    return affine


def _compared(path: Path, sform: Array, qform: Array, scale: float, block: Block) -> tuple[Finding, ...]:
    """How far the two placements are apart at the volume's corners; up to half a voxel is a finding."""
    top = np.array(block.shape[:-4:-1]) - 1
    ends = np.array(np.meshgrid(*[(0, n) for n in top], indexing="ij")).reshape(3, -1)
    apart = (sform - qform)[:3, :3] @ ends + (sform - qform)[:3, 3:]
    worst = float(np.linalg.norm(apart, axis=0).max()) * scale
    if not np.isfinite(worst):
        raise ValueError("its placement holds numbers that are not finite")
    if worst <= FORMS_AGREE_MM:
        return ()
    voxel = float(np.linalg.norm(sform[:3, :3], axis=0).min()) * scale
    advice = "Find out which one is right and write it into both, for example with fslorient -copysform2qform"
    if worst > voxel / 2:
        found = f"its sform and qform place the same voxel {worst:.2f} mm apart"
        raise BadInput(path, found, f"at most half a voxel, {voxel / 2:.2f} mm", advice)
    told = f"sform and qform place a voxel up to {worst:.2f} mm apart; the sform is used"
    return (Finding("placement", Level.WARN, told, f"{FORMS_AGREE_MM} mm", advice, "nifti1.h, method 2 and 3"),)


def _sizes_compared(path: Path, sform: Array, header: Any) -> tuple[Finding, ...]:
    """Without a qform, the voxel sizes are the only thing that the sform can be checked against."""
    steps = np.linalg.norm(sform[:3, :3], axis=0)
    sizes = np.array(header["pixdim"][1:4], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = float(np.abs(sizes / steps - 1).max())
    if off <= SIZES_AGREE:
        return ()
    told = f"its sform has voxels of {_sizes(steps)} mm, its pixdim of {_sizes(sizes)} mm"
    advice = "Find out which one is right: convert the scan again from DICOM"
    if not off <= SIZES_MAY_DIFFER:
        raise BadInput(path, told, f"sizes that agree within {SIZES_MAY_DIFFER:.0%}", advice)
    return (Finding("placement", Level.WARN, f"{told}; the sform is used", f"{SIZES_AGREE:.1%}", advice, "nifti1.h"),)


def _sizes(values: Array) -> str:
    return " × ".join(f"{value:.4g}" for value in values)


def _unplaced(path: Path) -> Finding:
    return Finding(
        "space",
        Level.WARN,
        "the file has neither sform nor qform: it does not say how the patient lies in it",
        "one of them",
        "Left and right are taken as in RAS: check the sides against the patient",
        "nifti1.h, method 1",
    )


def _scaled(array: NDArray[Any], slope: float, inter: float) -> NDArray[Any]:
    """Stored values times slope plus intercept; whole numbers stay whole where nothing else comes out."""
    kind: np.dtype[Any] = np.dtype(np.float32)
    if array.dtype.kind in "iu" and slope.is_integer() and inter.is_integer():
        reach = max(abs(int(array.min())), abs(int(array.max()))) * abs(int(slope)) + abs(int(inter))
        kind = np.dtype(np.int32 if reach < 2**31 else np.int64 if reach < 2**63 else np.float32)
    scaled = array.astype(kind)
    scaled *= kind.type(slope)
    scaled += kind.type(inter)
    return scaled
