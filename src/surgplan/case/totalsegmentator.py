"""TotalSegmentator, run as the program that it is: surgplan neither contains nor installs it.

Source: its command line, version 2.18 (`TotalSegmentator --help`): `-i` a NIfTI file, `-o` a folder that gets one NIfTI
file for each class, named after it; `--roi_subset` the classes wanted. Wasserthal et al., Radiology: AI 5 (5), 2023.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from surgplan.errors import BadInput, Missing, OutOfResources
from surgplan.model.masks import NamedMask
from surgplan.model.volume import Volume

PROGRAM = "TotalSegmentator"
HOW_TO_INSTALL = (
    "Install it into an environment of its own and put it on PATH: pip install TotalSegmentator. It loads its weights "
    "from the network when it first runs; some of its tasks need a licence"
)
LONGEST_WORD = 300
LONGEST_VERSION_S = 120


def run_totalsegmentator(
    volume: Volume, task: str, fast: bool, classes: Sequence[str], hours: float
) -> tuple[dict[str, NamedMask], str]:
    """The masks of the wanted classes, by name, and the program's version.

    Raises
    ------
    Missing
        The program is not installed.
    BadInput
        It failed, and what it said; or it left out a class that was asked for.
    OutOfResources
        It took longer than allowed, or was stopped for want of memory.
    """
    executable = program()
    with tempfile.TemporaryDirectory(prefix="surgplan-") as name:
        folder = Path(name)
        _write_scan(folder / "scan.nii.gz", volume)
        command = [executable, "-i", str(folder / "scan.nii.gz"), "-o", str(folder / "out"), "--task", task]
        # a task of its own has all its classes in one network: only the large ones can be told what to leave out
        command += ["--roi_subset", *classes] if task in ("total", "total_mr") else []
        command += ["--fast"] if fast else []
        _run(command, folder, hours * 3600)
        return _read(folder / "out", classes), _version(executable)


def program() -> str:
    """Where the program is; `Missing` when it is not installed."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise Missing(PROGRAM, "is not installed, and a structure's method needs it", advice=HOW_TO_INSTALL)
    return found


def _write_scan(path: Path, volume: Volume) -> None:
    """A NIfTI file for the program alone, of voxels and geometry and nothing else; no result of surgplan's."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing.tolist())
    image.SetOrigin(volume.grid.origin.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    sitk.WriteImage(image, str(path))
    written = sitk.ReadImage(str(path))  # a full disk makes the writer stop without a word
    if written.GetSize() != image.GetSize() or sitk.Hash(written) != sitk.Hash(image):
        raise OutOfResources(path.parent, "the scan cannot be written there", advice="Free some disk space")


def _run(command: list[str], folder: Path, seconds: float) -> None:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            advice = "Raise networks.hours, set fast = true, or crop the scan"
            raise OutOfResources(PROGRAM, f"took more than {seconds / 3600:g} h", advice=advice) from None
        finally:
            _end(process)
    if code == -signal.SIGKILL:
        raise OutOfResources(PROGRAM, "was killed, most likely for want of memory", advice="Crop the scan or set fast")
    if code:
        lines = (folder / "log").read_text("utf-8", "replace").strip().splitlines()
        said = lines[-1].replace(str(folder), "…")[:LONGEST_WORD] if lines else "it said nothing"
        raise BadInput(PROGRAM, f"ended with code {code}: {said}", advice="Run it by hand on this scan to see why")


def _end(process: subprocess.Popen[Any]) -> None:
    """Its own processes too: it starts some, and none of them may outlive an interruption."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(folder: Path, classes: Sequence[str]) -> dict[str, NamedMask]:
    from surgplan.formats.masks import read_masks

    absent = [name for name in classes if not (folder / f"{name}.nii.gz").is_file()]
    if absent:
        advice = f"Check the name: {PROGRAM} --list-classes shows them"
        raise BadInput(PROGRAM, f"made no mask of {', '.join(absent)}", advice=advice)
    masks, _ = read_masks(folder, wanted=frozenset(classes))
    return {mask.name: mask for mask in masks}


def _version(executable: str) -> str:
    """What the program says of itself, or "" when it does not."""
    try:
        done = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, timeout=LONGEST_VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()[:40] if done.returncode == 0 else ""
