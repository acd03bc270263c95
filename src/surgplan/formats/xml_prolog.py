"""What stands before the root element of an XML document: a document type may hold entities that explode or read files.

It is looked for by the XML parser itself, since in UTF-16 its letters are other bytes.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from surgplan.errors import BadInput

PIECE = 1 << 16


class _Begun(Exception):
    """The root element was reached: a document type cannot follow."""


def refuse_document_type(path: Path, data: bytes, advice: str) -> None:
    """Raise `BadInput` when an XML document declares a document type; what else is wrong with it, its reader tells.

    Raises
    ------
    BadInput
        It has a document type.
    """

    def doctype(*_: object) -> None:
        raise BadInput(path, "declares a document type", "none", advice)

    def begun(*_: object) -> None:
        raise _Begun

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = begun
    try:
        for start in range(0, len(data), PIECE):
            parser.Parse(data[start : start + PIECE])
    except (_Begun, expat.ExpatError):
        return
