"""Runs surgplan as its users do: as a process of its own, seen from outside."""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

STATE = tempfile.mkdtemp(prefix="surgplan-tests-state-")
"""Where cases of the tests note their scans: not in the home of whoever runs them."""
atexit.register(shutil.rmtree, STATE, ignore_errors=True)


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one error message, without its mark."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0].removeprefix("error: ")


def program_words(*words: object) -> list[str]:
    """The command line of `surgplan WORDS…`, for whoever starts it otherwise."""
    return [sys.executable, "-m", "surgplan", *map(str, words)]


def surgplan(*words: object, cwd: Path | None = None, timeout: float = 300, **variables: str) -> Ended:
    """Run `surgplan WORDS…` to its end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SURGPLAN_")}
    env |= {"SURGPLAN_SALT": "the key of the tests", "XDG_STATE_HOME": STATE} | variables
    command = program_words(*words)
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=timeout, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def surgplan_here(*words: object, **variables: str) -> Ended:
    """The same within this process: libraries are loaded once, so that many short commands take little time."""
    from surgplan.cli.main import run

    kept = {name: value for name, value in os.environ.items() if not name.startswith("SURGPLAN_")}
    told = {"SURGPLAN_SALT": "the key of the tests", "XDG_STATE_HOME": STATE} | variables
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with (
        patch.dict(os.environ, kept | told, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run([str(word) for word in words])
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Ended(code, *texts)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes; not the lock and the log, which hold processes and times."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in (".surgplan/lock", "log.jsonl")}
