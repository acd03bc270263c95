"""Files that are written beside the work that follows: what is in hand need not wait for the disk.

A disk takes longer to keep a volume than the processor to threshold it. Nothing is told to be written before it is:
whoever asks for the files waits until they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from surgplan.formats.atomic import Written

Files = tuple[Written, ...]
Writing = Callable[[], Files]
Later = Callable[[Writing], "Future[Files]"]
"""Takes on to write files, now or beside what follows; the future's `result` waits, and raises what went wrong."""

SEVERAL = 4
"""So many small files wait for the disk at a time: it keeps them in one go."""


def at_once(write: Writing) -> Future[Files]:
    """Write now, and raise what goes wrong."""
    done: Future[Files] = Future()
    done.set_result(write())
    return done


def beside() -> ThreadPoolExecutor:
    """What writes in a thread of its own, one after the other; leaving it waits until all is written."""
    return ThreadPoolExecutor(1, "writing")


def together(writings: Sequence[Callable[[], Written]]) -> Files:
    """Write small files, several at a time; told in the order in which they were given."""
    with ThreadPoolExecutor(SEVERAL, "writing") as pool:
        return tuple(pool.map(lambda write: write(), writings))
