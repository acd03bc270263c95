"""surgplan against dicom2stl, the tool that labs use for the same job, on the same series and in turns.

dicom2stl is installed from PyPI into an environment of its own below `build/`; surgplan's is left alone. It is run
twice: with its defaults, which first shrink the volume to at most 256³ voxels (an eighth of the data), and at full
resolution (`--disable shrink`). It writes one STL; surgplan writes volume, labels, PLY, STL, 3MF, navigation data and
the report.
"""

from __future__ import annotations

import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.case_large import BUILD, Scan, run_surgplan
from tests.benchmarks.measure import Run, in_turns, run, summary

VERSION = "0.5.0"
VARIANTS = {"dicom2stl, defaults": [], "dicom2stl, full resolution": ["--disable", "shrink"]}


def installed() -> Path:
    """The dicom2stl command; installs it when it is not there yet."""
    home = BUILD / f"dicom2stl-{VERSION}"
    command = home / "bin" / "dicom2stl"
    if not command.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", f"dicom2stl=={VERSION}"]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return command


def bench(scan: Scan, times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Both tools in turns; medians, and their ratios to surgplan's."""
    command = installed()

    def dicom2stl(name: str) -> Callable[[], Run]:
        stl = BUILD / f"{name.replace(', ', '-').replace(' ', '-')}.stl"
        words = [str(command), *VARIANTS[name], "-o", str(stl), str(scan.series)]
        return lambda: run(words, BUILD / "logs" / f"{stl.stem}.log")

    case = BUILD / "case"
    commands: dict[str, Callable[[], Run]] = {"surgplan": lambda: run_surgplan(scan, case)}
    commands |= {name: dicom2stl(name) for name in VARIANTS}
    results = {name: summary(runs) for name, runs in in_turns(commands, times, say).items()}
    own = results["surgplan"]["wall_s"]["median"]
    faster = {name: round(results[name]["wall_s"]["median"] / own, 2) for name in VARIANTS}
    return {
        "scan": scan.name,
        "slices": sum(1 for path in scan.series.iterdir() if path.is_file()),
        "runs": times,
        "dicom2stl": VERSION,
        "results": results,
        "times_as_fast": faster,
    }
