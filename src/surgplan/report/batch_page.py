"""The page of a batch: one table of many cases, the worst first, that sorts and filters without a server."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surgplan.findings import READY, REJECTED, WITH_WARNINGS
from surgplan.report.page import CLASSES, environment

TEMPLATE = "batch.html.j2"
SCRIPT = Path(__file__).with_name("batch.js")
PICTURE_PX = 96
RANKS = {REJECTED: 1, WITH_WARNINGS: 2, READY: 3}
"""By which the verdicts sort; one that is not here, a failure, is the worst."""
MOST_PICTURES = 400
"""Pictures are embedded for so many cases, the first ones: about 4 MB of page."""


@dataclass(frozen=True)
class BatchRow:
    """One case as the table shows it. `report` and `log` are paths relative to the page, or "" where there is none."""

    name: str
    state: str
    message: str
    warnings: tuple[str, ...]
    volumes_ml: Mapping[str, float]
    seconds: float
    report: str
    log: str
    picture: bytes


def batch_page(rows: Sequence[BatchRow]) -> str:
    """The page for cases in the given order. All text is escaped; the only script is the page's own, by its hash."""
    script = SCRIPT.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    states = list(dict.fromkeys(row.state for row in rows))
    text: str = (
        environment()
        .get_template(TEMPLATE)
        .render(
            rows=rows,
            pictures=[_small(row.picture) if number < MOST_PICTURES else "" for number, row in enumerate(rows)],
            counts={state: sum(row.state == state for row in rows) for state in states},
            classes=CLASSES,
            ranks=RANKS,
            script=script,
            script_hash=digest,
        )
    )
    return text


def _small(png: bytes) -> str:
    """The picture as a small JPEG in an address, or "" when there is none."""
    from PIL import Image

    if not png:
        return ""
    try:
        with Image.open(io.BytesIO(png)) as picture:
            small = picture.convert("RGB")
            small.thumbnail((PICTURE_PX, PICTURE_PX))
    except OSError:
        return ""
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")
