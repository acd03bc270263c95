"""The page: one HTML file that opens anywhere and needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surgplan.findings import Finding, Level, worst
from surgplan.report.stage import ReportInput

VERDICTS = {None: "ready", Level.NOTE: "ready", Level.WARN: "ready with warnings", Level.REFUSE: "rejected"}
CLASSES = {"ready": "good", "ready with warnings": "fair", "rejected": "bad"}


def page(
    given: ReportInput, pictures: Mapping[str, bytes], captions: Mapping[str, str], findings: tuple[Finding, ...]
) -> str:
    """Fill the template. All text is escaped; pictures are embedded."""
    import jinja2

    told = (*given.findings, *(("report", finding) for finding in findings))
    verdict = VERDICTS[worst(finding for _, finding in told)]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((Path(__file__).parent / "page.html.j2").read_text("utf-8"))
    order = list(Level)
    text: str = template.render(
        given=given,
        verdict=verdict,
        verdict_class=CLASSES[verdict],
        reasons=[finding for _, finding in told if finding.level is not Level.NOTE],
        findings=sorted(told, key=lambda pair: -order.index(pair[1].level)),
        figures=_figures(pictures, captions),
        structures=_structures(given),
        print=_print(given),
        points=_points(given),
        trajectories=given.plan.trajectories if given.plan else (),
        transforms=given.plan.transforms if given.plan else (),
    )
    return text


def _figures(pictures: Mapping[str, bytes], captions: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "caption": captions.get(name, name),
            "source": "data:image/png;base64," + base64.b64encode(picture).decode("ascii"),
            "kind": "slice" if name.removesuffix(".png").endswith(("axial", "coronal", "sagittal")) else "view",
        }
        for name, picture in pictures.items()
    ]


def _structures(given: ReportInput) -> list[dict[str, Any]]:
    rows = []
    for label, measures in zip(given.labels.labels, given.measures, strict=True):
        shape = measures.topology
        distances = measures.fidelity
        rows.append(
            {
                "name": label.name,
                "color": "#" + "".join(f"{channel:02x}" for channel in label.color),
                "side": str(label.side) or "–",
                "level": "–" if measures.level is None else f"{measures.level:.0f}",
                "volume": f"{measures.volume_mm3 / 1000:.2f}",
                "size": " × ".join(f"{length:.1f}" for length in measures.size_mm),
                "triangles": f"{shape.triangles:,}",
                "bodies": shape.bodies,
                "sound": "yes" if shape.ok else "NO",
                "contour_p95": f"{distances.to_contour.p95:.3f}",
                "contour_max": f"{max(distances.to_contour.maximum, distances.from_contour.maximum):.3f}",
                "scan_mean": f"{distances.to_scan.mean:.3f}" if distances.to_scan else "–",
                "scan_p95": f"{distances.to_scan.p95:.3f}" if distances.to_scan else "–",
                "volume_change": f"{100 * distances.volume_change:+.2f}",
                "tolerance": f"{measures.tolerance_mm:g}",
            }
        )
    return rows


def _print(given: ReportInput) -> dict[str, str] | None:
    if given.plate is None:
        return None
    size = given.plate.bounds[1] - given.plate.bounds[0]
    return {
        "printer": given.plate.printer,
        "scale": f"{given.plate.scale:g}",
        "size": " × ".join(f"{length:.1f}" for length in size),
    }


def _points(given: ReportInput) -> list[dict[str, str]]:
    if given.plan is None:
        return []
    return [
        {
            "name": point.name,
            "kind": "landmark" if point in tuple(given.plan.landmarks) else "fiducial",
            "place": ", ".join(f"{value:.2f}" for value in np.round(point.position, 2) + 0.0),
            "description": point.description,
        }
        for point in given.plan.points
    ]
