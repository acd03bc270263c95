"""The certificates of a case as files; docs/certificate.md explains them.

`surfaces/certificate.json` tells how far each surface lies from the scan's boundary, `print/certificate.json` what each
step of preparing the print changed in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from surgplan.errors import BadInput
from surgplan.formats.atomic import Written, write_text
from surgplan.model.changes import ACCEPTED, REJECTED, ChangedStep
from surgplan.model.part import Modification, Part
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


@dataclass(frozen=True)
class PreparedStep:
    """One step of preparing a part: what was done, what was measured of it, and what changed beside it.

    `held` is None for a part that was mirrored: it lies elsewhere.
    """

    step: str
    what: str
    measured: dict[str, float]
    held: ChangedStep | None


@dataclass(frozen=True)
class PartCertificate:
    """What is certified of one part of the print, at life size; `structure` is "" for what comes from none.

    `scan_maximum_mm` is the most that its surface lies from the boundary in the scan outside of the places that were
    changed on purpose: the structure's certified maximum and what each step added; None without a certified structure.
    """

    name: str
    structure: str
    mirrored: bool
    triangles: int
    volume_mm3: float
    scan_maximum_mm: float | None
    verdict: str
    steps: tuple[PreparedStep, ...]


@dataclass(frozen=True)
class PrintCertificates:
    """The whole file `print/certificate.json`."""

    parts: tuple[PartCertificate, ...]
    format: Literal["surgplan-print-certificate"] = "surgplan-print-certificate"
    format_version: Literal[1] = 1
    frame: Literal["LPS"] = "LPS"
    unit: Literal["mm"] = "mm"


def print_certificates(parts: Iterable[Part], certified_mm: Mapping[str, float]) -> PrintCertificates:
    """The certificates of the parts; `certified_mm` is the maximum that each structure's own certificate tells."""
    return PrintCertificates(tuple(_of_part(part, certified_mm.get(part.structure)) for part in parts))


def _of_part(part: Part, certified_mm: float | None) -> PartCertificate:
    steps = tuple(_step(done) for done in part.modifications)
    held = [step.held for step in steps if step.held is not None]
    moved = sum(each.maximum_mm for each in held)
    return PartCertificate(
        name=part.name,
        structure=part.structure,
        mirrored=part.mirrored,
        triangles=len(part.surface.triangles),
        volume_mm3=part.surface.volume_mm3,
        scan_maximum_mm=None if certified_mm is None else certified_mm + moved,
        verdict=ACCEPTED if all(each.verdict == ACCEPTED for each in held) else REJECTED,
        steps=steps,
    )


def _step(done: Modification) -> PreparedStep:
    return PreparedStep(done.kind, done.what, {key: float(value) for key, value in done.measured.items()}, done.held)


def print_certificate_text(certificates: PrintCertificates) -> str:
    """The text of `print/certificate.json`."""
    return _text(TypeAdapter(PrintCertificates), certificates)


def _text(adapter: TypeAdapter[Any], certificates: Certificates | PrintCertificates) -> str:
    values = adapter.dump_python(certificates, mode="json")
    return json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_certificates(folder: Path, certificates: Sequence[Certificate]) -> Written:
    """Write the certificates of a case's surfaces, and read them back."""
    meant = Certificates(tuple(certificates))

    def check(written: Path) -> None:
        if read_certificates(written) != meant:
            raise BadInput(written, "reading back gives another certificate", advice="Report this as a bug")

    return write_text(folder / CERTIFICATE, _text(TypeAdapter(Certificates), meant), check)


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
    """The JSON Schema of `surfaces/certificate.json`, as text."""
    return _schema(TypeAdapter(Certificates), "The certificate of a case's surfaces")


def print_certificate_schema() -> str:
    """The JSON Schema of `print/certificate.json`, as text."""
    return _schema(TypeAdapter(PrintCertificates), "The certificate of a case's print")


def _schema(adapter: TypeAdapter[Any], title: str) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter.json_schema(), "title": title}
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
