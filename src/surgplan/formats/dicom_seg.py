"""DICOM Segmentation objects: binary, fractional and label maps, each segment as a mask on the frames' own grid.

Source: DICOM PS3.3 C.8.20 (Segmentation), C.8.31 (Label Map Segmentation), C.7.6.16 (functional groups), C.10.7.1.1
(CIELab values). Nothing that identifies a patient is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, SurgplanError
from surgplan.formats.dicom import Skipped, read_headers
from surgplan.formats.dicom_decode import decode
from surgplan.formats.dicom_structure import check_structure
from surgplan.formats.limits import AGAIN, check_declared, check_image_size, check_memory
from surgplan.formats.rtstruct import RTSTRUCT, Masks, masks_of_contours
from surgplan.model.frames import Array
from surgplan.model.labels import LONGEST_NAME, Code, Side
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Grid, right_handed

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage (PS3.4 B.5)."""
PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
SAFE = (*PLAIN, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5")
"""Also deflated, and RLE, which is decoded in Python."""
MOST_FRAMES = 100_000
MOST_PLANES, SMALL = 64, 1 << 28
"""Planes for each frame of a grid that is not small: structures far apart leave many empty, but not this many."""
OFF_STEP = 0.01
"""How far, as a share of the step, a frame may lie beside the grid's planes."""
SIDE_CODES = {"7771000": Side.LEFT, "24028007": Side.RIGHT, "G-A101": Side.LEFT, "G-A100": Side.RIGHT}
BACKGROUND = Code("DCM", "125040", "Background")
SRGB_FROM_XYZ = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)
"""For the white point D65 (IEC 61966-2-1)."""
WHITE_D65 = np.array([0.95047, 1.0, 1.08883])
HALF_OF_THE_HIGHEST = 0.5
"""Fractional segments are taken where they reach this share of their maximum."""


def read_dicom_masks(path: Path, grid: Grid | None = None) -> Masks:
    """One mask for each segment, a fractional one where it is at least one half; or for each structure of contours, on
    the scan's grid.

    Raises
    ------
    BadInput
        The file is neither, damaged, or its frames are no planes of one orthogonal grid.
    OutOfResources
        It does not fit into memory.
    """
    try:
        stored = _opened(path)
        if str(stored.get("SOPClassUID", "")) != RTSTRUCT:
            return _masks(path, stored), ()
        if grid is None:
            raise BadInput(path, "holds contours", "a scan to fill them on", "Pass the scan that they were drawn on")
        return masks_of_contours(path, stored, grid)
    except (SurgplanError, MemoryError, KeyboardInterrupt):
        raise
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror}", advice="Check the file") from error
    except Exception as error:  # a damaged file makes the library raise many kinds
        # the library's words may quote any element, also a name
        raise BadInput(
            path, f"is no sound DICOM segmentation or structure set: {type(error).__name__}", advice=AGAIN
        ) from error


