"""The surfaces of structures that touch, as one: each wall between two of them is there once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from surgplan.model.frames import Array
from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.surface.clean import compact
from surgplan.surface.contour import NEAREST
from surgplan.surface.mask_field import Bools
from surgplan.surface.tetrahedra import CHAINS, CODES, EDGES, FACES, FIRST_BODY, FIRST_FACE, SLOTS, code, walls
from surgplan.surface.wall_fields import Parting, Slab

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

LEAN = 0.95
"""A wall is taken to meet a boundary at most so far along the way from one end of it, in a face, to the other."""

MASKS = np.array([[mask & 1, mask >> 1 & 1, mask >> 2] for mask in range(8)])
"""(8, 3) steps along i, j, k to the corners of a cell."""


@dataclass(frozen=True, eq=False)
class Walls:
    """Walls between structures, and between them and what surrounds them; LPS mm.

    Parameters
    ----------
    vertices:
        (n, 3) float64, mm.
    triangles:
        (m, 3) int32; they face the second of their `sides`.
    sides:
        (m, 2) label values on both sides, 0 for none of the structures, the smaller one first.
    seams:
        (n,) which vertices lie on a line or point where three or more of them meet.
    """

    vertices: Array
    triangles: Ints
    sides: NDArray[np.uint16]
    seams: Bools

    def count(self, value: int) -> int:
        """How many triangles lie round one label's value."""
        return int((self.sides == value).any(axis=1).sum())

    def chosen(self, value: int) -> Ints:
        """(k, 3) the triangles round one label's value, facing outward, among all vertices."""
        there = np.flatnonzero((self.sides == value).any(axis=1))
        faces, behind = self.triangles[there], self.sides[there, 1] == value
        return np.where(behind[:, None], faces[:, ::-1], faces)

    def surface(self, label: Label) -> Surface:
        """The closed surface of one label."""
        return Surface(label, *compact(self.vertices, self.chosen(label.value)))

    def whole(self, label: Label) -> Surface:
        """All walls as one mesh under that label: no solid, but what measures and moves vertices can take it."""
        return Surface(label, self.vertices, self.triangles)

    def with_vertices(self, vertices: Array) -> Walls:
        """The same with each vertex in another place."""
        return replace(self, vertices=vertices)


def seams_of(triangles: Ints, sides: NDArray[np.uint16], count: int) -> Bools:
    """(n,) which of `count` vertices lie on triangles of three structures or more, what surrounds them counted."""
    corners = np.repeat(triangles.ravel().astype(np.int64), 2) << 16
    pairs = np.unique(corners | np.repeat(sides, 3, axis=0).ravel())
    return np.asarray(np.bincount(pairs >> 16, minlength=count) > 2)


def wall_contour(parting: Parting) -> Walls:
    """The walls between structures that touch, and round all of them: what `contour` makes for one, for several.

    Each separates its two structures' voxels exactly. The boundary of each structure is closed and manifold, and the
    part of it that it shares with another is the same triangles. Where the scan cuts a structure off, it is flat.
    """
    keys, places, seams, faces, sides, count = [], [], [], [], [], 0
    for slab in parting.slabs():
        made = _Cells(slab, parting)
        shift = int(slab.first[2]) * (made.shape[1] * made.shape[2]) * SLOTS
        keys.append(made.keys + shift)
        places.append(slab.grid.lps_from_ijk.apply(made.places()) if len(made.keys) else np.empty((0, 3)))
        seams.append(made.slots >= FIRST_FACE)
        faces.append(made.triangles + count)
        sides.append(made.sides)
        count += len(made.keys)
    _, first, number = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    values = np.array([0, *(each.label.value for each in parting.told)], np.uint16)
    triangles, pairs = number.astype(np.int32)[np.concatenate(faces)], values[np.concatenate(sides)]
    turned = pairs[:, 0] > pairs[:, 1]
    triangles[turned] = triangles[turned, ::-1]
    return Walls(np.concatenate(places)[first], triangles, np.sort(pairs, axis=1), np.concatenate(seams)[first])


