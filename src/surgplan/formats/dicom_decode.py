"""Decodes compressed slices on all cores, in processes of their own; see `codec_child`."""

from __future__ import annotations

import json
import os
import pickle
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput, Missing, SurgplanError
from surgplan.formats.codec_child import ANSWER
from surgplan.formats.dicom import SliceHeader
from surgplan.formats.limits import AGAIN

SLICES_FOR_A_CHILD = 8
"""A process that decodes fewer slices is not worth its start."""
LONGEST_ANSWER = 1 << 16
PATIENCE_S = 30.0
"""A slice takes 0.1 s; what takes longer than this hangs."""

Sink = Callable[[int, NDArray[Any]], None]


def decode(slices: Sequence[SliceHeader], sink: Sink) -> None:
    """Decode all slices; `sink` gets the number of each and its stored values, (rows, columns), in any order.

    Raises
    ------
    BadInput
        A stream is damaged, or its decoder crashes or hangs.
    Missing
        No decoder is installed.
    """
    count = max(1, min(len(os.sched_getaffinity(0)), 8, len(slices) // SLICES_FOR_A_CHILD))
    with ThreadPoolExecutor(count) as pool:
        parts = [range(start, len(slices), count) for start in range(count)]
        for done in [pool.submit(_by_child, slices, part, sink) for part in parts]:
            done.result()


def _by_child(slices: Sequence[SliceHeader], numbers: Sequence[int], sink: Sink) -> None:
    command = [sys.executable, "-m", "surgplan.formats.codec_child"]
    # what a decoder puts aside goes with the folder, also when the decoder is killed
    with (
        tempfile.TemporaryDirectory(prefix="surgplan-") as folder,
        subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": folder},
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(pickle.dumps([slices[number] for number in numbers]))
            child.stdin.close()
            for number in numbers:
                sink(number, _answer(child.stdout, slices[number]))
        except BrokenPipeError:
            raise _failed(slices[numbers[0]], "makes its decoder fail") from None
        finally:
            child.kill()


def _answer(pipe: IO[bytes], each: SliceHeader) -> NDArray[Any]:
    head = bytearray(ANSWER.size)
    _fill(pipe, memoryview(head), each)
    well, kind, rows, columns, count = ANSWER.unpack(head)
    if not well:
        told = bytearray(min(count, LONGEST_ANSWER))
        _fill(pipe, memoryview(told), each)
        raise _error(told, each)
    if (rows, columns) != (each.rows, each.columns):
        found = f"decodes to {columns} × {rows} pixels"
        raise BadInput(each.path, found, f"{each.columns} × {each.rows}", AGAIN)
    raw = np.empty((rows, columns), np.dtype(kind.decode()))
    _fill(pipe, raw.reshape(-1).view(np.uint8).data, each)
    return raw


def _error(told: bytes | bytearray, each: SliceHeader) -> SurgplanError:
    """The error that a child told as JSON; one that makes no sense is the file's fault."""
    try:
        words = json.loads(told)
        kind = Missing if words["kind"] == Missing.__name__ else BadInput
        return kind(*(str(words[name]) for name in ("subject", "found", "expected", "advice")))
    except (ValueError, KeyError, TypeError):
        return _failed(each, "makes its decoder fail")


def _fill(pipe: IO[bytes], view: memoryview, each: SliceHeader) -> None:
    """Read exactly as many bytes as fit into `view`."""
    done = 0
    while done < len(view):
        if not select.select([pipe], [], [], PATIENCE_S)[0]:
            raise _failed(each, f"takes its decoder longer than {PATIENCE_S:g} s")
        count = pipe.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise _failed(each, "makes its decoder fail")
        done += count


def _failed(each: SliceHeader, found: str) -> BadInput:
    return BadInput(each.path, found, advice=AGAIN)
