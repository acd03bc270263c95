"""A mesh made ready for simplifying: a large one in parts, each in a process of its own.

manifold3d holds Python's lock while it works and uses one core for most of it, so that threads would not help.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np

from surgplan.model.surface import Surface
from surgplan.surface.parts import CannotBeCut, Floats, Ints, Part, cut_out, opened, parted, put_together, touching
from surgplan.surface.solid import (
    NotManifold,
    Simplified,
    as_solid,
    from_solid,
    in_steps,
    simplified_part,
    solid_of_part,
)

WORTH_PARTING = 300_000
"""A mesh with fewer triangles is simplified in one piece: cutting it and starting processes would take longer."""

PARTS = 2
"""Into so many parts a large mesh is cut: the same number on every machine, so that the result is the same."""

LEAST = 1.5
"""Shortest border edge of a part, in lengths of the longest step."""

RINGS = 4
"""So many rings of triangles on either side of a seam are simplified once more when the parts are together."""


class Simplifier:
    """A closed surface simplified with several steps, mm, one upon the other.

    Use it in a `with` statement: it ends its processes. Large surfaces are worked on while others do something else.
    `parts` says into how many parts it is cut, None that its size decides.
    """

    def __init__(self, surface: Surface, steps_mm: Sequence[float], parts: int | None = None) -> None:
        self._surface = surface
        self._count = parts or (PARTS if len(surface.triangles) >= WORTH_PARTING else 1)
        self._steps = list(steps_mm)
        self._stages: list[Any] = []
        self._parts: list[Part] = []
        self._children: list[_Child] = []
        self._exit = ExitStack()

    def __enter__(self) -> Simplifier:
        if self._count == 1:
            return self
        self._children = [self._exit.enter_context(_Child()) for _ in range(self._count)]
        try:
            shortest = LEAST * max(self._steps)
            self._parts = parted(self._surface.vertices, self._surface.triangles, self._count, shortest)
        except CannotBeCut:
            self._exit.close()
        for child, part in zip(self._children, self._parts, strict=False):
            child.tell((part, self._steps))
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def in_parts(self) -> int:
        """In how many parts it is worked on."""
        return max(1, len(self._parts))

    def after(self, number: int) -> Surface:
        """The surface after step `number`, from 0; `NotManifold` when it does not bound a solid."""
        if self._parts:
            try:
                for child in self._children:
                    child.tell(number)
                answers = [child.answer() for child in self._children]
                vertices, triangles = _joined(self._parts, answers, self._steps[: number + 1])
                return self._surface.with_mesh(vertices.astype(np.float64), triangles)
            except (CannotBeCut, NotManifold, OSError, EOFError):
                self._parts = []  # from now on in one piece
                self._exit.close()
        if not self._stages:
            self._stages = in_steps(as_solid(self._surface), self._steps)
        return from_solid(self._stages[number], self._surface)


class _Child:
    """A `simplify_child` process; what it is told goes through a thread, so that telling does not wait."""

    def __enter__(self) -> _Child:
        command = [sys.executable, "-m", "surgplan.surface.simplify_child"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._teller = ThreadPoolExecutor(1)
        return self

    def tell(self, what: object) -> None:
        self._told = self._teller.submit(self._write, what)

    def _write(self, what: object) -> None:
        assert self._process.stdin is not None
        pickle.dump(what, self._process.stdin, protocol=5)
        self._process.stdin.flush()

    def answer(self) -> Simplified:
        assert self._process.stdout is not None
        self._told.result()
        reason, answer = pickle.load(self._process.stdout)
        if reason:
            raise NotManifold(reason)
        simplified: Simplified = answer
        return simplified

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._teller.shutdown()
        self._process.communicate()


def _joined(parts: list[Part], answers: list[Simplified], steps_mm: Sequence[float]) -> tuple[Floats, Ints]:
    """The simplified parts as one mesh, simplified once more along the seams."""
    pieces = [opened(part, *answer) for part, answer in zip(parts, answers, strict=True)]
    vertices, triangles, near = put_together(pieces, np.concatenate([part.border_points for part in parts]))
    for _ in range(RINGS):
        near[triangles[touching(triangles, near)]] = True
    try:
        chosen = np.asarray(near[triangles].all(axis=1))
        seam, rest = cut_out(vertices, triangles, chosen, LEAST * max(steps_mm))
        band = opened(seam, *simplified_part(in_steps(solid_of_part(seam), steps_mm)[-1]))
        return put_together([band, (vertices, rest)], np.tile(seam.border_points, (2, 1)))[:2]
    except CannotBeCut:
        return vertices, triangles  # with a few more triangles along the seams
