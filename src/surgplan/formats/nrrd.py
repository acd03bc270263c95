"""NRRD files (.nrrd, and .nhdr with the voxels in a file beside it).

Source: Kindlmann, "Definition of NRRD File Format", teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.formats.atomic import Bytes
from surgplan.formats.limits import LONGEST_HEADER
from surgplan.formats.voxels import Block, StoredImage, bytes_of, header_of, read_block, real, whole
from surgplan.model.frames import Array
from surgplan.model.volume import Grid

TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
DTYPE_OF = {name: dtype for dtype, names in TYPES.items() for name in names}
SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
"""What the world axes are multiplied with to become LPS; a fourth axis, time, has names of its own."""
MACHINE_SPACES = ("scanner-xyz", "3d-right-handed", "3d-left-handed")
"""Spaces that say how the axes turn, and nothing of how the patient lay."""
FIELDS = {
    *("content", "number", "type", "dimension", "space", "sizes", "spacings", "thicknesses", "centers", "centerings"),
    *("labels", "units", "kinds", "min", "max", "endian", "encoding", "blocksize", "axismins", "axismaxs", "oldmin"),
    *("oldmax", "lineskip", "byteskip", "sampleunits", "datafile"),
    *(
        "block size",
        "axis mins",
        "axis maxs",
        "old min",
        "old max",
        "line skip",
        "byte skip",
        "sample units",
        "data file",
    ),
    *("space dimension", "space units", "space origin", "space directions", "measurement frame"),
}
"""All that the format knows: another one is a misspelt or damaged one, and what it should say is missing."""
KINDS = {"domain", "space", "none", "???"}
LARGEST_SKIP = 1 << 30
VECTOR = re.compile(r"none|\([^()]*\)")
UNITS = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "µm": 1e-3, "cm": 10.0, "m": 1000.0}
CHUNK = 1 << 22


@dataclass(frozen=True)
class Header:
    """The fields (lower case), the key/value pairs, and where the header ends."""

    fields: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    end: int = 0


def read_nrrd(path: Path) -> StoredImage:
    """Voxels and geometry of an NRRD file, whichever world space it names.

    Raises
    ------
    BadInput
        The file is damaged, cut short, or of a kind that holds no scan.
    """
    block, affine, header, findings = nrrd_layout(path)
    array = read_block(block)
    if _list_axis(header) == 3:
        array = np.moveaxis(array, 0, 3)
    return StoredImage(array, affine, header.keys, findings)


def nrrd_layout(path: Path) -> tuple[Block, Array, Header, tuple[Finding, ...]]:
    """Where the voxels lie in the file, and (4, 4) from their indices to LPS millimetres; no voxel is read.

    Raises
    ------
    BadInput
        As `read_nrrd`.
    """
    with header_of(path):
        header = read_header(path)
        block = _block(path, header)
        affine, findings = _affine(path, header)
        _list_axis(header)
    return block, affine, header, findings


def read_header(path: Path) -> Header:
    """The header's fields and pairs; `ValueError` when it is none."""
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    with path.open("rb") as file:
        text = file.read(LONGEST_HEADER)
    if not text.startswith(b"NRRD000"):
        raise ValueError("it does not begin with NRRD000")
    blank = re.search(rb"\r?\n\r?\n", text)
    end = blank.end() if blank else len(text)
    for number, line in enumerate(text[:end].decode("utf-8", "replace").splitlines()[1:], 2):
        if line.startswith("#") or not line.strip():
            continue
        name, colon, value = line.partition(":")
        if value.startswith("="):
            _keep(keys, name, _unescaped(value[1:]))
        elif colon and name.strip().lower() in FIELDS:
            _keep(fields, name.strip().lower(), value.strip())
        else:
            raise ValueError(f"line {number} is neither a field nor a key/value pair")
    return Header(fields, keys, end)


def _keep(known: dict[str, str], name: str, value: str) -> None:
    if known.setdefault(name, value) != value:
        raise ValueError(f"two lines say {name[:40]!r}, and not the same")