def _opened(path: Path) -> Any:
    import warnings

    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_structure(path)
            stored = dcmread(str(path), defer_size=4096)
        except InvalidDicomError:
            raise BadInput(path, "is no DICOM file", advice="Pass a mask as NIfTI, NRRD, MHA or DICOM SEG") from None
    if str(stored.get("SOPClassUID", "")) == RTSTRUCT:
        return stored
    if str(stored.get("SOPClassUID", "")) not in SEG_CLASSES:
        kind = str(stored.get("Modality", "")) or "of an unknown kind"
        raise BadInput(path, f"is a DICOM file, but no segmentation: {kind}", advice="Pass a SEG or RTSTRUCT object")
    frames, rows, columns = int(stored.get("NumberOfFrames", 1)), int(stored.Rows), int(stored.Columns)
    if not 0 < frames <= MOST_FRAMES:
        raise BadInput(path, f"declares {frames} frames", f"1 to {MOST_FRAMES}", AGAIN)
    check_image_size(path, (min(frames, 16_384), rows, columns))
    if str(stored.file_meta.TransferSyntaxUID) in PLAIN:
        bits = frames * rows * columns * int(stored.BitsAllocated)
        check_declared(path, (bits + 7) // 8, path.stat().st_size, 1)
    check_memory(path, 2 * frames * rows * columns)
    return stored


@dataclass(frozen=True)
class _Planes:
    """The grid that holds all frames, still left- or right-handed, and the plane of each frame."""

    steps: Array
    origin: Array
    axes: Array
    count: int
    plane: NDArray[np.int64]


def _masks(path: Path, stored: Any) -> tuple[NamedMask, ...]:
    planes = _planes(path, stored)
    pixels = _pixels(path, stored)
    pixels = pixels[np.newaxis] if pixels.ndim == 2 else pixels
    frames = stored.get("PerFrameFunctionalGroupsSequence") or []
    kind = str(stored.get("SegmentationType", ""))
    if kind == "FRACTIONAL":
        pixels = pixels >= HALF_OF_THE_HIGHEST * int(stored.MaximumFractionalValue)
    size = (pixels.shape[2], pixels.shape[1], planes.count)
    names: set[str] = set()
    made = []
    for segment in stored.SegmentSequence:
        number, described = int(segment.SegmentNumber), _told(segment)
        if described["code"] == BACKGROUND:
            continue  # label maps may describe it as a segment
        whole = np.zeros((planes.count, *pixels.shape[1:]), dtype=np.bool_)
        for at, frame in enumerate(pixels):
            if kind == "LABELMAP":
                whole[planes.plane[at]] |= frame == number
            elif _segment_of(frames[at], stored) == number:
                whole[planes.plane[at]] |= frame.astype(np.bool_)
        grid, array = right_handed(size, planes.steps, planes.origin, planes.axes, whole)
        told = {"frame_of_reference": str(stored.get("FrameOfReferenceUID", "")), "source": path.name}
        made.append(NamedMask.cut(_name(segment, names), grid, array, **told, **described))
    if not made:
        raise BadInput(path, "describes no segment", "at least one", AGAIN)
    return tuple(made)


def _pixels(path: Path, stored: Any) -> NDArray[Any]:
    """Stored values of all frames; what a decoder written in C must unpack, it unpacks in a process of its own."""
    if str(stored.file_meta.TransferSyntaxUID) in SAFE:
        return np.asarray(stored.pixel_array)
    headers = read_headers(path)
    if isinstance(headers, Skipped):
        raise BadInput(path, headers.reason, advice=AGAIN)
    frames = np.empty((len(headers), headers[0].rows, headers[0].columns), np.uint16)
    decode(headers, frames.__setitem__)
    return frames


def _group(stored: Any, frame: Any, name: str) -> Any:
    """A functional group of a frame, its own or the shared one; None when it has none."""
    for groups in (frame, *(stored.get("SharedFunctionalGroupsSequence") or [])):
        found = groups.get(name) if groups is not None else None
        if found:
            return found[0]
    return None


def _segment_of(frame: Any, stored: Any) -> int:
    group = _group(stored, frame, "SegmentIdentificationSequence")
    return int(group.ReferencedSegmentNumber)


def _planes(path: Path, stored: Any) -> _Planes:
    frames = list(stored.get("PerFrameFunctionalGroupsSequence") or [])
    position = [_group(stored, frame, "PlanePositionSequence") for frame in frames]
    orientation = [_group(stored, frame, "PlaneOrientationSequence") for frame in frames]
    measures = [_group(stored, frame, "PixelMeasuresSequence") for frame in frames]
    if not frames or any(group is None for group in (*position, *orientation, *measures)):
        found = "its frames have no position in the patient"
        raise BadInput(path, found, "planes of a CT or MR scan", "Segmentations of slides or X-ray images lie in none")
    places = np.array([[float(x) for x in group.ImagePositionPatient] for group in position])
    turns = np.array([[float(x) for x in group.ImageOrientationPatient] for group in orientation])
    sizes = np.array([[float(x) for x in group.PixelSpacing] for group in measures])
    if np.abs(turns - turns[0]).max() > 1e-4 or np.abs(sizes - sizes[0]).max() > 1e-4:
        raise BadInput(path, "its frames differ in orientation or spacing", "planes of one grid", "Export it again")
    across, down = turns[0][:3], turns[0][3:]
    normal = np.cross(across, down)
    heights = places @ normal
    step = _step(measures[0], heights)
    span = (heights.max() - heights.min()) / step
    voxels = span * int(stored.Rows) * int(stored.Columns)
    if not np.isfinite(voxels) or (span > MOST_PLANES * len(frames) and voxels > SMALL):
        raise BadInput(path, f"its {len(frames)} frames span {span:.0f} planes", "planes of one grid", AGAIN)
    plane = np.rint((heights - heights.min()) / step).astype(np.int64)
    first = places[int(heights.argmin())]
    apart = np.linalg.norm(places - (first + plane[:, None] * step * normal), axis=1).max()
    if apart > OFF_STEP * step:
        found = f"a frame lies {apart:.3f} mm beside the planes of {step:.3f} mm"
        raise BadInput(path, found, f"at most {OFF_STEP * step:.3f} mm", "Make the segmentation on an even grid")
    steps = np.array([sizes[0][1], sizes[0][0], step])
    axes = np.stack([across, down, normal], axis=1)
    return _Planes(steps, first, axes, int(plane.max()) + 1, plane)


def _step(measures: Any, heights: Array) -> float:
    """Distance of neighbouring planes, mm: what the file says, else the smallest distance of two frames."""
    apart = np.diff(np.unique(np.round(heights, 4)))
    apart = apart[apart > 1e-3]
    told = measures.get("SpacingBetweenSlices") or (None if len(apart) else measures.get("SliceThickness"))
    step = abs(float(told)) if told else float(apart.min()) if len(apart) else 1.0
    # some writers leave the thickness of overlapping slices there
    return float(apart.min()) if len(apart) and apart.min() < step * (1 - OFF_STEP) else step


def _name(segment: Any, taken: set[str]) -> str:
    plain = "".join(letter for letter in str(segment.get("SegmentLabel", "")) if letter.isprintable()).strip()
    name = plain[:LONGEST_NAME] or f"segment-{int(segment.SegmentNumber)}"
    if name in taken:
        name = f"{name[: LONGEST_NAME - 8]}-{int(segment.SegmentNumber)}"
    taken.add(name)
    return name


def _told(segment: Any) -> dict[str, Any]:
    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or []
    code = _code(kinds[0]) if kinds else None
    modifiers = list(segment.get("SegmentedPropertyTypeModifierCodeSequence") or [])
    modifiers += (kinds[0].get("SegmentedPropertyTypeModifierCodeSequence") or []) if kinds else []
    sides = [SIDE_CODES[found] for item in modifiers if (found := str(item.get("CodeValue", ""))) in SIDE_CODES]
    lab = segment.get("RecommendedDisplayCIELabValue")
    color = srgb_from_dicom_lab([int(part) for part in lab]) if lab is not None and len(lab) == 3 else None
    return {"code": code, "side": sides[0] if len(sides) == 1 else None, "color": color}


def _code(item: Any) -> Code | None:
    """A coded concept; the retired SNOMED-RT identifiers are given as the SNOMED CT codes that PS3.16 maps them to."""
    scheme, value = str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeValue", ""))
    meaning = str(item.get("CodeMeaning", ""))
    if not (scheme and value and meaning):
        return None
    if scheme in ("SRT", "SNM3", "99SDM"):
        from pydicom.sr._snomed_dict import mapping

        value = mapping["SRT"].get(value, "")
        return Code("SCT", value, meaning) if value else None
    return Code(scheme, value, meaning)


def srgb_from_dicom_lab(stored: list[int]) -> tuple[int, int, int]:
    """Red, green, blue from 0 to 255 of a CIELab colour as DICOM stores it: L* 0..100 and a*, b* −128..127 as 0..65535.

    Source: DICOM PS3.3 C.10.7.1.1; CIE 15:2004.
    """
    light, a, b = stored[0] / 65535 * 100, stored[1] / 257 - 128, stored[2] / 257 - 128
    y = (light + 16) / 116
    cubes = np.array([y + a / 500, y, y - b / 200])
    xyz = WHITE_D65 * np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29))
    linear = np.clip(SRGB_FROM_XYZ @ xyz, 0, 1)
    channels = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(channel) for channel in np.rint(255 * channels))
    return red, green, blue
