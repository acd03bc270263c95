"""Compiled templates lie where Python keeps its own compiled files; one that has changed is compiled again."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2
    from jinja2.bccache import Bucket

DAMAGED = (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError)
"""What reading raises where there is nothing, or nothing whole."""


def compiled_beside(folder: Path) -> jinja2.BytecodeCache:
    """The compiled templates of a folder. One that cannot be read or kept is compiled each time."""
    import jinja2

    class Compiled(jinja2.BytecodeCache):
        def get_cache_key(self, name: str, filename: str | None = None) -> str:
            # for this Python, and for the Jinja2 whose code it is
            return cache_from_source(str(folder / f"{name}.{jinja2.__version__}.py"))

        def load_bytecode(self, bucket: Bucket) -> None:
            with suppress(*DAMAGED):
                bucket.bytecode_from_string(Path(bucket.key).read_bytes())

        def dump_bytecode(self, bucket: Bucket) -> None:
            if sys.dont_write_bytecode:
                return
            part = Path(f"{bucket.key}.{os.getpid()}-{threading.get_ident():x}")
            with suppress(OSError):
                part.parent.mkdir(exist_ok=True)
                part.write_bytes(bucket.bytecode_to_string())
                part.replace(bucket.key)

    return Compiled()
