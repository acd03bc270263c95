"""What reads a mutant: the real program code, as the command line calls it, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.catalogue import MESHES

SCANS = ("dicom", "dicomdir", "zip", "tree", "nifti", "nrrd", "mha")
MESH_COMMANDS = ("check", "check", "check", "convert")


@dataclass(frozen=True)
class Ended:
    """How a run ended, as seen from outside."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines that tell an error."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def told(self) -> dict[str, Any]:
        """The document on stdout, {} when there is none."""
        try:
            found = json.loads(self.out)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def words(kind: str, entry: Path, out: Path, number: int) -> list[str] | None:
    """The command that takes a file of this kind; None when no command takes it alone."""
    if kind in SCANS:
        if kind in ("dicom", "dicomdir", "zip", "tree") and number % 10 == 0:
            return ["ingest", str(entry), "--list", "--json"]
        return ["ingest", str(entry), "-o", str(out / "volume.nrrd"), "--json"]
    if kind in MESHES:
        command = MESH_COMMANDS[number % len(MESH_COMMANDS)]
        return [command, str(entry), *([] if command == "check" else ["-o", str(out / "mesh.glb")]), "--json"]
    if kind == "recipe":
        return ["run", str(entry.parent / "scan.nrrd"), "-r", str(entry), "-o", str(out / "case"), "--dry-run"]
    if kind == "case":
        return ["run", str(entry), "-o", str(out / "case"), "--dry-run"]
    if kind == "manifest":
        return ["check" if number % 2 else "verify", str(entry)]
    return None


def inside(kind: str, entry: Path, out: Path, number: int) -> Ended:
    """Read it in this process, with the errors told as the command line tells them."""
    from surgplan.cli.main import ending, run

    asked = words(kind, entry, out, number)
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", handler) for handler in ("strict", "backslashreplace"))
    before = signal.getsignal(signal.SIGTERM)  # the command line takes it over
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        code = run(asked) if asked else ending(_reader(kind, entry), False)
    signal.signal(signal.SIGTERM, before)
    return Ended(code, _text(stdout), _text(stderr))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode("utf-8")


def _reader(kind: str, entry: Path) -> Callable[[], object]:
    """The reader of what no command reads alone."""
    if kind == "seg":
        from surgplan.formats.segmentations import read_labels

        return lambda: read_labels(entry)
    if kind == "mask":
        from surgplan.formats.masks import read_masks

        return lambda: read_masks(entry)
    if kind == "tfm":
        from surgplan.formats.transform_files import read_transform
        from surgplan.model.frames import LPS, PRINT

        known = () if entry.suffix in (".tfm", ".json") else (LPS, PRINT)
        return lambda: read_transform(entry, *known)
    if entry.suffix == ".mha":
        from surgplan.formats.plus import read_recording

        return lambda: read_recording(entry)
    from surgplan.case.point_files import read_point_file

    return lambda: read_point_file(entry)


def outside(kind: str, entry: Path, out: Path, number: int) -> Ended | None:
    """Read it by the real command line, in a process of its own; None when no command takes it alone."""
    asked = words(kind, entry, out, number)
    if asked is None:
        return None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SURGPLAN_")}
    done = subprocess.run(
        [sys.executable, "-m", "surgplan", *asked], capture_output=True, env=environment, timeout=60, check=False
    )
    return Ended(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
