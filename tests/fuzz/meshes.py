"""Originals and mutations of meshes: STL, PLY, OBJ, OFF, GLB, VTP, 3MF."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz.archives import packed, zip_mutation
from tests.fuzz.blind import blindly, cut, lines
from tests.fuzz.documents import deep_xml, xml_mutation
from tests.fuzz.images import replace_file
from tests.fuzz.mutants import Mutant, Original

REAL = (
    *("meshes/20mm-xyz-cube.stl", "meshes/unit_cube.STL", "meshes/two_objects.obj", "meshes/capsule.obj"),
    *("meshes/wallhole.obj", "meshes/multibody.stl", "navigation/slicerigt/ModuleData/T12.vtp"),
)
LARGEST = 1_500_000


def originals(data: Path | None) -> Iterator[Original]:
    """A small ball in every format, and small real files."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2, radius=20.0)
    for name, options in (
        ("ball.stl", {}),
        ("text.stl", {"file_type": "stl_ascii"}),
        ("ball.ply", {}),
        ("text.ply", {"encoding": "ascii"}),
        ("ball.obj", {}),
        ("ball.off", {}),
        ("ball.glb", {}),
    ):
        made: Any = ball.export(file_type=options.pop("file_type", name.rsplit(".", 1)[1]), **options)
        yield _single(name, made.encode() if isinstance(made, str) else bytes(made))
    yield _single("ours.ply", _ours(ball))
    yield _single("ball.3mf", packed(_threemf(ball)))
    yield _single("ball.vtp", _vtp(ball))
    if data is None:
        return
    samples = sorted(path for path in (data / "threemf").rglob("*.3mf") if path.stat().st_size < LARGEST)
    samples = [path for path in samples if "MUSTFAIL" not in path.name]
    for path in (*(data / place for place in REAL), *samples[:: max(len(samples) // 12, 1)]):
        if path.is_file():
            yield Original(_kind(path.name), path.name, {path.name: path}, path.name, (path.name,))


def _kind(name: str) -> str:
    return name.rsplit(".", 1)[1].lower()


def _single(name: str, data: bytes) -> Original:
    return Original(_kind(name), name, {name: data}, name, (name,))


def _ours(ball: Any) -> bytes:
    """The layout that surgplan writes, told from its documentation."""
    head = (
        "ply\nformat binary_little_endian 1.0\ncomment surgplan SPACE=LPS UNIT=mm\ncomment name ball\n"
        "comment color 10 20 30\ncomment side left\ncomment level 250.0\n"
        f"element vertex {len(ball.vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(ball.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = b"".join(struct.pack("<B3i", 3, *face) for face in ball.faces.tolist())
    return head.encode() + ball.vertices.astype("<f4").tobytes() + faces


def _threemf(ball: Any) -> dict[str, bytes]:
    core = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
    points = "".join(f'<vertex x="{x:.4f}" y="{y:.4f}" z="{z:.4f}"/>\n' for x, y, z in ball.vertices.tolist())
    faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>\n' for a, b, c in ball.faces.tolist())
    model = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<model unit="millimeter" xml:lang="en-US" xmlns="{core}">\n'
        '<metadata name="Title">ball</metadata>\n<resources>\n<basematerials id="5">\n'
        '<base name="one" displaycolor="#AABBCC"/>\n</basematerials>\n'
        f'<object id="1" type="model" pid="5" pindex="0" name="ball">\n<mesh>\n<vertices>\n{points}</vertices>\n'
        f"<triangles>\n{faces}</triangles>\n</mesh>\n</object>\n"
        '<object id="2" type="model">\n<components>\n<component objectid="1" transform="1 0 0 0 1 0 0 0 1 5 5 5"/>\n'
        '</components>\n</object>\n</resources>\n<build>\n<item objectid="2"/>\n</build>\n</model>\n'
    )
    kinds = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships'
        '+xml"/><Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
        "</Types>"
    )
    relations = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships"><Relationship Target="/3D/3dmodel.model" Id="rel0" '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    texts = {"[Content_Types].xml": kinds, "_rels/.rels": relations, "3D/3dmodel.model": model}
    return {name: body.encode() for name, body in texts.items()}


def _vtp(ball: Any) -> bytes:
    points = " ".join(f"{value:.4f}" for value in ball.vertices.ravel())
    corners = " ".join(map(str, ball.faces.ravel()))
    ends = " ".join(map(str, range(3, 3 * len(ball.faces) + 1, 3)))
    array = '<DataArray type="{}" Name="{}" format="ascii"{}>\n{}\n</DataArray>\n'
    return (
        '<?xml version="1.0"?>\n<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian">\n<PolyData>\n'
        f'<Piece NumberOfPoints="{len(ball.vertices)}" NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0" '
        f'NumberOfPolys="{len(ball.faces)}">\n<Points>\n'
        + array.format("Float32", "Points", ' NumberOfComponents="3"', points)
        + "</Points>\n<Polys>\n"
        + array.format("Int64", "connectivity", "", corners)
        + array.format("Int64", "offsets", "", ends)
        + "</Polys>\n</Piece>\n</PolyData>\n</VTKFile>\n"
    ).encode()


def mutate(random: Random, original: Original) -> Mutant:
    """One mutation of a mesh file."""
    victim = original.victims[0]
    data = original.bytes_of(victim)
    how = random.random()
    must_fail = False
    if how < 0.14:
        new, told = cut(random, data)
        must_fail = _needs_its_end(original, new, data)
    elif how < 0.38:
        new, told = blindly(random, data, 1000)
    else:
        new, told = _formatted(random, original.kind, data)
    return replace_file(original, victim, new, told, must_fail)


def _needs_its_end(original: Original, new: bytes, data: bytes) -> bool:
    """Whether a cut file cannot be whole: the text formats OBJ and OFF do not say where they end."""
    if original.kind in ("obj", "off"):
        return not new
    return len(new) < len(data.rstrip())


def _formatted(random: Random, kind: str, data: bytes) -> tuple[bytes, str]:
    if kind == "stl" and data.lstrip()[:5].lower() != b"solid":
        return _stl(random, data)
    if kind == "glb":
        return _glb(random, data)
    if kind == "3mf":
        return _package(random, data)
    if kind == "vtp":
        return xml_mutation(random, data)
    end = data.find(b"end_header\n")
    if kind == "ply" and end >= 0 and random.random() < 0.8:
        body = data[end:]
        head, told = lines(random, data[:end].decode("utf-8", "replace"))
        return head.encode("utf-8", "replace") + body, told
    text, told = lines(random, data.decode("latin-1"))
    return text.encode("utf-8", "replace"), told


def _stl(random: Random, data: bytes) -> tuple[bytes, str]:
    """The count, one coordinate, or the header of a binary STL."""
    how = random.randrange(4)
    if how == 0:
        count = random.choice((0, 1, 2**31 - 1, 2**32 - 1, 100_000_000, len(data) // 50, 2**31))
        return data[:80] + count.to_bytes(4, "little") + data[84:], f"declares {count} triangles"
    if how == 1:
        head = random.choice((b"solid", b"solid \n", b"SPACE=RAS UNIT=mm", b"SPACE=\xff UNIT=inch", b"UNIT=mm UNIT=m"))
        return head.ljust(80, b" ") + data[80:], f"the header {head!r}"
    if how == 2:
        text, told = lines(random, "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n" * 3)
        return text.encode("utf-8", "replace") + random.choice((b"", b"endsolid")), f"as text: {told}"
    return _odd_float(random, data, 84)


def _odd_float(random: Random, data: bytes, start: int) -> tuple[bytes, str]:
    if len(data) < start + 8:
        return blindly(random, data)
    at = start + random.randrange((len(data) - start) // 4) * 4
    value = random.choice((float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 1e-45, 0.0, 1e20, 5000.0))
    return data[:at] + np.array(value, "<f4").tobytes() + data[at + 4 :], f"{value} at {at}"


def _glb(random: Random, data: bytes) -> tuple[bytes, str]:
    """The chunks of a GLB: their lengths, and the JSON of the first one."""
    length = int.from_bytes(data[12:16], "little")
    how = random.randrange(4)
    if how == 0:
        at = random.choice((4, 8, 12, 16, 20 + length, 24 + length))
        value = random.choice((0, 1, 3, 2**31 - 1, 2**32 - 1, len(data) * 2))
        return data[:at] + value.to_bytes(4, "little") + data[at + 4 :], f"{value} at {at}"
    text = data[20 : 20 + length].decode("utf-8", "replace")
    if how == 1:
        new, told = _odd_json(random, text)
    elif how == 2:
        depth = random.choice((100, 5000, 200_000))
        new, told = text.rstrip()[:-1] + ',"extras":' + "[" * depth + "]" * depth + "}", f"JSON nested {depth} deep"
    else:
        new, told = lines(random, text, ",")
    body = new.encode("utf-8", "replace")
    body += b" " * (-len(body) % 4)
    rest = data[20 + length :]
    head = data[:8] + (20 + len(body) + len(rest)).to_bytes(4, "little")
    return head + len(body).to_bytes(4, "little") + data[16:20] + body + rest, told


def _odd_json(random: Random, text: str) -> tuple[str, str]:
    """One number of the JSON replaced: counts, offsets, component types, indices."""
    spots = list(re.finditer(r":(-?[\d.eE+-]+)", text))
    if not spots:
        return lines(random, text, ",")
    spot = random.choice(spots)
    value = random.choice(
        ("-1", "0", "1", "999999999", "4294967296", "1e400", "null", '"x"', "[]", "{}", "1.5", "true")
    )
    return text[: spot.start(1)] + value + text[
        spot.end(1) :
    ], f"{text[max(spot.start() - 20, 0) : spot.end()]} → {value}"


def _package(random: Random, data: bytes) -> tuple[bytes, str]:
    """A 3MF: its archive, or the XML of one of its parts."""
    if random.random() < 0.3:
        return zip_mutation(random, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in parts if name.endswith((".model", ".rels", ".xml"))]
    name = random.choice([*names, *(each for each in names if each.endswith(".model"))] or list(parts))
    if random.random() < 0.25:
        parts[name], told = deep_xml(random, parts[name])
    elif random.random() < 0.3:
        parts[name], told = blindly(random, parts[name], 1500)
    else:
        parts[name], told = xml_mutation(random, parts[name])
    return packed(parts), f"{name}: {told}"
