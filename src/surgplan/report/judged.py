"""Why a case is ready or not, in one line for each kind of finding, and which refusals somebody has overridden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from surgplan.findings import Finding, Level

Told = tuple[str, Finding]


def reasons(told: Iterable[Told], accepted: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """One line for each check and level, the gravest first: whom it concerns, and what was measured of the first.

    `told` is sorted by gravity. What was overridden has a line of its own elsewhere.
    """
    overridden = {each["check"] for each in accepted}
    lines: dict[tuple[str, Level], dict[str, Any]] = {}
    for stage, finding in told:
        if finding.level is Level.NOTE or (stage == "ingest" and finding.check in overridden):
            continue
        line = lines.setdefault((finding.check, finding.level), {"first": finding, "subjects": [], "count": 0})
        line["count"] += 1
        if finding.subject and finding.subject not in line["subjects"]:
            line["subjects"].append(finding.subject)
    return list(lines.values())


def done_rows(
    corrections: Iterable[Mapping[str, Any]],
    networks: Mapping[str, Mapping[str, Any]],
    stages: Mapping[str, Mapping[str, Any]],
) -> list[tuple[str, str]]:
    """What was done to the data beyond the recipe's own methods: corrections, masks from elsewhere, networks."""
    rows = [("corrected in the scan", f"{each['corrected']}, {each['interpolation']}") for each in corrections]
    structures = stages.get("segment", {}).get("structures", ())
    given = [str(each["name"]) for each in structures if each.get("method") == "mask"]
    if given:
        rows.append(("masks made elsewhere", ", ".join(given)))
    return rows + [("network", _network(source, told)) for source, told in networks.items()]


def _network(source: str, told: Mapping[str, Any]) -> str:
    """`ribs 1.2, licence Apache-2.0, SHA-256 5f70bf18a08600…`."""
    words = f"{told.get('model') or source} {told.get('version') or 'of unknown version'}"
    more = {"task": told.get("task"), "licence": told.get("licence"), "SHA-256": told.get("sha256")}
    return ", ".join([words, *(f"{name} {value}" for name, value in more.items() if value)])
