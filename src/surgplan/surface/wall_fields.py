"""What decides where two structures that touch part, and where each ends: fields for every pair of labels.

A structure that has a level ends where the scan's intensities cross it, against whatever surrounds it. Between two of
them the level decides that lies between what both are like inside, the more even one if both do: bone against tumour.
Where none does, as between two vertebrae, and for masks without intensities, the boundary follows the voxels without
their staircase (`mask_field`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.labels import Label, LabelMap
from surgplan.model.volume import Grid, Volume
from surgplan.surface.contour import (
    COARSE_MM,
    HALO,
    NEAREST,
    Indices,
    cap,
    contrast,
    crop,
    doubled,
    label_box,
    slabs_of,
)
from surgplan.surface.mask_field import Field, keep_sign, mask_field, reach

Numbers = NDArray[np.uint8]

MOST_LABELS = 255
"""Structures that can be joined: their numbers are kept in a byte."""


@dataclass(frozen=True)
class Told:
    """What tells the boundary of one structure: its label, and where it has a level the intensities with that level.

    `volume` may be cropped to the structure's surroundings, and may hold heights over a local level.
    """

    label: Label
    volume: Volume | None
    typical: float = 0.0
    """Median of the scan's intensities inside."""
    level: float | None = None
    """Level in those intensities; the label's own may be one in others."""


@dataclass(frozen=True)
class Source:
    """A field: positive in the structures of numbers `inside`, negative in those of `outside` (None: all others).

    `by_level` is the number of the structure whose level decides, or None where masks do.
    """

    inside: frozenset[int]
    outside: frozenset[int] | None
    by_level: int | None


@dataclass(frozen=True)
class Slab:
    """Some planes: `numbers` (k, j, i) of the structures, 0 for none of them; the fields of the sources on the same
    grid; `first`, the grid's first voxel (i, j, k) in the finer grid of the whole box."""

    numbers: Numbers
    fields: tuple[Field, ...]
    grid: Grid
    first: Indices


