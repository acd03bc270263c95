"""Work for libraries that can take for ever, or end the process: in a child process with a time limit."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


class ChildTookTooLong(Exception):
    """The time limit was reached."""


class ChildFailed(Exception):
    """The process ended without a result."""


def in_child(module: str, order: object, time_limit_s: float) -> Any:
    """What `python -m MODULE SOURCE TARGET` answers to an order: both are pickles in files of a folder of their own.

    Files, for libraries write on stdout whatever they like. The module reads with `read_order` and ends with `answer`.

    Raises
    ------
    ChildTookTooLong
        It had no answer within the time limit, and was ended.
    ChildFailed
        It ended without an answer.
    """
    if time_limit_s <= 0:
        raise ChildTookTooLong
    with tempfile.TemporaryDirectory(prefix="surgplan-") as folder:
        source, target = Path(folder, "order"), Path(folder, "answer")
        source.write_bytes(pickle.dumps(order, protocol=5))
        command = [sys.executable, "-m", module, str(source), str(target)]
        try:
            subprocess.run(command, capture_output=True, timeout=time_limit_s, check=True)
            return pickle.loads(target.read_bytes())
        except subprocess.TimeoutExpired:
            raise ChildTookTooLong from None
        except (subprocess.CalledProcessError, OSError, pickle.UnpicklingError, EOFError) as error:
            raise ChildFailed(type(error).__name__) from None


def read_order() -> Any:
    """In the child: what it was told to do."""
    return pickle.loads(Path(sys.argv[1]).read_bytes())


def answer(result: object) -> None:
    """In the child: hand back the result."""
    Path(sys.argv[2]).write_bytes(pickle.dumps(result, protocol=5))
