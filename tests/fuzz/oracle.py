"""Where the voxels of a scan lie, by other readers than surgplan's: pydicom, SimpleITK, and the fields of nifti1.h.

An accepted mutant must lie where its own header says; where a header leaves something open, a warning must tell so.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fuzz.images import NIFTI1, NIFTI2
from tests.fuzz.mutants import Mutant

Array = NDArray[np.float64]
APART_MM = 0.01
UNTOLD_MM = 0.15
"""Rounding in headers: slices up to 0.05 mm off, a sform and a qform up to 0.1 mm apart."""
CORRECTIONS = {"gantry-tilt", "uneven-steps", "frames", "gaps"}
PLACE_CHECKS = {"space", "placement", "unit", "origin", "orientation", "spacing"}


@dataclass(frozen=True)
class Place:
    """Voxels along i, j, k and the affine from their indices to LPS mm; left-handed ones are turned round along k."""

    size: tuple[int, int, int]
    affine: Array

    @classmethod
    def of(cls, size: Any, affine: Array) -> Place:
        counts = tuple(int(count) for count in size)
        if np.linalg.det(affine[:3, :3]) < 0:
            turned = affine.copy()
            turned[:3, 3] += affine[:3, 2] * (counts[2] - 1)
            turned[:3, 2] *= -1
            affine = turned
        return cls((counts[0], counts[1], counts[2]), affine)

    @property
    def corners(self) -> Array:
        """(8, 3) centres of the corner voxels, LPS mm, in the order of their indices."""
        ends = np.array(np.meshgrid(*[(0, count - 1) for count in self.size], indexing="ij")).reshape(3, -1)
        corners: Array = (self.affine[:3, :3] @ ends + self.affine[:3, 3:]).T
        return corners

    def apart(self, other: Place) -> float:
        """How far the same voxel lies in the other place, at most, mm; infinite when the sizes differ."""
        if self.size != other.size:
            return float("inf")
        reach = max(float(np.abs(self.corners).max()), 1.0)
        found = float(np.abs(self.corners - other.corners).max())
        return max(found - 1e-5 * reach, 0.0)


def written(path: Path) -> Place:
    """Where SimpleITK finds the volume that surgplan wrote."""
    return _by_sitk(path)


def _by_sitk(path: Path) -> Place:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetDimension() != 3:
        raise ValueError(f"{reader.GetDimension()} dimensions")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    affine[:3, 3] = reader.GetOrigin()
    return Place.of(reader.GetSize(), affine)


def _by_forked_sitk(path: Path) -> Place:
    """The same of a mutant, in a copy of this process: SimpleITK may crash of it, which is not surgplan's fault."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(10)
            place = _by_sitk(path)
            os.write(writing, json.dumps([place.size, place.affine.tolist()]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if not told:
        raise ValueError("it cannot be read, or crashes SimpleITK")
    size, affine = json.loads(told)
    return Place((size[0], size[1], size[2]), np.array(affine))


def contradiction(
    mutant: Mutant, folder: Path, accepted: Place, findings: list[dict[str, str]], original: Place | None
) -> str:
    """What is wrong with accepting the mutant, or ""; `folder` is where it lies, `original` where that one lay."""
    warned = {each["check"] for each in findings if each["level"] != "note"}
    if mutant.original.kind in ("dicom", "dicomdir", "zip", "tree"):
        return _dicom(mutant, accepted, warned, original)
    entry = mutant.target
    if mutant.original.kind == "nifti":
        stated = _nifti(mutant.files[entry])
    else:
        silent = _unsaid(mutant.files[entry], entry)
        if silent and not warned & PLACE_CHECKS:
            return f"the header does not say its {silent}, and nobody was told"
        try:
            stated = [_by_forked_sitk(folder / entry)]
        except (RuntimeError, ValueError) as error:
            # SimpleITK also minds the order of lines: then the place must be that of the original
            if (original is None or original.apart(accepted) > APART_MM) and not warned & PLACE_CHECKS:
                return f"it lies elsewhere, and SimpleITK refuses it: {str(error).strip().splitlines()[-1][-100:]}"
            return ""
    if not stated and not warned & PLACE_CHECKS:
        return "the header says no place, and nobody was told"
    apart = [place.apart(accepted) for place in stated] or [0.0]
    if (min(apart) > APART_MM or max(apart) > UNTOLD_MM) and not warned & PLACE_CHECKS:
        return f"it lies {max(apart):.3f} mm from where its header says"
    return ""


def _bytes(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _nifti(content: bytes | Path) -> list[Place]:
    """The places by sform and qform, RAS turned to LPS; [] when the header has neither. Source: nifti1.h."""
    data = _bytes(content)
    if data[:2] == b"\x1f\x8b":
        import io

        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(1024)
    order = "<" if int.from_bytes(data[:4], "little") in (348, 540) else ">"
    fields: Mapping[str, tuple[int, str]] = NIFTI1 if struct.unpack_from(f"{order}i", data)[0] == 348 else NIFTI2
    quatern = (256, 260, 264, 268, 272, 276) if fields is NIFTI1 else (352, 360, 368, 376, 384, 392)
    kind = "f" if fields is NIFTI1 else "d"

    def get(name: str) -> float:
        offset, code = fields[name]
        return float(struct.unpack_from(f"{order}{code}", data, offset)[0])

    size = [get(f"dim{axis}") for axis in (1, 2, 3)]
    unit = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}[int(get("xyzt_units")) & 7]
    to_lps = np.diag([-unit, -unit, unit, 1.0])
    places = []
    if get("sform_code") > 0:
        affine = np.eye(4)
        affine[:3] = np.reshape([get(f"srow{at}") for at in range(12)], (3, 4))
        places.append(Place.of(size, to_lps @ affine))
    if get("qform_code") > 0:
        b, c, d, *offset = (struct.unpack_from(f"{order}{kind}", data, at)[0] for at in quatern)
        a = max(1.0 - b * b - c * c - d * d, 0.0) ** 0.5
        turn = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c],
                [2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b],
                [2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b],
            ]
        )
        affine = np.eye(4)
        steps = [get("pixdim1"), get("pixdim2"), get("pixdim3") * (-1 if get("pixdim0") < 0 else 1)]
        affine[:3, :3] = turn * steps
        affine[:3, 3] = offset
        places.append(Place.of(size, to_lps @ affine))
    return places