def _block(path: Path, header: Header) -> Block:
    fields = header.fields
    sizes = [whole(size) for size in fields["sizes"].split()]
    if len(sizes) != whole(fields["dimension"]) or len(sizes) not in (3, 4) or min(sizes) < 1:
        raise ValueError(f"sizes {fields['sizes']} of dimension {fields['dimension']}, not of a scan's 3")
    name = DTYPE_OF.get(fields["type"].lower())
    if name is None:
        raise ValueError(f"voxels of type {fields['type']} are not supported; Save it with whole or real numbers")
    order = {"little": "<", "big": ">"}[fields.get("endian", "little").lower()]
    dtype = np.dtype(order + np.dtype(name).str[1:])
    encoding = fields["encoding"].lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise ValueError(f"encoding {encoding} is not supported; Save it again as raw or gzip")
    if whole(fields.get("line skip", fields.get("lineskip", "0"))):
        raise ValueError("line skip is not supported; Save it again as one .nrrd file")
    skip = whole(fields.get("byte skip", fields.get("byteskip", "0")))
    if skip > LARGEST_SKIP:
        raise ValueError(f"its voxels begin after {skip} bytes; Save it again as one .nrrd file")
    beside = fields.get("data file", fields.get("datafile"))
    data, start = (path, header.end) if beside is None else (beside_of(path, beside), 0)
    if encoding != "raw":
        return Block(data, start, True, dtype, tuple(reversed(sizes)), max(skip, 0))
    return Block(data, -1 if skip < 0 else start + skip, False, dtype, tuple(reversed(sizes)))


def beside_of(path: Path, name: str) -> Path:
    """The data file that a header names: one file in the header's own folder, and nothing else."""
    if Path(name).name != name or name.upper().startswith("LIST") or "%" in name:
        raise ValueError(f"the voxels lie in {name[:60]!r}, not in one file beside it; Save it again as one file")
    if not (path.parent / name).is_file():
        raise BadInput(path, f"its voxels should lie in {name}, which is missing", advice="Copy both files together")
    return path.parent / name


def _list_axis(header: Header) -> int | None:
    """Which of four axes, fastest first, holds several values for one voxel; None for a plain scan."""
    if len(header.fields["sizes"].split()) == 3:
        return None
    directions = _vectors(header.fields.get("space directions", ""))
    lists = [axis for axis, vector in enumerate(directions) if vector is None or not any(vector[:3])]
    if lists not in ([0], [3]):
        raise ValueError("four dimensions, none of them a list; Choose one volume of it and save it alone")
    return lists[0]


def _affine(path: Path, header: Header) -> tuple[Array, tuple[Finding, ...]]:
    fields = header.fields
    findings: tuple[Finding, ...] = ()
    space = fields.get("space", "").lower().removesuffix("-time")
    if space in MACHINE_SPACES:
        raise ValueError(
            f"its space is {space}, which does not tell left from right; Save it in a space of the patient"
        )
    signs = SPACES.get(space[:3] if space in ("lpst", "rast", "last") else space)
    if space and signs is None:
        raise ValueError(f"the format knows no world space {space[:40]!r}")
    if signs is None:
        findings = (_space_unknown(path),)
        signs = (1, 1, 1)
    _check_kinds(fields)
    vectors = [_spatial(each) for each in _vectors(fields.get("space directions", "")) if each and any(each[:3])]
    if not vectors:
        if "spacings" not in fields:
            raise ValueError("it does not say how large its voxels are; Save it again with space directions")
        steps = [real(step) for step in fields["spacings"].split()]
        vectors = [tuple(step if at == axis else 0.0 for at in range(3)) for axis, step in enumerate(steps)]
    if "space origin" in fields:
        (origin,) = _vectors(fields["space origin"])
    else:
        origin = (0.0, 0.0, 0.0)
        findings = findings or (_origin_unknown(path),)
    origin = () if origin is None else origin[:3] if len(origin) == 4 else origin
    if len(vectors) != 3 or len(origin) != 3 or any(len(vector) != 3 for vector in vectors):
        raise ValueError("the axes have no three directions in a space of three dimensions")
    affine = np.eye(4)
    affine[:3, :3] = np.array(vectors).T
    affine[:3, 3] = origin
    with np.errstate(all="ignore"):  # what is not finite is told later
        affine[:3] *= np.array(signs)[:, None] * _unit(fields)
    return affine, findings


