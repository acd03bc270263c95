"""The case that is measured: the skull example at full size, or a series of one's own."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import Run, run

BUILD = Path(__file__).parents[2] / "build" / "bench"
TRIANGLES = 500_000


@dataclass(frozen=True)
class Scan:
    """A DICOM series, and its truth when it was made by `surgplan example`."""

    name: str
    series: Path
    recipe: str
    truth: Path | None = None
    case: Path | None = None

    @property
    def source(self) -> Path:
        """What `surgplan run` is given: the case file where there is one, else the series."""
        return self.case or self.series


def surgplan() -> list[str]:
    """The command as installed beside this interpreter."""
    script = Path(sysconfig.get_path("scripts")) / "surgplan"
    return [str(script)] if script.exists() else [sys.executable, "-m", "surgplan"]


def example(name: str = "skull", size: str = "large", seed: int = 0) -> Scan:
    """The example, made once and kept; its DICOM series lies in `dicom/`."""
    folder = BUILD / f"{name}-{size}"
    if not (folder / "truth.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        words = ["example", name, "--size", size, "--seed", str(seed), "-o", str(folder)]
        run([*surgplan(), *words], BUILD / "logs" / "example.log")
    return Scan(f"{name} example, {size}", folder / "dicom", f"ct-{name}", folder / "truth.json", folder / "case.toml")


def run_surgplan(scan: Scan, case: Path) -> Run:
    """The whole pipeline into a new case folder."""
    shutil.rmtree(case, ignore_errors=True)
    words = [*surgplan(), "run", str(scan.source), "-o", str(case), "--set", f"surface.max_triangles={TRIANGLES}"]
    if scan.case is None:
        words += ["-r", scan.recipe]
    return run(words, BUILD / "logs" / "surgplan.log")
