"""Packing of shapes into boxes, on a raster: flat plates in two dimensions, powder beds in three.

Each shape goes where it raises the heap least, then as low and as far to the front left as possible, in whichever turn
serves that best. All free places of a shape are found at once, by a convolution of what is taken with the shape; the
place that is chosen is then tested cell by cell.

Source: the free places are those of the no-fit polygon, on a raster; Burke, Hellier, Kendall and Whitwell, "A new
bottom-left-fill heuristic algorithm for the two-dimensional irregular packing problem", Operations Research 54, 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]
"""Which cells a shape takes; the first axis is the one along which the heap grows, the last one runs to the right."""


@dataclass(frozen=True)
class Slot:
    """Where a shape lies: in which box, in which of its turns, and from which cell on."""

    box: int
    turn: int
    offset: tuple[int, ...]


def pack(shapes: Sequence[Sequence[Cells]], room: tuple[int, ...]) -> list[Slot | None]:
    """Slots for all shapes, each of which is given in every turn that it may take; None for one that fits in no box.

    Several orders are tried; the one that needs the fewest boxes, and of these the lowest heap in the last one, wins.
    The same shapes give the same slots.
    """
    best: tuple[tuple[int, int, int], list[Slot | None]] | None = None
    for rank in (_area, _longest, _tallest):
        order = sorted(range(len(shapes)), key=lambda number: (-rank(shapes[number]), number))
        slots, tops = _packed(shapes, order, room)
        cost = (len(tops), tops[-1] if tops else 0, sum(tops))
        if best is None or cost < best[0]:
            best = (cost, slots)
    assert best is not None
    return best[1]


def _area(turns: Sequence[Cells]) -> int:
    return int(np.count_nonzero(turns[0]))


def _longest(turns: Sequence[Cells]) -> int:
    return int(max(turns[0].shape))


def _tallest(turns: Sequence[Cells]) -> int:
    return int(min(each.shape[0] for each in turns))


def _packed(
    shapes: Sequence[Sequence[Cells]], order: Sequence[int], room: tuple[int, ...]
) -> tuple[list[Slot | None], list[int]]:
    """The slots, and how high the heap reaches in each box."""
    boxes: list[_Box] = []
    slots: list[Slot | None] = [None] * len(shapes)
    for number in order:
        turns = shapes[number]
        if not any(_fits(each, room) for each in turns):
            continue
        for place in range(len(boxes) + 1):
            if place == len(boxes):
                boxes.append(_Box(room))
            found = boxes[place].lowest(turns)
            if found is not None:
                turn, offset = found
                boxes[place].put(turns[turn], offset)
                slots[number] = Slot(place, turn, offset)
                break
    return slots, [each.top for each in boxes]


def _fits(shape: Cells, room: tuple[int, ...]) -> bool:
    return all(length <= space for length, space in zip(shape.shape, room, strict=True))


class _Box:
    """A box and what is taken of it."""

    def __init__(self, room: tuple[int, ...]) -> None:
        from scipy.fft import next_fast_len

        self.room = room
        self.taken = np.zeros(room, bool)
        self.top = 0
        self.lengths = [next_fast_len(length, real=True) for length in room]
        self._spectrum: NDArray[np.complexfloating] | None = None

    def put(self, shape: Cells, offset: tuple[int, ...]) -> None:
        """Take the cells of a shape."""
        self.taken[self._window(shape, offset)] |= shape
        self.top = max(self.top, offset[0] + shape.shape[0])
        self._spectrum = None

    def lowest(self, turns: Sequence[Cells]) -> tuple[int, tuple[int, ...]] | None:
        """The best turn and the cell from which on it lies; None where there is no room."""
        best: tuple[tuple[int, ...], int, tuple[int, ...]] | None = None
        for turn, shape in enumerate(turns):
            if not _fits(shape, self.room):
                continue
            offset = self._free_place(shape)
            if offset is None:
                continue
            end = offset[0] + shape.shape[0]
            key = (max(self.top, end), end, *(o + s for o, s in zip(offset[1:], shape.shape[1:], strict=True)))
            if best is None or key < best[0]:
                best = (key, turn, offset)
        return None if best is None else best[1:]

    def _free_place(self, shape: Cells) -> tuple[int, ...] | None:
        if not self.top:
            return (0,) * len(self.room)
        free = self._overlap(shape) < 0.5
        for flat in np.flatnonzero(free):  # in order: lowest first, then to the front, then to the left
            offset = tuple(int(each) for each in np.unravel_index(flat, free.shape))
            if not (self.taken[self._window(shape, offset)] & shape).any():
                return offset
        return None

    def _overlap(self, shape: Cells) -> NDArray[np.floating]:
        """How many taken cells the shape would cover, for each cell from which on it may lie."""
        from scipy.fft import irfftn, rfftn

        if self._spectrum is None:
            self._spectrum = rfftn(self.taken.astype(np.float32), s=self.lengths)
        product = self._spectrum * np.conj(rfftn(shape.astype(np.float32), s=self.lengths))
        found = irfftn(product, s=self.lengths)
        window = tuple(slice(0, space - length + 1) for space, length in zip(self.room, shape.shape, strict=True))
        return np.asarray(found[window])

    def _window(self, shape: Cells, offset: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(start, start + length) for start, length in zip(offset, shape.shape, strict=True))
