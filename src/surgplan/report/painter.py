"""A process that draws with VTK, one order after the other, while this one does something else.

VTK ends the process when it finds no way to render; a child's end is only an error.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

TIME_LIMIT_S = 120.0
"""How long an order may take."""
ENVIRONMENT = {"VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow", "LIBGL_ALWAYS_SOFTWARE": "1"}
"""VTK would look for an X server first, and crash where there is no libX11; without EGL it takes OSMesa by itself.
Mesa draws in software, so that pictures do not depend on the graphics card."""

LENGTH_BYTES = 4
"""Before each picture, the child tells its length, least byte first."""


class CannotRender(RuntimeError):
    """This machine cannot render off-screen."""


class Painter:
    """The child process `render_child.py`, and the thread that talks with it. Whoever begins one must close it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def draw(self, order: Sequence[bytes], count: int) -> Future[tuple[bytes, ...]]:
        """The PNGs of so many pictures; the future raises `CannotRender` when the child has ended without them."""
        return self._thread.submit(self._drawn, order, count)

    def close(self) -> None:
        """End the child, whatever it does."""
        self._closed = True
        self._kill()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._kill()
        child, self._child = self._child, None
        if child is not None:
            for stream in (child.stdin, child.stdout):
                with suppress(BrokenPipeError):  # what it did not read is lost
                    assert stream is not None
                    stream.close()
            child.wait()
        self._told.close()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _drawn(self, order: Sequence[bytes], count: int) -> tuple[bytes, ...]:
        child = self._child = self._child or self._begun()
        late = threading.Event()
        made: list[bytes] = []
        with _limited(child, late):
            assert child.stdin is not None
            assert child.stdout is not None
            with suppress(BrokenPipeError):  # a child that ends early is told by its code
                for part in order:
                    child.stdin.write(part)
                child.stdin.flush()
            for _ in range(count):
                length = int.from_bytes(child.stdout.read(LENGTH_BYTES), "little")
                data = child.stdout.read(length)
                if not data or len(data) < length:
                    raise self._failure(child, late)
                made.append(data)
        return tuple(made)

    def _begun(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise CannotRender("it was given up")
        environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "surgplan.report.render_child"],  # -P: nothing from the current folder
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._told,
                env={**environment, **ENVIRONMENT},
            )
        except OSError as error:
            raise CannotRender(f"no process could be started: {error.strerror}") from None

    def _failure(self, child: subprocess.Popen[bytes], late: threading.Event) -> CannotRender:
        code = child.wait()
        if late.is_set():
            return CannotRender(f"VTK did not end within {TIME_LIMIT_S:.0f} s")
        self._told.seek(0)
        return CannotRender(_why(code, self._told.read().decode("utf-8", "replace")))


@contextmanager
def _limited(child: subprocess.Popen[bytes], late: threading.Event) -> Iterator[None]:
    """Kill the child when the time limit has passed; `late` tells that it came to that."""

    def kill() -> None:
        late.set()
        child.kill()

    clock = threading.Timer(TIME_LIMIT_S, kill)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _why(code: int, told: str) -> str:
    if "EGL" in told or "OSMesa" in told:
        return "VTK found neither EGL nor OSMesa"
    if code < 0:
        return f"VTK was ended by {signal.Signals(-code).name}"
    last = told.strip().splitlines()[-1:]
    return f"the drawing process ended with code {code}" + (f" ({last[0]})" if last else "")