class _Cells:
    """The walls in the cells of one slab.

    `keys` (n,) number each vertex: its voxel in the slab, times `SLOTS`, plus its slot; `triangles` (m, 3) and `sides`
    (m, 2), numbers of the structures that they part, facing the second.
    """

    def __init__(self, slab: Slab, parting: Parting) -> None:
        self._slab, self._parting = slab, parting
        self.shape = slab.numbers.shape
        self._flat = np.ascontiguousarray(slab.numbers).ravel()
        self._steps = MASKS @ np.array([1, self.shape[2], self.shape[1] * self.shape[2]])  # (8,)
        cells = self._active()
        labels = self._flat[cells[:, None] + self._steps]
        found = [self._of_layout(cells, labels, chain) for chain in range(len(CHAINS))]
        points, sides = (np.concatenate(parts) for parts in zip(*found, strict=True))
        self.sides = sides
        self.keys, number = self._numbered(points)
        self.triangles = number.reshape(-1, 3)
        self.slots = (self.keys % SLOTS).astype(np.uint8)

    def _active(self) -> Longs:
        """(n,) cells whose eight voxels are not all alike, as their first voxels."""
        numbers = self._slab.numbers
        low, high = numbers, numbers
        for axis in range(3):
            head, tail = (np.moveaxis(each, axis, 0)[:-1] for each in (low, high))
            next_head, next_tail = (np.moveaxis(each, axis, 0)[1:] for each in (low, high))
            low = np.moveaxis(np.minimum(head, next_head), 0, axis)
            high = np.moveaxis(np.maximum(tail, next_tail), 0, axis)
        k, j, i = np.nonzero(low != high)
        return np.asarray((k * self.shape[1] + j) * self.shape[2] + i)

    def _of_layout(self, cells: Longs, labels: NDArray[np.uint8], chain: int) -> tuple[Longs, NDArray[np.uint8]]:
        """Triangles (m, 3) of keys in one of the six tetrahedra of each cell, and their sides (m, 2)."""
        corners = labels[:, CHAINS[chain]]
        layout = code(corners)
        points, sides = [np.empty((0, 3), np.int64)], [np.empty((0, 2), np.uint8)]
        for number in range(1, CODES):
            there = np.flatnonzero(layout == number)
            if not len(there):
                continue
            for left, right, *elements in walls(chain, number):
                ends = [(cells[there] + self._steps[mask]) * SLOTS + slot for mask, slot in elements]
                points.append(np.column_stack(ends))
                sides.append(corners[there][:, (left, right)])
        return np.concatenate(points), np.concatenate(sides)

    def _numbered(self, points: Longs) -> tuple[Longs, Ints]:
        """The keys that are used, sorted, and for each of the points which one it is."""
        voxels = np.zeros(self._flat.size, dtype=bool)
        voxels[points.ravel() // SLOTS] = True
        rank = np.cumsum(voxels, dtype=np.int32) - 1
        taken = np.zeros(int(voxels.sum()) * SLOTS, dtype=bool)
        dense = rank[points.ravel() // SLOTS].astype(np.int64) * SLOTS + points.ravel() % SLOTS
        taken[dense] = True
        number = np.cumsum(taken, dtype=np.int32) - 1
        used = np.flatnonzero(taken)
        return np.flatnonzero(voxels)[used // SLOTS] * SLOTS + used % SLOTS, number[dense]

    def places(self) -> Array:
        """(n, 3) i, j, k of the vertices, in voxels of the slab's grid."""
        found = np.empty((len(self.keys), 3))
        edges = np.flatnonzero(self.slots < FIRST_FACE)
        found[edges] = self._on_edges(edges)
        bodies = np.flatnonzero(self.slots >= FIRST_BODY)
        faces = np.flatnonzero((self.slots >= FIRST_FACE) & (self.slots < FIRST_BODY))
        if len(faces):
            first, ends = self.keys[faces] // SLOTS, np.array(FACES)[self.slots[faces] - FIRST_FACE]
            found[faces] = self._on_faces(np.column_stack([np.zeros(len(faces), np.int64), ends]), first)
        for n in bodies.tolist():
            found[n] = self._in_body(n)
        return self._flat_at_the_end(found)

    def _ijk(self, voxels: Longs) -> Array:
        k, j, i = np.unravel_index(voxels, self.shape)
        return np.column_stack([i, j, k]).astype(np.float64)

    def _on_edges(self, edges: Longs) -> Array:
        start = self.keys[edges] // SLOTS
        step = np.array(EDGES)[self.slots[edges]]
        part = self._part(start, start + self._steps[step])
        return np.asarray(self._ijk(start) + part[:, None] * MASKS[step])

    def _part(self, start: Longs, end: Longs) -> Array:
        """(n,) where between two voxels the wall lies, from 0 to 1."""
        part = np.full(len(start), 0.5)
        source = self._parting.source_of[self._flat[start], self._flat[end]]
        inside = self._within(start) & self._within(end)
        for number, values in enumerate(self._slab.fields):
            there = np.flatnonzero((source == number) & inside)
            flat = values.reshape(-1)
            one, two = np.abs(flat[start[there]]), np.abs(flat[end[there]])
            part[there] = one / (one + two)
        return np.asarray(np.clip(part, NEAREST, 1 - NEAREST))

    def _within(self, voxels: Longs) -> Bools:
        """(n,) which of the slab's values lie within the scan's outermost voxels."""
        place = self._in_scan(self._ijk(voxels))
        return np.asarray(((place >= 0) & (place <= np.array(self._parting.labels.grid.size) - 1)).all(axis=1))

    def _in_scan(self, ijk: Array) -> Array:
        """(n, 3) the same places in voxels of the scan."""
        return np.asarray((ijk + self._slab.first) / self._parting.times + self._parting.start)

    def _on_faces(self, masks: Longs, first: Longs) -> Array:
        """(n, 3) where three structures meet in faces whose corners lie in `masks` (n, 3) beyond the voxels `first`.

        Where one of the three is bounded against both others by one field, its boundary runs through smoothly, and the
        wall between the others ends on it: where both fields are zero.
        """
        voxels = first[:, None] + self._steps[masks]
        corners = np.stack([self._ijk(voxels[:, n]) for n in range(3)], axis=1)  # (n, 3 corners, 3)
        part = np.zeros((len(voxels), 3))
        for one, two in combinations(range(3), 2):
            along = self._part(voxels[:, one], voxels[:, two])
            part[:, one] += (1 - along) / 3
            part[:, two] += along / 3
        smooth = self._smooth_one(self._flat[voxels])
        for one in range(3):
            there = np.flatnonzero(smooth == one)
            order = [one, (one + 1) % 3, (one + 2) % 3]
            part[there[:, None], order] = self._both_zero(voxels[there][:, order])
        return np.asarray(np.einsum("nc,nca->na", part, corners))

    def _both_zero(self, voxels: Longs) -> Array:
        """(n, 3) shares of the corners in the point of a face at which the first one's boundary meets the wall between
        the others."""
        one, two, three = self._flat[voxels].T
        round_first = np.stack(
            [
                (self._value(one, two, voxels[:, 0]) + self._value(one, three, voxels[:, 0])) / 2,
                self._value(one, two, voxels[:, 1]),
                self._value(one, three, voxels[:, 2]),
            ]
        )
        wall = np.stack([self._value(two, three, voxels[:, n]) for n in range(3)])
        # so far may the wall lean that it still meets the boundary within the face
        wall[0] = np.clip(
            wall[0],
            -LEAN * np.abs(round_first[0] * wall[1] / round_first[1]),
            LEAN * np.abs(round_first[0] * wall[2] / round_first[2]),
        )
        part = np.abs(np.cross(round_first.T, wall.T))
        part = np.maximum(part / part.sum(axis=1, keepdims=True), NEAREST)
        return np.asarray(part / part.sum(axis=1, keepdims=True))

    def _value(self, one: NDArray[np.uint8], two: NDArray[np.uint8], voxels: Longs) -> Array:
        """(n,) the field that parts two structures, at some voxels, positive towards the first."""
        source = self._parting.source_of[one, two]
        found = np.empty(len(voxels))
        for number, values in enumerate(self._slab.fields):
            there = np.flatnonzero(source == number)
            inside = np.isin(one[there], list(self._parting.sources[number].inside))
            found[there] = np.where(inside, 1.0, -1.0) * values.reshape(-1)[voxels[there]]
        return found

    def _smooth_one(self, numbers: NDArray[np.uint8]) -> NDArray[np.int8]:
        """(n,) which of three structures, (n, 3) numbers, one field bounds against both others; -1 for none."""
        source_of = self._parting.source_of
        found = np.full(len(numbers), -1, np.int8)
        for one in range(3):
            two, three = (numbers[:, n] for n in range(3) if n != one)
            same = source_of[numbers[:, one], two] == source_of[numbers[:, one], three]
            # two structures with levels of their own that only masks divide: what is round both goes on smoothly
            by_mask = np.array([source.by_level is None for source in self._parting.sources])
            outer = (numbers[:, one] == 0) & by_mask[source_of[two, three]]
            found[same | outer] = one
        return found

    def _in_body(self, number: int) -> Array:
        """(3,) the middle of the four points where three structures meet on the faces of a tetrahedron."""
        first = self.keys[[number] * 4] // SLOTS
        chain = np.array(CHAINS[int(self.slots[number]) - FIRST_BODY])
        faces = np.array([chain[list(three)] for three in combinations(range(4), 3)])
        return np.asarray(self._on_faces(faces, first).mean(axis=0))

    def _flat_at_the_end(self, ijk: Array) -> Array:
        """Where the scan cuts structures off, they end on the faces of its outermost voxels."""
        place = self._in_scan(ijk)
        last = np.array(self._parting.labels.grid.size) - 1.0
        place = np.where(place < 0, -0.5, np.where(place > last, last + 0.5, place))
        return np.asarray((place - self._parting.start) * self._parting.times - self._slab.first)