@dataclass(frozen=True)
class Parting:
    """Everything that decides where structures that touch part.

    `told` are the structures, numbered from 1 in this order; `labels` the map in which they lie.
    """

    labels: LabelMap
    told: Sequence[Told]
    start: Indices = field(init=False)
    size: Indices = field(init=False)

    def __post_init__(self) -> None:
        boxes = [label_box(self.labels, each.label) for each in self.told]
        start = np.min([low for low, _ in boxes], axis=0)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "size", np.max([low + size for low, size in boxes], axis=0) - start)

    @property
    def times(self) -> Indices:
        """(3,) by how many values a voxel is divided along i, j, k; as in `contour`, masks alone are not divided."""
        fine = self.labels.grid.spacing < COARSE_MM
        return np.where(fine | all(source.by_level is None for source in self.sources), 1, 2)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The fields that are needed, each once."""
        return tuple(dict.fromkeys(self._pairs.values()))

    @cached_property
    def source_of(self) -> NDArray[np.int16]:
        """(n, n) number of the source that decides between two numbers; -1 for one and itself."""
        count = len(self.told) + 1
        found = np.full((count, count), -1, np.int16)
        for (one, two), source in self._pairs.items():
            found[one, two] = found[two, one] = self.sources.index(source)
        return found

    @cached_property
    def _pairs(self) -> dict[tuple[int, int], Source]:
        count = len(self.told)
        masks = frozenset(n + 1 for n, each in enumerate(self.told) if each.level is None)
        found = {}
        for one in range(1, count + 1):
            level = self.told[one - 1].level is not None
            found[0, one] = Source(frozenset((one,)), None, one) if level else Source(masks, None, None)
        for one, two in combinations(range(1, count + 1), 2):
            by = self._deciding(one, two)
            if by is None:
                found[one, two] = Source(frozenset((one,)), frozenset((two,)), None)
            else:
                found[one, two] = Source(frozenset((by,)), None, by)
        return found

    def _deciding(self, one: int, two: int) -> int | None:
        """The one of two structures whose level lies between what both are like inside, nearer to half way."""
        ends = [self.told[number - 1].typical for number in (one, two)]
        chances = []
        for number in (one, two):
            level = self.told[number - 1].label.level
            if level is not None and min(ends) < level < max(ends):
                chances.append((abs(level - sum(ends) / 2), number))
        return min(chances)[1] if chances else None

    @cached_property
    def _contrasts(self) -> dict[int, tuple[np.float32, np.float32]]:
        """For each structure with a level its sign and how near to zero its field may come."""
        found = {}
        for number, each in enumerate(self.told, start=1):
            if each.level is not None and each.volume is not None:
                start, size = label_box(self.labels, each.label)
                offset = self.labels.grid.first_of(each.volume.grid)
                there = self.labels.grid.cropped(offset, each.volume.grid.size)
                array = crop(self.labels.array, offset, np.array(each.volume.grid.size), 0)
                others = tuple(label for label in self.labels.labels if label.value != each.label.value)
                here = Label(each.label.value, each.label.name, level=each.level)
                own = LabelMap(there, array, (here, *others))
                found[number] = contrast(each.volume, own, here, start - offset, size)
        return found

    def slabs(self) -> Iterator[Slab]:
        """The box of all the structures, slab by slab; each one's first plane is the last of the one before."""
        halo = HALO
        if any(source.by_level is None for source in self.sources):
            halo = max(halo, reach(self.labels.grid.spacing))
        for first, last in slabs_of(self.size):
            low, high = max(first - halo, 0), min(last + halo, int(self.size[2]) - 1)
            at, count = self.start + np.array([0, 0, low]), np.array([*self.size[:2], high - low + 1])
            numbers, fields = self._fine(self._numbers(at, count), at, count)
            times = int(self.times[2])
            planes = slice(times * (first - low), times * (last - low) + 1)
            grid = self.labels.grid.cropped(at, count)
            fine = Grid(numbers.shape[::-1], grid.spacing / self.times, grid.origin, grid.direction)
            start = [0, 0, planes.start]
            size = [*fine.size[:2], planes.stop - planes.start]
            yield Slab(
                numbers[planes],
                tuple(each[planes] for each in fields),
                fine.cropped(start, size),
                np.array([0, 0, times * first]),
            )

    def _numbers(self, at: Indices, count: Indices) -> Numbers:
        table = np.zeros(1 + max(label.value for label in self.labels.labels), np.uint8)
        for number, each in enumerate(self.told, start=1):
            table[each.label.value] = number
        return np.asarray(table[crop(self.labels.array, at, count, 0)])

    def _fine(self, numbers: Numbers, at: Indices, count: Indices) -> tuple[Numbers, tuple[Field, ...]]:
        """The numbers and the fields, with values half way between voxels that are far apart."""
        fields = [self._field(source, numbers, at, count) for source in self.sources]
        for axis in range(3):
            if self.times[2 - axis] == 1:
                continue
            fields = [doubled(each, axis) for each in fields]
            numbers = self._numbers_between(numbers, fields, axis)
            beyond = self._beyond(axis, at, numbers.shape[axis])
            np.moveaxis(numbers, axis, 0)[beyond] = 0
            for source, each in zip(self.sources, fields, strict=True):
                self._keep(source, each, numbers)
        return numbers, tuple(fields)

    def _beyond(self, axis: int, at: Indices, planes: int) -> NDArray[np.bool_]:
        """(planes,) which values along the axis lie beyond the outermost voxels of the scan."""
        place = at[2 - axis] + np.arange(planes) / self.times[2 - axis]
        return np.asarray((place < 0) | (place > self.labels.grid.shape[axis] - 1))

    def _numbers_between(self, numbers: Numbers, fields: Sequence[Field], axis: int) -> Numbers:
        """The numbers with those half way between planes: of two that differ, the one that the field there tells."""
        along = np.moveaxis(numbers, axis, 0)
        between = along[:-1].copy()
        for n, source in enumerate(self.sources):
            here = self.source_of[along[:-1], along[1:]] == n
            one, two = along[:-1][here], along[1:][here]
            inner = np.isin(one, list(source.inside))
            positive = np.moveaxis(fields[n], axis, 0)[1::2][here] > 0
            between[here] = np.where(inner == positive, one, two)
        both = np.empty((2 * len(along) - 1, *along.shape[1:]), np.uint8)
        both[::2], both[1::2] = along, between
        return np.moveaxis(both, 0, axis)

    def _field(self, source: Source, numbers: Numbers, at: Indices, count: Indices) -> Field:
        """The source's field, positive exactly where it must be."""
        spacing = self.labels.grid.spacing
        if source.by_level is None:
            made = mask_field(np.isin(numbers, list(source.inside)), spacing)
            if source.outside is not None:
                made = made - mask_field(np.isin(numbers, list(source.outside)), spacing)
        else:
            each = self.told[source.by_level - 1]
            assert each.volume is not None
            assert each.level is not None
            sign, _ = self._contrasts[source.by_level]
            made = crop(each.volume.array, at - self.labels.grid.first_of(each.volume.grid), count, 0).astype(
                np.float32
            )
            made -= np.float32(each.level)
            made *= sign
        self._keep(source, made, numbers)
        if source.by_level is not None:
            cap(made, at, self.labels.grid)
        return made

    def _keep(self, source: Source, made: Field, numbers: Numbers) -> None:
        """Make the field's sign that of the numbers, in place, and keep it away from zero."""
        inside = np.isin(numbers, list(source.inside))
        if source.by_level is None:
            nearest = np.float32(NEAREST * self.labels.grid.spacing.min())
        else:
            nearest = self._contrasts[source.by_level][1]
        if source.outside is None:
            keep_sign(made, inside, nearest)
            return
        np.maximum(made, nearest, out=made, where=inside)
        np.minimum(made, -nearest, out=made, where=np.isin(numbers, list(source.outside)))
