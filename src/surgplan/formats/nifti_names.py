"""Names of labels in a NIfTI file's header extension, as TotalSegmentator's `--ml` and Caret/Workbench write them.

Source: nifti1.h, "extended header"; Connectome Workbench, `CaretExtension` with a `LabelTable`.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any, Literal

from surgplan.formats.limits import LONGEST_HEADER
from surgplan.model.labels import LONGEST_NAME

HEADER_BYTES = {348: 352, 540: 544}
"""Length of the header, by its own first number → where extensions begin."""
LABEL = re.compile(r"<Label\s([^>]{0,400})>\s*(?:<!\[CDATA\[(.{0,200}?)\]\]>|([^<]{0,200}))\s*</Label>", re.DOTALL)
KEY = re.compile(r'\bKey="(\d{1,5})"')


def nifti_label_names(path: Path) -> dict[int, str]:
    """Value → name; empty when the file has no such table. Only text is matched: nothing in it is expanded or run."""
    try:
        text = _extensions(path)
    except (OSError, EOFError, ValueError):
        return {}
    names = {}
    for found in LABEL.finditer(text):
        key = KEY.search(found[1])
        name = (found[2] or found[3] or "").strip()[:LONGEST_NAME]
        if key and name.isprintable() and name:
            names[int(key[1])] = name
    return {value: name for value, name in names.items() if value}


def _extensions(path: Path) -> str:
    opened: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        data = file.read(LONGEST_HEADER)
    order: Literal["little", "big"] = "little" if int.from_bytes(data[:4], "little") in HEADER_BYTES else "big"
    at = HEADER_BYTES.get(int.from_bytes(data[:4], order), 0)
    if not at or data[at - 4 : at - 3] != b"\x01":
        return ""
    parts = []
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], order)
        if length < 16 or at + length > len(data):
            break
        parts.append(data[at + 8 : at + length])
        at += length
    return b"".join(parts).decode("utf-8", "replace")
