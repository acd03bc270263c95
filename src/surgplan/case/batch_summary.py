"""The summary of a batch: `batch.json`, `batch.csv` and `batch.html`, the worst cases first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surgplan import __version__
from surgplan.formats.atomic import write_text
from surgplan.report.failed_page import FAILED_MARK

if TYPE_CHECKING:
    from surgplan.case.batch import CaseEnd

FORMAT, VERSION = "surgplan-batch", 1
COLUMNS = ("name", "state", "exit_code", "seconds", "peak_mb", "tries", "message", "warnings", "volumes_ml")
FIRST_PICTURE = "all-front.png"


def write_summary(folder: Path, ends: Sequence[CaseEnd]) -> None:
    """Write the three files for cases in the given order."""
    from surgplan.report.batch_page import BatchRow, batch_page

    write_text(folder / "batch.json", json.dumps(summary(ends), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "batch.csv", _csv(ends))
    rows = [
        BatchRow(
            name=each.name,
            state=each.state,
            message=each.message,
            warnings=each.warnings,
            volumes_ml=each.volumes_ml,
            seconds=each.seconds,
            report=_report(folder, each),
            log=_relative(folder, f"logs/{each.folder}.log"),
            picture=b"" if each.state == "failed" else _bytes(folder / each.folder / "report" / FIRST_PICTURE),
        )
        for each in ends
    ]
    write_text(folder / "batch.html", batch_page(rows))


def summary(ends: Sequence[CaseEnd]) -> dict[str, Any]:
    """The document of `batch.json`, and of `--json`."""
    states = [each.state for each in ends]
    return {
        "format": FORMAT,
        "format_version": VERSION,
        "surgplan": __version__,
        "counts": {state: states.count(state) for state in sorted(set(states))},
        "cases": [asdict(each) for each in ends],
    }


def _csv(ends: Sequence[CaseEnd]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in ends:
        told = asdict(each)
        told["warnings"] = "; ".join(each.warnings)
        told["volumes_ml"] = "; ".join(f"{name} {volume}" for name, volume in each.volumes_ml.items())
        writer.writerow([_harmless(told[column]) for column in COLUMNS])
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula is quoted (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _report(folder: Path, each: CaseEnd) -> str:
    """The case's page; of a failed one only a page that says so: one that was killed may have an older report."""
    name = f"{each.folder}/report/index.html"
    tells = each.state != "failed" or FAILED_MARK.encode() in _bytes(folder / name)[:4096]
    return _relative(folder, name) if tells else ""


def _relative(folder: Path, name: str) -> str:
    return name if (folder / name).is_file() else ""


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
