"""A case as an RO-Crate: who made what from what, with which program, for machines to read.

Source: RO-Crate Metadata Specification 1.1, and the profile Process Run Crate 0.5 (one `CreateAction` for each stage).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from surgplan.case.log import LOG, Entry, read_log
from surgplan.case.manifest import MANIFEST, Manifest, StageRecord, read_manifest
from surgplan.errors import Missing
from surgplan.formats.atomic import Written, sha256_of, write_text

CRATE = "ro-crate-metadata.json"
VERSION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
MEDIA_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".png": "image/png",
    ".stl": "model/stl",
    ".3mf": "model/3mf",
    ".toml": "application/toml",
}
"""Media types as IANA has registered them; other formats have none."""
SCAN, PROGRAM = "#scan", "#surgplan"

Entity = dict[str, Any]


def write_crate(case: Path) -> Written:
    """Write `ro-crate-metadata.json` into a case, from its manifest and its log.

    Raises
    ------
    Missing
        The folder is no case that was run.
    BadInput
        Manifest or log cannot be read.
    """
    manifest = read_manifest(case)
    entries, _ = read_log(case)
    if manifest is None or not manifest.stages or not entries:
        raise Missing(case, "is no case with a manifest and a log", advice="Run the case first: surgplan run")
    own = [name for name in ("case.toml", LOG, MANIFEST) if (case / name).is_file()]
    graph = [*_about(manifest, entries, own), *_program(manifest), *_people(entries)]
    graph += [
        entity for name, stage in manifest.stages.items() for entity in _action(name, stage, entries, manifest.outputs)
    ]
    graph += [_file(case, name, record.sha256, record.size) for name, record in sorted(manifest.outputs.items())]
    graph += [_file(case, name, sha256_of(case / name), (case / name).stat().st_size) for name in own]
    document = {"@context": f"{VERSION}/context", "@graph": graph}
    return write_text(case / CRATE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _about(manifest: Manifest, entries: tuple[Entry, ...], own: list[str]) -> Iterator[Entity]:
    """The descriptor and the root: RO-Crate 1.1, "RO-Crate Metadata File Descriptor" and "Root Data Entity"."""
    yield {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": VERSION},
    }
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Surgical planning case {manifest.case}",
        "description": f"Made by surgplan {manifest.surgplan} with the recipe {manifest.recipe}; verdict: "
        f"{manifest.verdict}. Research and planning aid, not for diagnosis.",
        "datePublished": entries[-1].time,
        "license": "Not for publication: made from a patient's scan, whose owner decides.",
        "conformsTo": {"@id": PROFILE},
        "hasPart": [{"@id": name} for name in (*sorted(manifest.outputs), *own)],
        "mentions": [{"@id": f"#{name}"} for name in manifest.stages],
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _program(manifest: Manifest) -> Iterator[Entity]:
    needs = [{"@id": f"#{name}"} for name in sorted(manifest.environment)]
    told = {"@id": PROGRAM, "@type": "SoftwareApplication", "name": "surgplan", "version": manifest.surgplan}
    yield {**told, "softwareRequirements": needs}
    for name, version in sorted(manifest.environment.items()):
        yield {"@id": f"#{name}", "@type": "SoftwareApplication", "name": name, "version": version}


def _people(entries: tuple[Entry, ...]) -> Iterator[Entity]:
    for name in dict.fromkeys(entry.by for entry in entries):
        yield {"@id": _person(name), "@type": "Person", "name": name}


def _person(name: str) -> str:
    return f"#by-{name.encode().hex()}"


def _action(name: str, stage: StageRecord, entries: tuple[Entry, ...], files: Collection[str]) -> Iterator[Entity]:
    """What one stage did. The scan is named by its digest only, and of what it read only `files`, those of the case."""
    done = [entry for entry in entries if entry.action == "done" and name in entry.details.get("stages", [])]
    made = done[-1] if done else entries[-1]
    known = [key for key in stage.inputs if key in files]
    yield {
        "@id": f"#{name}",
        "@type": "CreateAction",
        "name": f"Stage {name}, version {stage.version}",
        "instrument": {"@id": PROGRAM},
        "agent": {"@id": _person(made.by)},
        "endTime": made.time,
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "object": [{"@id": key} for key in known] + ([{"@id": SCAN}] if "scan" in stage.inputs else []),
        "result": [{"@id": key} for key in stage.outputs],
        "description": "Parameters: " + json.dumps(stage.parameters, sort_keys=True, ensure_ascii=False),
    }
    if "scan" in stage.inputs:
        told = "The scan, known by the SHA-256 of its files; it is not in this crate"
        yield {"@id": SCAN, "@type": "CreativeWork", "name": told, "identifier": f"sha256:{stage.inputs['scan']}"}


def _file(case: Path, name: str, sha256: str, size: int) -> Entity:
    entity: Entity = {"@id": name, "@type": "File", "name": Path(name).name, "contentSize": str(size), "sha256": sha256}
    media = MEDIA_TYPES.get(Path(name).suffix)
    return {**entity, "encodingFormat": media} if media else entity
