"""3MF: one plate of coloured parts, in millimetres, the same bytes for the same input.

Objects keep their LPS coordinates; a build item's transform places them on the plate. Bodies that keep their places
relative to each other are components of one object, so that a slicer program neither drops nor parts what belongs
together; each copy of them is one more build item of that object.

Source: 3MF Core Specification 1.3 and Materials and Properties Extension 1.2, 3MF Consortium.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from surgplan import __version__
from surgplan.errors import BadInput, blaming
from surgplan.findings import Finding
from surgplan.formats.atomic import Written, write_file
from surgplan.formats.mesh_parts import EXPORT_AGAIN
from surgplan.formats.threemf_package import RELATIONSHIP
from surgplan.formats.threemf_read import APART, APART_KEY
from surgplan.formats.threemf_schema import CORE, MATERIALS
from surgplan.model.frames import Transform
from surgplan.model.plate import Plate, placings
from surgplan.model.surface import Surface

OURS = "https://surgplan.org/3mf/2026"
MODEL = "3D/3dmodel.model"
EPOCH = (1980, 1, 1, 0, 0, 0)

THUMBNAIL = "Metadata/thumbnail.png"
THUMBNAIL_RELATIONSHIP = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="image/png"/>'
    "</Types>"
)
COLORS, FIRST = 1, 2
"""Identifiers of the colour group and of the first object."""


def relationships(thumbnail: bool = False) -> str:
    """The package's relationships: the model, and a picture of it."""
    picture = f'<Relationship Target="/{THUMBNAIL}" Id="rel1" Type="{THUMBNAIL_RELATIONSHIP}"/>' if thumbnail else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Target="/{MODEL}" Id="rel0" Type="{RELATIONSHIP}"/>{picture}</Relationships>'
    )


def write_threemf(path: Path, plate: Plate, reread: bool = False, thumbnail: bytes = b"") -> Written:
    """Write the plate as 3MF: names, colours, millimetres, no random identifiers, fixed time stamps.

    `thumbnail` is a picture of it, PNG.

    What was written is unpacked again and compared byte by byte, by hash; with `reread` also as a mesh.
    """
    meant = hashlib.sha256()

    def fill(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w") as archive:
            parts = [
                ("[Content_Types].xml", iter([CONTENT_TYPES.encode()])),
                ("_rels/.rels", iter([relationships(bool(thumbnail)).encode()])),
                (MODEL, _model(plate)),
            ]
            for name, chunks in (*parts, *([(THUMBNAIL, iter([thumbnail]))] if thumbnail else [])):
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry._compresslevel = 1  # type: ignore[attr-defined]  # `open` offers no other way
                entry.external_attr = 0o644 << 16
                with archive.open(entry, "w") as file:
                    for chunk in chunks:
                        meant.update(chunk)
                        file.write(chunk)

    def check(written: Path) -> None:
        found = hashlib.sha256()
        with zipfile.ZipFile(written) as archive:
            for name in archive.namelist():
                with archive.open(name) as file:
                    while chunk := file.read(1 << 20):
                        found.update(chunk)
        if found.digest() != meant.digest():
            raise BadInput(path, "reading back gives another model", advice="Check the disk")
        if reread:
            from surgplan.formats.meshes import compare
            from surgplan.formats.threemf_read import threemf_contents

            compare(path, threemf_contents(written), plate.objects)

    return write_file(path, fill, check)


def _model(plate: Plate) -> Iterator[bytes]:
    """The model part, piece by piece."""
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<model unit="millimeter" xml:lang="en-US" xmlns="{CORE}" xmlns:m="{MATERIALS}" xmlns:surgplan="{OURS}">\n'
        f"{''.join(_metadata(plate))}<resources>\n{_colors(plate)}"
    ).encode()
    for number, surface in enumerate(plate.objects):
        yield from _object(FIRST + number, number, surface)
    number, items = FIRST, []
    group = FIRST + len(plate.objects)
    for assembly in plate.assemblies:
        parts = "".join(f'<component objectid="{number + each}"/>' for each in range(len(assembly.objects)))
        name = quoteattr(lawful(assembly.name))
        yield f'<object id="{group}" type="model" name={name}><components>{parts}</components></object>\n'.encode()
        items += [f'<item objectid="{group}" transform="{_transform(place)}"/>' for place in assembly.places]
        number, group = number + len(assembly.objects), group + 1
    yield f"</resources>\n<build>{''.join(items)}</build>\n</model>\n".encode()


