"""MetaImage files (.mha, and .mhd with the voxels in a file beside it). MetaImage's world, as ITK writes it, is LPS.

Source: the MetaIO documentation, itk.org/Wiki/MetaIO/Documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.formats.limits import LONGEST_HEADER
from surgplan.formats.nrrd import beside_of
from surgplan.formats.voxels import Block, StoredImage, header_of, read_block, real, whole
from surgplan.model.frames import Array

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
SIZES = ("ElementSpacing", "ElementSize")
ORIGIN = ("Offset", "Position", "Origin")
DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
PLACES = {"origin": set(ORIGIN), "orientation": set(DIRECTIONS)}


def read_metaimage(path: Path) -> StoredImage:
    """Voxels and geometry of a MetaImage file.

    Raises
    ------
    BadInput
        The file is damaged, cut short, or of a kind that holds no scan.
    """
    with header_of(path):
        fields, end = _fields(path)
        block = _block(path, fields, end)
        affine = _affine(fields)
        findings = tuple(_unsaid(path, what) for what, names in PLACES.items() if not names & fields.keys())
    array = read_block(block)
    return StoredImage(np.moveaxis(array, 0, 3) if array.ndim == 4 else array, affine, findings=findings)


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's fields, and where it ends: `ElementDataFile` is always its last line."""
    with path.open("rb") as file:
        text = file.read(LONGEST_HEADER)
    fields: dict[str, str] = {}
    at = 0
    while "ElementDataFile" not in fields:
        end = text.find(b"\n", at)
        if end < 0:
            raise ValueError("it has no line ElementDataFile")
        name, equals, value = text[at:end].decode("utf-8").partition("=")
        if not equals:
            raise ValueError("a line without an equals sign")
        if fields.setdefault(name.strip(), value.strip()) != value.strip():
            raise ValueError(f"two lines say {name.strip()[:40]!r}, and not the same")
        at = end + 1
    return fields, at


def _block(path: Path, fields: Mapping[str, str], end: int) -> Block:
    sizes = [whole(size) for size in fields["DimSize"].split()]
    if whole(fields["NDims"]) not in (3, 4) or len(sizes) != whole(fields["NDims"]) or min(sizes) < 1:
        raise ValueError(
            f"its dimensions are {fields['DimSize']}, not those of a volume; Export a scan of three dimensions"
        )
    if whole(fields.get("ElementNumberOfChannels", "1")) != 1:
        raise ValueError("several values for each voxel; save the one that is meant as a file of its own")
    if fields["ElementType"] not in TYPES:
        raise ValueError(
            f"voxels of type {fields['ElementType']} are not supported; Save it with whole or real numbers"
        )
    big = _truth(fields, "BinaryDataByteOrderMSB") or _truth(fields, "ElementByteOrderMSB")
    if not _truth(fields, "BinaryData", "True"):
        raise ValueError("voxels as text are not supported; Save it again in binary form")
    dtype = np.dtype(TYPES[fields["ElementType"]]).newbyteorder(">" if big else "<")
    named = fields["ElementDataFile"]
    data, start = (path, end) if named == "LOCAL" else (beside_of(path, named), 0)
    skip = whole(fields.get("HeaderSize", "0"))
    compressed = _truth(fields, "CompressedData")
    return Block(data, -1 if skip < 0 else start + skip, compressed, dtype, tuple(reversed(sizes)))


def _truth(fields: Mapping[str, str], name: str, default: str = "False") -> bool:
    return fields.get(name, default).lower() in ("true", "1", "yes")


def _affine(fields: Mapping[str, str]) -> Array:
    """The rows of `TransformMatrix` are the directions of i, j and k; `Offset` is the first voxel's centre."""

    def numbers(names: tuple[str, ...], default: str) -> list[float]:
        text = next((fields[name] for name in names if name in fields), default)
        return [real(part) for part in text.split()]

    rank = whole(fields["NDims"])
    usual = " ".join(str(value) for value in np.eye(rank, dtype=int).ravel())
    rows = np.reshape(numbers(DIRECTIONS, usual), (rank, rank))
    steps = numbers(SIZES, "")
    if not steps:
        raise ValueError("it does not say how large its voxels are; Save it again with ElementSpacing")
    origin = np.reshape(numbers(ORIGIN, "0 " * rank), rank)
    affine = np.eye(4)
    with np.errstate(all="ignore"):  # what is not finite is told later
        affine[:3, :3] = rows[:3, :3].T * np.reshape(steps, rank)[:3]
    affine[:3, 3] = origin[:3]
    return affine


def _unsaid(path: Path, what: str) -> Finding:
    taken = "0, 0, 0 is taken" if what == "origin" else "its axes are taken for left, posterior and superior"
    advice = "Check sides and place against the patient, or save it again with TransformMatrix and Offset"
    measured = f"the file does not state its {what}; {taken}"
    return Finding(what, Level.WARN, measured, "stated", advice, "MetaIO documentation", path.suffix)
