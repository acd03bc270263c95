"""Manifest: what was done to a case, with the hash of everything that went in and came out."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from surgplan import __version__
from surgplan.errors import BadInput
from surgplan.findings import Finding, verdict
from surgplan.formats.atomic import Written, write_text
from surgplan.formats.limits import read_whole
from surgplan.params import Params
from surgplan.privacy.patient import PatientDigest

MANIFEST = "manifest.json"
TOLD = "what "
"""Inputs that begin with this are no files: `what ingest found` is the hash of a stage's findings and numbers."""
LARGEST_MANIFEST = 64 << 20

INFLUENTIAL = (
    *("SimpleITK", "jinja2", "manifold3d", "numpy", "pillow", "pydicom", "pylibjpeg", "pylibjpeg-openjpeg"),
    *("pymeshfix", "scipy", "vtk"),
)
"""Packages whose version can change the bytes of a result."""


def _within(name: str) -> str:
    """The path of an output below the case folder: what lies elsewhere is nothing that a case may hash or remove."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or not name.isprintable():
        raise ValueError(f"the output {name[:60]!r} lies outside of the case")
    return name


OutputPath = Annotated[str, AfterValidator(_within)]


class FileRecord(Params):
    """One file that a stage wrote."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class StageRecord(Params):
    """What one stage did. All of it is machine-independent."""

    key: str = Field(description="SHA-256 of stage, version, parameters and inputs")
    version: int
    parameters: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[OutputPath, FileRecord]
    results: dict[str, Any]
    findings: list[dict[str, str]]

    @property
    def told_sha256(self) -> str:
        """Hash of what the report tells of the stage: findings, results, parameters."""
        told = [self.findings, self.results, self.parameters]
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()

    def found(self) -> tuple[Finding, ...]:
        """The findings as such."""
        return tuple(Finding.from_dict(stored) for stored in self.findings)


class Manifest(Params):
    """The whole record of a case; only `times` differs between two equal runs, and
    `patient` where the labs' keys differ."""

    format: Literal["surgplan-manifest"] = "surgplan-manifest"
    format_version: Literal[1] = 1
    case: str
    recipe: str
    surgplan: str = __version__
    environment: dict[str, str] = Field(default_factory=dict)
    stages: dict[str, StageRecord] = Field(default_factory=dict)
    patient: PatientDigest | None = Field(None, description="lets the lab, and nobody else, find the patient's cases")
    times: dict[str, float] = Field(default_factory=dict, description="seconds that each stage took")

    @property
    def outputs(self) -> dict[str, FileRecord]:
        """Every file that the stages wrote: path relative to the case folder → record."""
        return {path: record for stage in self.stages.values() for path, record in stage.outputs.items()}

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """All findings, each with its stage."""
        return tuple((name, finding) for name, stage in self.stages.items() for finding in stage.found())

    @property
    def verdict(self) -> str:
        """`ready`, `ready with warnings` or `rejected`, by the gravest finding."""
        return verdict(finding for _, finding in self.findings)


def stage_key(stage: str, version: int, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """SHA-256 over everything that decides a stage's outputs."""
    told = {
        "stage": stage,
        "version": version,
        "parameters": parameters,
        "inputs": inputs,
        "surgplan": __version__,
        "environment": environment(),
    }
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def environment() -> dict[str, str]:
    """Versions of Python and of the packages that can change the bytes of a result."""
    return dict(_installed())


@cache
def _installed() -> dict[str, str]:
    """Looked up once in a process: every stage's key holds it."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in INFLUENTIAL:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def manifest_schema() -> str:
    """The JSON Schema of `manifest.json`, as text."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
        "title": "The manifest of a surgplan case",
    }
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a case folder, or None when it has none.

    Raises
    ------
    BadInput
        It cannot be read, or is of another version.
    """
    path = folder / MANIFEST
    advice = "Pass --overwrite to make the case anew"
    try:
        return Manifest.model_validate_json(read_whole(path, LARGEST_MANIFEST))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(path, f"is no manifest that this version can read: {reason}", advice=advice) from None


def write_manifest(folder: Path, manifest: Manifest) -> Written:
    """Write the manifest atomically, with an end of line, keys in the order of the model."""
    return write_text(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