def _spatial(vector: tuple[float, ...]) -> tuple[float, ...]:
    """A direction without its part along a fourth world axis, time, which must be nothing."""
    if len(vector) == 4 and vector[3] != 0:
        raise ValueError("an axis goes through space and time at once")
    return vector[:3] if len(vector) == 4 else vector


def _check_kinds(fields: Mapping[str, str]) -> None:
    """Each axis of a scan leads through space; that one of four may be a list was checked before."""
    kinds = fields.get("kinds", "").lower().split()
    three = len(fields["sizes"].split()) == 3
    if kinds and (len(kinds) != len(fields["sizes"].split()) or (three and not set(kinds) <= KINDS)):
        raise ValueError(f"its axes are of the kinds {fields['kinds'][:60]!r}, not those of a scan")


def _unit(fields: Mapping[str, str]) -> float:
    told = fields.get("space units", "")
    names = set(re.findall(r'"([^"]*)"', told)) - {""}
    if re.sub(r'"[^"]*"', "", told).strip():
        raise ValueError(f"its space units are {told[:60]!r}, not quoted words")
    if len(names) > 1 or not names <= UNITS.keys():
        raise ValueError(f"space units {', '.join(sorted(names))} are not one known unit of length")
    return UNITS[names.pop()] if names else 1.0


def _space_unknown(path: Path) -> Finding:
    return Finding(
        "space",
        Level.WARN,
        "the file names no world space",
        "left-posterior-superior, right-anterior-superior or left-anterior-superior",
        "Left and right are taken as in LPS: check the sides against the patient",
        "NRRD format, section 5",
        path.suffix,
    )


def _origin_unknown(path: Path) -> Finding:
    return Finding(
        "origin",
        Level.WARN,
        "the file does not say where its first voxel lies; 0, 0, 0 is taken",
        "a space origin",
        "It lies at the same place as no other scan of the patient: do not navigate by it",
        "NRRD format, section 5",
        path.suffix,
    )


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    if VECTOR.sub("", text).strip():
        raise ValueError(f"{text[:60]!r} are no vectors")
    found = VECTOR.findall(text)
    return [None if one == "none" else tuple(real(part) for part in one[1:-1].split(",")) for one in found]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def header_text(grid: Grid, dtype: np.dtype[Any], compressed: bool, keys: Mapping[str, str]) -> bytes:
    """The header of an attached NRRD file on `grid`, in LPS millimetres; numbers keep every digit."""

    def vector(values: Array) -> str:
        return "(" + ",".join(repr(float(value)) for value in values) + ")"

    lines = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {dtype.name.replace('float32', 'float')}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {grid.size[0]} {grid.size[1]} {grid.size[2]}",
        "space directions: " + " ".join(vector(axis) for axis in (grid.direction * grid.spacing).T),
        "kinds: domain domain domain",
        *(["endian: little"] if dtype.itemsize > 1 else []),
        f"encoding: {'gzip' if compressed else 'raw'}",
        f"space origin: {vector(grid.origin)}",
        'space units: "mm" "mm" "mm"',
        *(f"{name}:={_escaped(value)}" for name, value in keys.items()),
    ]
    return ("\n".join(lines) + "\n\n").encode("utf-8")


def nrrd_pieces(grid: Grid, array: NDArray[Any], keys: Mapping[str, str], compressed: bool) -> list[Bytes]:
    """One attached NRRD, piece by piece: the same input gives the same bytes.

    `array` is (k, j, i). Compression is deflate's fastest level: label maps shrink fifty times in 0.15 s.
    """
    data = bytes_of(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
    head = header_text(grid, array.dtype, compressed, keys)
    if not compressed:
        return [head, data]
    stream = zlib.compressobj(1, zlib.DEFLATED, 31)
    parts = [stream.compress(data[start : start + CHUNK]) for start in range(0, len(data), CHUNK)]
    return [head, *parts, stream.flush()]
