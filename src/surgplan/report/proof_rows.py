"""What vouches for the surfaces, as text: the certificate, how sure each boundary is, what was left out, thin walls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from surgplan.findings import Finding, Level
from surgplan.report.rows import NOTHING, number
from surgplan.report.stage import ReportInput
from surgplan.segment.certainty import FARTHEST_MM
from surgplan.surface.certificate import ACCEPTED, Certificate, CertifiedStep
from surgplan.surface.fidelity import Distances

Told = tuple[str, Finding]

WITHIN = "within a voxel"
"""Where only a mask tells the boundary, and no point lies farther off than that leaves open."""

LEFT_OUT = ("dropped parts", "faint parts")
"""Checks whose findings tell what is in the scan but not in the model."""

IN_TABLES = frozenset((*LEFT_OUT, "certainty", "wall"))
"""Notes of these checks stand in a table of their own: they are not told twice."""


def certificate_rows(given: ReportInput) -> list[dict[str, Any]]:
    """The certificate of each structure, in the order of the structures; empty without one."""
    return [_certified(each.certificate) for each in given.measures]


def _certified(certificate: Certificate) -> dict[str, Any]:
    last = certificate.steps[-1] if certificate.steps else None
    by_scan = certificate.boundary == "scan"
    return {
        "by_scan": by_scan,
        "held_to": _held_to(certificate),
        "to_scan": _shown(last.to_scan if last else None, by_scan),
        "from_scan": _shown(last.from_scan if last else None, by_scan),
        "largest": number(certificate.maximum_mm, 2) if by_scan or certificate.maximum_mm else WITHIN,
        "limit": f"{certificate.limit_p95_mm:.3g}",
        "accepted": certificate.verdict == ACCEPTED,
        "steps": [_step(step) for step in certificate.steps],
    }


def _held_to(certificate: Certificate) -> str:
    if certificate.boundary != "scan":
        return "voxels of the mask"
    if certificate.decided_share >= 0.995:
        return "the scan"
    return f"the scan, {100 * certificate.decided_share:.0f} %; else voxels of the mask"


def _shown(distances: Distances | None, by_scan: bool) -> str:
    """Against a mask's voxels, 0.000 would claim what half a voxel of room cannot know."""
    return WITHIN if distances and not by_scan and distances.p95 == 0 else _p95(distances)


def _p95(distances: Distances | None) -> str:
    return number(distances.p95, 3) if distances else NOTHING


def _step(step: CertifiedStep) -> dict[str, str]:
    told = {"step": step.step, "triangles": f"{step.triangles:,}", "volume": number(100 * step.volume_change, 2)}
    for way, distances in (("to_scan", step.to_scan), ("from_scan", step.from_scan)):
        told[way] = _p95(distances)
        told[f"{way}_max"] = number(distances.maximum, 3) if distances else NOTHING
    return told


def certainty_rows(given: ReportInput) -> list[dict[str, str]]:
    """How far the surface of each structure moves for another threshold; those that were not measured are left out."""
    return [
        {
            "name": each.name,
            "level": number(each.level, 0),
            "by": f"{each.by_hu:g}",
            "median": _moved(each.median_mm),
            "p95": _moved(each.p95_mm),
            "most": _moved(each.max_mm),
        }
        for each in given.certainty
    ]


def _moved(distance_mm: float) -> str:
    """Where the intensity hardly changes, no distance is told."""
    return f"{FARTHEST_MM:g} or more" if distance_mm >= FARTHEST_MM else number(distance_mm, 2)


def left_out_rows(told: Iterable[Told], parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is in the scan, and was left out of each structure on purpose; and its parts, one by one."""
    rows: list[dict[str, Any]] = [_named(each) | {"parts": []} for _, each in told if each.check in LEFT_OUT]
    for listed in parts:
        row = next((row for row in rows if (row["name"], row["check"]) == (listed["name"], listed["check"])), None)
        if row is not None and listed["dropped"]["count"] > 1:
            row["parts"] += _parts(listed["dropped"])
    return rows


def _parts(dropped: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each part that is listed, with its place; the others as one row without."""
    rows = [
        {"size": _cubic(part["volume_mm3"]), "place": ", ".join(f"{value:.0f}" for value in part["at"])}
        for part in dropped["parts"]
    ]
    rest = dropped["count"] - len(rows)
    if rest:
        volume = dropped["volume_mm3"] - sum(part["volume_mm3"] for part in dropped["parts"])
        rows.append({"size": _cubic(volume), "place": f"{rest} more, together"})
    return rows


def _cubic(mm3: float) -> str:
    return number(mm3, 0 if mm3 >= 10 else 1)


def wall_rows(told: Iterable[Told]) -> list[dict[str, str]]:
    """Where walls are thinner than the printer makes them."""
    walls = [finding for stage, finding in told if stage == "print" and finding.check == "wall"]
    return [_named(finding) | {"limit": finding.limit} for finding in walls]


def _named(finding: Finding) -> dict[str, str]:
    level = "warn" if finding.level is not Level.NOTE else "note"
    return {"name": finding.subject, "check": finding.check, "measured": finding.measured, "level": level}


def other_notes(told: Iterable[Told]) -> Iterator[Told]:
    """The notes that no table of its own shows."""
    return (each for each in told if each[1].level is Level.NOTE and each[1].check not in IN_TABLES)
