"""`surfaces/certificate.json`: how far each surface lies from the scan's boundary; docs/certificate.md explains it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written, write_text
from surgplan.surface.certificate import Certificate

CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class Certificates:
    """The whole file."""

    structures: tuple[Certificate, ...]
    format: Literal["surgplan-certificate"] = "surgplan-certificate"
    format_version: Literal[1] = 1
    frame: Literal["LPS"] = "LPS"
    unit: Literal["mm"] = "mm"


def write_certificates(folder: Path, certificates: Sequence[Certificate]) -> Written:
    """Write the certificates of a case's surfaces, and read them back."""
    adapter = TypeAdapter(Certificates)
    meant = Certificates(tuple(certificates))
    text = json.dumps(adapter.dump_python(meant, mode="json"), indent=1, sort_keys=True, ensure_ascii=False)

    def check(written: Path) -> None:
        if read_certificates(written) != meant:
            raise BadInput(written, "reading back gives another certificate", advice="Report this as a bug")

    return write_text(folder / CERTIFICATE, text + "\n", check)


def read_certificates(path: Path) -> Certificates:
    """The certificates of a file.

    Raises
    ------
    BadInput
        It cannot be read, or is none.
    """
    try:
        return TypeAdapter(Certificates).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(path, f"is no certificate: {reason}", advice="Run the case's surface stage again") from None


def certificate_schema() -> str:
    """The JSON Schema of `certificate.json`, as text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(Certificates).json_schema(),
        "title": "The certificate of a case's surfaces",
    }
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
