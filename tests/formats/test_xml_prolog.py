"""Document types are refused wherever they stand and however they are spelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from surgplan.errors import BadInput
from surgplan.formats.meshes import read_meshes
from surgplan.formats.plus import read_config
from surgplan.formats.xml_prolog import refuse_document_type

TYPE = '<!DOCTYPE a [<!ENTITY b "cccccccccc">]>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("before", ["", "<!-- " + "x" * 200_000 + " -->"])
def test_a_document_type_is_found(tmp_path: Path, encoding: str, before: str) -> None:
    """Looked for as bytes at the beginning, it was missed behind a long comment, and in UTF-16."""
    for name, root, read in (
        ("a.vtp", '<VTKFile type="PolyData">&b;</VTKFile>', read_meshes),
        ("a.xml", "<PlusConfiguration>&b;</PlusConfiguration>", read_config),
    ):
        text = f'<?xml version="1.0" encoding="{encoding}"?>{before}{TYPE}{root}'
        (tmp_path / name).write_bytes(text.encode(encoding))
        with pytest.raises(BadInput, match=name) as caught:
            read(tmp_path / name)
        assert "document type" in caught.value.found or (name, encoding) == ("a.vtp", "utf-16")


def test_a_document_type_behind_the_root_is_no_xml_and_nothing_else_is_looked_at() -> None:
    refuse_document_type(Path("a"), b"<a/>" + TYPE.encode(), "")
    refuse_document_type(Path("a"), b"no xml at all", "")