def _unsaid(content: bytes | Path, name: str) -> str:
    """The part of the geometry that no line of a text header states, "" when all is there."""
    data = _bytes(content)[: 1 << 20]
    metaimage = name.endswith((".mha", ".mhd"))
    end = data.find(b"ElementDataFile") if metaimage else data.find(b"\n\n")
    head = data[: end if end >= 0 else len(data)].decode("utf-8", "replace")
    keys = [line.partition("=" if metaimage else ":")[0].strip() for line in head.splitlines()]
    if metaimage:
        needed: dict[str, set[str]] = {
            "voxel sizes": {"ElementSpacing", "ElementSize"},
            "origin": {"Offset", "Position", "Origin"},
            "directions": {"TransformMatrix", "Rotation", "Orientation"},
        }
    else:
        keys = [key.lower() for key in keys]
        needed = {"voxel sizes": {"space directions", "spacings"}, "origin": {"space origin"}, "space": {"space"}}
    return next((what for what, names in needed.items() if not names & set(keys)), "")


def _dicom(mutant: Mutant, accepted: Place, warned: set[str], original: Place | None) -> str:
    """Every slice that pydicom finds on the accepted grid's plane must be in it, at its place, and no other.

    Where pydicom reads nothing of a file, the volume must lie where the original does.
    """
    if mutant.original.kind == "zip":
        return ""
    known = [facts for content in mutant.files.values() if any(facts := _facts(content))]
    usual = max(known, key=known.count, default=())
    # a file that differs in two of series, kind and size says to be another image
    said = any(sum(one != other for one, other in zip(each, usual, strict=True)) > 1 for each in known)
    told = warned & {"strays", "series-passed-over"}
    if accepted.size[2] < mutant.original.slices and not told and not said:
        return f"{accepted.size[2]} of {mutant.original.slices} slices were taken, and nobody was told"
    if warned & CORRECTIONS:
        return ""
    steps = np.linalg.norm(accepted.affine[:3, :3], axis=0)
    axes = accepted.affine[:3, :3] / steps
    found = [_planes(content) for content in mutant.files.values()]
    if not all(found) and original is not None and original.apart(accepted) <= APART_MM:
        return ""
    planes = [plane for each in found for plane in each]
    alike = {
        tuple(np.round(position, 4)): spacing
        for position, orientation, spacing, size in planes
        if size == accepted.size[:2] and np.abs(orientation.reshape(2, 3).T - axes[:, :2]).max() < 1e-3
    }
    if told and len(alike) > accepted.size[2]:
        return ""
    if len(alike) != accepted.size[2]:
        return f"{accepted.size[2]} slices were taken, pydicom finds {len(alike)} of that size and orientation"
    ordered = sorted(alike, key=lambda place: float(np.dot(place, axes[:, 2])))
    meant = accepted.affine[:3, 3] + np.outer(np.arange(len(ordered)), accepted.affine[:3, 2])
    off = float(np.abs(np.array(ordered) - meant).max())
    if off > UNTOLD_MM:
        return f"slices lie up to {off:.3f} mm from where their headers say"
    off = max(float(np.abs(np.array(spacing)[::-1] - steps[:2]).max()) for spacing in alike.values())
    if off > 2e-3:
        return f"pixels are {off:.4f} mm larger or smaller than the headers say"
    return ""


def _facts(content: bytes | Path) -> tuple[str, str, str]:
    """Series, kind and size of the image that a file holds, by pydicom; nothing when it holds none."""
    import io

    from pydicom import dcmread

    try:
        data = dcmread(io.BytesIO(_bytes(content)), stop_before_pixels=True, force=True)
        return str(data.SeriesInstanceUID), str(data.get("ImageType")), f"{data.Columns} {data.Rows}"
    except Exception:  # pydicom raises many kinds on broken files
        return "", "", ""


def _planes(content: bytes | Path) -> list[tuple[Array, Array, Array, tuple[int, int]]]:
    """(position, orientation, spacing, (columns, rows)) of each image and frame of a file, by pydicom."""
    import io

    from pydicom import dcmread

    try:
        data = dcmread(io.BytesIO(_bytes(content)), stop_before_pixels=True, force=True)
        size = int(data.Columns), int(data.Rows)
        if "PerFrameFunctionalGroupsSequence" not in data:
            return [_plane(data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing, size)]
        shared = data.SharedFunctionalGroupsSequence[0]
        turn = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        spacing = shared.PixelMeasuresSequence[0].PixelSpacing
        frames = data.PerFrameFunctionalGroupsSequence
        return [_plane(each.PlanePositionSequence[0].ImagePositionPatient, turn, spacing, size) for each in frames]
    except Exception:  # pydicom raises many kinds on broken files: then it finds no image
        return []


def _plane(position: Any, orientation: Any, spacing: Any, size: tuple[int, int]) -> Any:
    place, turn, steps = (np.array([float(part) for part in values]) for values in (position, orientation, spacing))
    if (place.shape, turn.shape, steps.shape) != ((3,), (6,), (2,)):
        raise ValueError("no plane")
    return place, turn, steps, size
