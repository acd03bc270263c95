"""Rendered views of the structures, made off-screen by VTK in a child process.

VTK ends the process when it finds no way to render; a child's end is only an error.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from surgplan.model.surface import Surface

TIME_LIMIT_S = 120.0


class CannotRender(RuntimeError):
    """This machine cannot render off-screen."""


def render_views(surfaces: Sequence[Surface], width: int) -> dict[str, tuple[bytes, str]]:
    """File name → (PNG, caption) of the structures from front, left and above, and of each one alone.

    Raises
    ------
    CannotRender
        The rendering process ended without pictures.
    """
    meshes = [
        (each.label.name, each.label.file_stem, each.label.color, each.vertices, each.triangles) for each in surfaces
    ]
    command = [sys.executable, "-m", "surgplan.report.render_child"]
    try:
        done = subprocess.run(
            command, input=pickle.dumps((meshes, width)), capture_output=True, timeout=TIME_LIMIT_S, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise CannotRender(f"rendering did not end: {type(error).__name__}") from None
    try:
        found: Any = pickle.loads(done.stdout)
    except (pickle.UnpicklingError, EOFError, ValueError, IndexError):
        raise CannotRender(f"VTK ended with code {done.returncode}") from None
    return dict(found)
