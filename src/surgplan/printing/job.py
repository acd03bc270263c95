"""The job sheet: everything that whoever runs the printer has to know, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from surgplan import __version__
from surgplan.model.frames import Array
from surgplan.model.part import Part
from surgplan.model.plate import Assembly, Plate
from surgplan.printing.checks import Spot
from surgplan.printing.estimate import Estimate, estimate
from surgplan.printing.printers import Printer
from surgplan.printing.stage import PrintResult

FORMAT, VERSION = "surgplan-print-job", 1
SETTINGS = ("layer_mm", "xy_compensation_mm", "shell_mm", "infill_share", "overhang_deg", "bridge_mm")
"""Numbers of the profile that are set in the slicer program."""


def job_of(
    result: PrintResult, printer: Printer, case: str, files: Sequence[str], spots: Sequence[Spot] = ()
) -> dict[str, Any]:
    """The sheet of what is printed, lengths in mm on the print.

    `files` are the names of the plates' 3MF, `spots` what the checks found.
    """
    estimates = [estimate(plate, printer) for plate in result.plates]
    parts = {part.name: part for part in result.parts}
    plates = [
        _plate(number, *each, parts) for number, each in enumerate(zip(result.plates, estimates, files, strict=True), 1)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "surgplan": __version__,
        "case": case,
        "scale": result.plates[0].scale,
        "printer": {
            "name": printer.name,
            "description": printer.description,
            "technology": str(printer.technology),
            "build_volume_mm": list(printer.build_volume_mm),
            "settings": {key: getattr(printer, key) for key in SETTINGS if getattr(printer, key) is not None},
        },
        "plates": plates,
        "total": _total(estimates),
        "checks": [
            {**finding.as_dict(), "value": None, "limit_value": None, "lps": None, "print": None, "plate": None}
            for finding in result.findings
        ]
        + [_check(each) for each in spots],
        "assumptions": list(estimates[0].assumptions),
        "measures": [
            {
                "name": each.name,
                "part": each.part,
                "expected_mm": each.expected_mm,
                "direction": _rounded(_direction(result.plates, each.part, each.ends)),
            }
            for each in result.calipers
        ],
    }


def _plate(number: int, plate: Plate, told: Estimate, file: str, parts: Mapping[str, Part]) -> dict[str, Any]:
    low, high = plate.bounds
    figures = asdict(told)
    figures.pop("assumptions")
    return {
        "number": number,
        "file": file,
        "size_mm": _rounded(high - low),
        "parts": [
            _part(each.label.name, assembly, parts) for assembly in plate.assemblies for each in assembly.objects
        ],
        "estimate": {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()},
    }


def _part(name: str, assembly: Assembly, parts: Mapping[str, Part]) -> dict[str, Any]:
    part, scale = parts[name], assembly.scale
    low, high = (assembly.places[0] @ part.body).bounds
    return {
        "name": name,
        "structure": part.structure,
        "side": str(part.label.side),
        "mirrored": part.mirrored,
        "color": "#{:02x}{:02x}{:02x}".format(*part.colour),
        "copies": len(assembly.places),
        "size_mm": _rounded(high - low),
        "volume_mm3": round(part.surface.volume_mm3 * scale**3, 3),
        "triangles": len(part.surface.triangles),
        "modifications": [
            {"kind": each.kind, "what": each.what, "outside_mm": each.outside_mm, **each.measured}
            for each in part.modifications
        ],
        "print_from_lps": [place.matrix.tolist() for place in assembly.places],
    }


def _check(spot: Spot) -> dict[str, Any]:
    told: dict[str, Any] = dict(spot.finding.as_dict())
    place = {"lps": spot.lps and list(spot.lps), "print": spot.print and list(spot.print), "plate": spot.plate}
    return {**told, "value": spot.value, "limit_value": spot.limit, **place}


def _total(estimates: Sequence[Estimate]) -> dict[str, Any]:
    costs = [each.cost for each in estimates if each.cost is not None]
    return {
        "plates": len(estimates),
        "mass_g": round(sum(each.mass_g for each in estimates), 3),
        "time_s": round(sum(each.time_s for each in estimates), 1),
        "cost": round(sum(costs), 2) if len(costs) == len(estimates) else None,
        "currency": estimates[0].currency,
    }


def _direction(plates: Sequence[Plate], name: str, ends: Array) -> Array:
    """(3,) the direction of a distance on the build plate, of the part's first copy; zeros where it is on none."""
    for plate in plates:
        for assembly in plate.assemblies:
            if any(each.label.name == name for each in assembly.objects):
                way = assembly.places[0].linear @ (np.asarray(ends[1]) - np.asarray(ends[0]))
                length = float(np.linalg.norm(way))
                return np.asarray(way / length) if length else np.zeros(3)
    return np.zeros(3)


def _rounded(values: Array) -> list[float]:
    return [round(float(value), 3) + 0.0 for value in values]