def _metadata(plate: Plate) -> Iterator[str]:
    told = {"Title": plate.name, "Application": f"surgplan {__version__}"}
    told |= {"surgplan:frame": "objects LPS, build PRINT", "surgplan:scale": f"{plate.scale:.6g}"}
    told |= {"surgplan:printer": plate.printer} if plate.printer else {}
    told |= {} if plate.is_together else {APART_KEY: APART}
    for assembly in plate.assemblies:
        for surface in assembly.objects:
            if surface.label.side:
                told[f"surgplan:side.{surface.label.file_stem}"] = str(surface.label.side)
            if surface.label.name in assembly.mirrored:
                told[f"surgplan:mirrored.{surface.label.file_stem}"] = "yes"
    told |= {f"surgplan:{name}": text for name, text in sorted(plate.metadata.items())}
    for name, text in told.items():
        yield f"<metadata name={quoteattr(name)}>{escape(lawful(text))}</metadata>\n"


def lawful(text: str) -> str:
    """Without the characters that XML 1.0 forbids."""
    return "".join(letter for letter in text if letter.isprintable())


def _colors(plate: Plate) -> str:
    """A colour group of the materials extension: what full-colour printers take for the colour itself."""
    colors = ""
    for each in plate.objects:
        color = "".join(f"{channel:02X}" for channel in each.label.color)
        colors += f'<m:color color="#{color}FF"/>'
    return f'<m:colorgroup id="{COLORS}">{colors}</m:colorgroup>\n'


def _object(number: int, color: int, surface: Surface) -> Iterator[bytes]:
    name = quoteattr(lawful(surface.label.name))
    yield f'<object id="{number}" type="model" name={name} pid="{COLORS}" pindex="{color}"><mesh><vertices>\n'.encode()
    yield from _rows('<vertex x="{}" y="{}" z="{}"/>\n', surface.vertices)
    yield b"</vertices><triangles>\n"
    yield from _rows('<triangle v1="{}" v2="{}" v3="{}"/>\n', surface.triangles)
    yield b"</triangles></mesh></object>\n"


def _rows(template: str, values: NDArray[Any]) -> Iterator[bytes]:
    """One line for each row, 20,000 rows at a time; coordinates to a hundred thousandth of a millimetre."""
    line = template.replace("{}", "%.8g" if values.dtype.kind == "f" else "%d")
    for start in range(0, len(values), 20_000):
        part = values[start : start + 20_000]
        if part.dtype.kind == "f":
            part = np.round(part, 5) + 0.0  # no negative zeros
        yield (line * len(part) % tuple(part.ravel().tolist())).encode()


def _transform(transform: Transform) -> str:
    """3MF multiplies row vectors: the matrix is written transposed (Core 3.3, 4.1)."""
    return " ".join(f"{value:.9g}" for value in transform.matrix[:3].T.ravel())


def read_placings(path: Path) -> tuple[Transform, ...]:
    """How a 3MF of ours places LPS on the build plate: one transform, or one for each part that stands apart.

    Raises
    ------
    BadInput
        Another program wrote it, or wrote it again: nothing in it tells where the patient is.
    """
    plate, findings = read_threemf(path)
    if any(finding.check == "frame" for finding in findings):
        advice = "Give the file that surgplan print made"
        raise BadInput(path, "does not state where LPS lies on its plate", "a 3MF of surgplan print", advice)
    return placings([plate])


def read_threemf(path: Path) -> tuple[Plate, tuple[Finding, ...]]:
    """The objects of a 3MF in their own frame, and how its first build item places them.

    Raises
    ------
    BadInput
        Not a 3MF, not in millimetres, too large when unpacked, or not a mesh.
    """
    from surgplan.formats.threemf_read import read_model

    with blaming(path, EXPORT_AGAIN):
        return read_model(path)
