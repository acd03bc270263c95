"""The package round a 3MF model: an archive with caps, whose relationships all lead somewhere.

Source: 3MF Core Specification 1.3, chapter 2; Open Packaging Conventions, ECMA-376 part 2.
"""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

from surgplan.errors import BadInput
from surgplan.formats.limits import check_regular
from surgplan.formats.mesh_parts import EXPORT_AGAIN

RELATIONSHIP = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
PRINT_TICKET = "http://schemas.microsoft.com/3dmanufacturing/2013/01/printticket"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
LARGEST_PART = 4 << 30
LARGEST_RATIO = 200
"""Text of vertices and triangles shrinks by 5 to 30 times; a part that unpacks to more than this is an attack."""
MOST_MEMBERS = 1000
SMALL = 4096

Handler = Callable[[str, list[str]], None]


def model_part(path: Path) -> bytes:
    """The bytes of the one 3D model that the package names.

    Raises
    ------
    BadInput
        No archive, too large when unpacked, not exactly one model, or a relationship that leads nowhere.
    """
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            return _Package(path, archive).model()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(path, f"is no 3MF archive: {error}", advice=EXPORT_AGAIN) from None
    except OSError as error:
        raise BadInput(path, f"cannot be read: {error.strerror or error}", advice="Check the file") from None


class _Package:
    """An open archive and the names of its parts, which differ in more than case (OPC 9.1.1.1.2)."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise BadInput(path, f"has {len(members)} parts", f"at most {MOST_MEMBERS}", EXPORT_AGAIN)
        self.members = {member.filename.lower(): member for member in members}
        if len(self.members) != len(members):
            raise BadInput(path, "has two parts of one name", "one", EXPORT_AGAIN)

    def model(self) -> bytes:
        """The model, after all relationships were followed."""
        models = self._targets("", RELATIONSHIP)
        if len(models) != 1:
            raise BadInput(self.path, f"names {len(models)} model parts", "one (3MF Core 2.1.2)", EXPORT_AGAIN)
        if len(self._targets(models[0], PRINT_TICKET)) > 1:
            raise BadInput(self.path, "names several print tickets", "at most one (3MF Core 2.1.4)", EXPORT_AGAIN)
        return self._part(models[0])

    def _targets(self, source: str, kind: str) -> list[str]:
        """Names of the parts that a part refers to by one kind of relationship; all its relationships are checked."""
        folder, name = posixpath.split(source)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if rels.lower() not in self.members:
            return []
        found = []
        numbers: list[str] = []

        def start(tag: str, attributes: list[str]) -> None:
            if tag != f"{PACKAGE} Relationship":
                return
            told = dict(zip(attributes[::2], attributes[1::2], strict=True))
            target = posixpath.normpath(posixpath.join("/", folder, told.get("Target", ""))).lstrip("/")
            if told.get("TargetMode", "Internal") != "Internal" or target.lower() not in self.members:
                raise BadInput(self.path, f"refers to the part {target[:80]}, which it does not hold", "", EXPORT_AGAIN)
            numbers.append(told.get("Id", ""))
            if told.get("Type") == kind:
                found.append(target)

        parse(self.path, self._part(rels), start)
        if len(set(numbers)) != len(numbers):
            raise BadInput(self.path, "has two relationships of one Id", "unique ones", EXPORT_AGAIN)
        return found

    def _part(self, name: str) -> bytes:
        info = self.members[name.lower()]
        if info.file_size > min(LARGEST_PART, LARGEST_RATIO * max(info.compress_size, 1) + SMALL):
            found = f"part {name} unpacks from {info.compress_size} to {info.file_size} bytes"
            raise BadInput(self.path, found, f"at most {LARGEST_RATIO} times as many", EXPORT_AGAIN)
        with self.archive.open(info) as file:
            data = file.read(info.file_size + 1)
        if len(data) != info.file_size:
            raise BadInput(self.path, f"part {name} holds {len(data)} bytes", f"{info.file_size}", EXPORT_AGAIN)
        return data


def parse(
    path: Path,
    data: bytes,
    start: Handler,
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
    prefix: Callable[[str | None, str | None], None] | None = None,
) -> None:
    """Run through XML without document types; names are `namespace local`, attributes a flat list of names and values.

    Raises
    ------
    BadInput
        Not well-formed, with a document type, or in an encoding that 3MF forbids.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartNamespaceDeclHandler = prefix

    def doctype(*_: object) -> None:
        raise BadInput(path, "declares a document type", "none (3MF Core 2.3.3)", EXPORT_AGAIN)

    def declaration(version: str, encoding: str | None, standalone: int) -> None:
        if (encoding or "utf-8").lower() not in ("utf-8", "utf-16"):
            raise BadInput(path, f"is encoded in {encoding}", "UTF-8 (3MF Core 2.3.2)", EXPORT_AGAIN)

    parser.StartDoctypeDeclHandler = doctype
    parser.XmlDeclHandler = declaration
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadInput(path, f"is not well-formed XML: {error}", advice=EXPORT_AGAIN) from None
