"""The job sheet as a page that can be printed: plates with pictures, settings, checks, and what to measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from surgplan.findings import Finding, verdict
from surgplan.model.plate import Plate
from surgplan.printing.printers import Printer
from surgplan.printing.thickness import Walls
from surgplan.report.page import CLASSES, environment
from surgplan.report.pictures import Kind, Picture
from surgplan.report.plate_view import OBLIQUE, THUMBNAIL, plate_picture
from surgplan.report.rows import NOTHING, duration, lengths, number

TEMPLATE = "job.html.j2"
SIZE = (480, 360)
MOST_PLATES = 12
"""So many plates, the first ones, have pictures."""
SETTING_NAMES = {
    "layer_mm": "layer, mm",
    "xy_compensation_mm": "XY compensation, mm on each side",
    "shell_mm": "shell, mm",
    "infill_share": "infill, share",
    "overhang_deg": "supports from a lean of, °",
    "bridge_mm": "longest bridge, mm",
}


def thumbnail(plate: Plate, printer: Printer) -> bytes:
    """A small PNG of a plate, for its 3MF."""
    return plate_picture(plate, printer, OBLIQUE, THUMBNAIL)


def job_page(job: Mapping[str, Any], plates: Sequence[Plate], printer: Printer, walls: Mapping[str, Walls]) -> str:
    """The page of a job sheet (`printing/job.py`): text is escaped, pictures are embedded; same input, same bytes."""
    checks = [{**each, "number": count} for count, each in enumerate(job["checks"], 1)]
    found = [Finding.from_dict({key: each[key] for key in Finding.__dataclass_fields__}) for each in job["checks"]]
    judged = verdict(found)
    pictures = [_pictures(count, plate, printer, walls, checks) for count, plate in enumerate(plates[:MOST_PLATES], 1)]
    text: str = (
        environment()
        .get_template(TEMPLATE)
        .render(
            job=job,
            verdict=judged,
            verdict_class=CLASSES[judged],
            settings=[(SETTING_NAMES[key], f"{value:g}") for key, value in job["printer"]["settings"].items()],
            room=lengths(job["printer"]["build_volume_mm"], 0),
            plates=[_rows(each) for each in job["plates"]],
            pictures=pictures,
            checks=checks,
            total={
                "mass": number(job["total"]["mass_g"], 0),
                "time": duration(job["total"]["time_s"]),
                "cost": NOTHING
                if job["total"]["cost"] is None
                else f"{job['total']['cost']:.2f} {job['total']['currency']}",
            },
        )
    )
    return text


def _pictures(
    count: int, plate: Plate, printer: Printer, walls: Mapping[str, Walls], checks: Sequence[Mapping[str, Any]]
) -> list[Picture]:
    """The plate in its colours with the numbers of the checks, and coloured by its walls."""
    marks = [
        (str(each["number"]), np.array(each["print"])) for each in checks if each["print"] and each["plate"] == count
    ]
    words = f"plate {count}, {OBLIQUE}; the yellow edge is the printer's front"
    shown = plate_picture(plate, printer, OBLIQUE, SIZE, marks=marks)
    numbers = "; numbers are those of the checks" if marks else ""
    made = [Picture(f"plate-{count}.png", Kind.PLATE, words + numbers, shown, SIZE)]
    if any(each.label.name in walls for each in plate.objects):
        limit = printer.smallest_wall_mm
        words = f"plate {count}, walls: red below {limit:g} mm, yellow from there, fading to grey at {2 * limit:g} mm"
        made.append(
            Picture(f"walls-{count}.png", Kind.PLATE, words, plate_picture(plate, printer, OBLIQUE, SIZE, walls), SIZE)
        )
    return made


def _rows(plate: Mapping[str, Any]) -> dict[str, Any]:
    told = plate["estimate"]
    return {
        "number": plate["number"],
        "file": plate["file"],
        "size": lengths(plate["size_mm"]),
        "layers": f"{told['layers']:,}",
        "mass": number(told["mass_g"], 0),
        "time": duration(told["time_s"]),
        "cost": _price(told),
        "parts": [
            {
                **part,
                "size": lengths(part["size_mm"]),
                "volume": number(part["volume_mm3"] / 1000, 2),
                "done": "; ".join(each["what"] for each in part["modifications"]) or NOTHING,
            }
            for part in plate["parts"]
        ],
    }


def _price(told: Mapping[str, Any]) -> str:
    return NOTHING if told["cost"] is None else f"{told['cost']:.2f} {told['currency']}"
