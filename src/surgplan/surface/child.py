"""Work for libraries that can take for ever, or end the process: in a child process with a time limit."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ChildTookTooLong(Exception):
    """The time limit was reached."""


class ChildFailed(Exception):
    """The process ended without a result."""


class Child:
    """`python -m MODULE` in a process of its own, started before its order is known: `with Child(…) as child`.

    Order and answer are pickles in files of a folder of their own, for libraries write on stdout whatever they like.
    The module reads with `read_order` and ends with `answer`. When the block ends, so does the process.
    """

    def __init__(self, module: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="surgplan-")
        self._source, self._target = (Path(self._folder.name, name) for name in ("order", "answer"))
        command = [sys.executable, "-m", module, str(self._source), str(self._target)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            self._folder.cleanup()
            raise ChildFailed(type(error).__name__) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def order(self, order: object) -> None:
        """Tell it what to do: once, and without waiting for the end.

        Raises
        ------
        ChildFailed
            It has ended already.
        """
        try:
            with self._source.open("wb") as file:
                pickle.dump(order, file, protocol=5)
            assert self._process.stdin is not None
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ChildFailed(type(error).__name__) from None

    def answer(self, time_limit_s: float) -> Any:
        """Wait for what it answers.

        Raises
        ------
        ChildTookTooLong
            It had no answer within the time limit.
        ChildFailed
            It ended without an answer.
        """
        try:
            if self._process.wait(time_limit_s):
                raise ChildFailed(f"exit code {self._process.returncode}")
            with self._target.open("rb") as file:
                return pickle.load(file)
        except subprocess.TimeoutExpired:
            raise ChildTookTooLong from None
        except (OSError, pickle.UnpicklingError, EOFError) as error:
            raise ChildFailed(type(error).__name__) from None


def in_child(module: str, order: object, time_limit_s: float) -> Any:
    """What `python -m MODULE` answers to an order.

    Raises
    ------
    ChildTookTooLong
        It had no answer within the time limit, and was ended.
    ChildFailed
        It ended without an answer.
    """
    if time_limit_s <= 0:
        raise ChildTookTooLong
    with Child(module) as child:
        child.order(order)
        return child.answer(time_limit_s)


def read_order() -> Any:
    """In the child: what it was told to do; the process ends here when whoever started it has ended without a word."""
    if not sys.stdin.buffer.read(1):
        sys.exit(1)
    with Path(sys.argv[1]).open("rb") as file:
        return pickle.load(file)


def answer(result: object) -> None:
    """In the child: hand back the result."""
    with Path(sys.argv[2]).open("wb") as file:
        pickle.dump(result, file, protocol=5)
