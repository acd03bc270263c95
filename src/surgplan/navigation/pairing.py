"""Finding out which point is which when the labels are missing: by the distances between the points alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgplan.errors import BadInput
from surgplan.model.frames import Array
from surgplan.navigation.fit import fit

Order = NDArray[np.int64]

MOST_POINTS = 200
BASES = 20
"""Triples of one list that are looked for in the other: each true one finds the pairing, if its points are there."""

MOST_STARTS = 4000
"""Placements that are tried to the end, best first."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """Which fixed point each moving point is.

    `fixed` and `moving` are (n,) indices into the two lists; `rms_mm` is their distance after the best rigid fit.
    """

    fixed: Order
    moving: Order
    rms_mm: float

    def __len__(self) -> int:
        return len(self.fixed)

    @property
    def couples(self) -> frozenset[tuple[int, int]]:
        """The same as pairs of indices."""
        return frozenset(zip(self.fixed.tolist(), self.moving.tolist(), strict=True))


def find_pairings(fixed: Array, moving: Array, tolerance_mm: float) -> list[Pairing]:
    """Every way found to lay `moving` on `fixed`, best first: most pairs within the tolerance, then least distance.

    Triples of moving points are looked for among all triples of fixed ones by their side lengths; each triple found
    places the whole list, whose nearest partners are assigned one to one and fitted again. Mirror images do not fit.

    Parameters
    ----------
    fixed, moving:
        (n, 3) and (m, 3) mm, at most 200 of each; some may have no partner.
    tolerance_mm:
        How far two points of a pair may lie apart at most.
    """
    if max(len(fixed), len(moving)) > MOST_POINTS:
        advice = "Give only the markers, or name the points and match by name"
        raise BadInput("points", f"{max(len(fixed), len(moving))} to be paired", f"at most {MOST_POINTS}", advice)
    if min(len(fixed), len(moving)) < 3:
        return []
    placed = _placements(fixed, moving, tolerance_mm)
    found: dict[frozenset[tuple[int, int]], Pairing] = {}
    for linear, offset in placed:
        pairing = _assigned(fixed, moving, moving @ linear.T + offset, tolerance_mm)
        if pairing is not None:
            found.setdefault(pairing.couples, pairing)
    return sorted(found.values(), key=lambda each: (-len(each), each.rms_mm))


def _placements(fixed: Array, moving: Array, tolerance: float) -> list[tuple[Array, Array]]:
    """(linear, offset) of the best placements by triples, those with the most points near a partner first."""
    from scipy.spatial import cKDTree

    found, bases = [], []
    for base in _bases(moving):
        triples = _triples_like(fixed, moving[list(base)], tolerance)
        found.append(fixed[triples])
        bases.append(np.broadcast_to(moving[list(base)], (len(triples), 3, 3)))
    corners, starts = np.concatenate(found), np.concatenate(bases)
    if not len(corners):
        return []
    each = fit(corners, starts)
    near = np.concatenate([_how_near(cKDTree(fixed), each, moving, part, tolerance) for part in _parts(len(corners))])
    order = np.argsort(-near, kind="stable")[:MOST_STARTS]
    return [(each.linear[n], each.offset[n]) for n in order]


def _parts(count: int, size: int = 20_000) -> list[slice]:
    return [slice(at, at + size) for at in range(0, count, size)]


def _how_near(tree: object, each: object, moving: Array, part: slice, tolerance: float) -> Array:
    carried = moving @ np.swapaxes(each.linear[part], -1, -2) + each.offset[part][:, None]  # type: ignore[attr-defined]
    away, _ = tree.query(carried.reshape(-1, 3), distance_upper_bound=2 * tolerance)  # type: ignore[attr-defined]
    away = np.where(np.isfinite(away), away, np.inf).reshape(len(carried), -1)
    return np.asarray((1 - np.minimum(away / (2 * tolerance), 1.0) ** 2).sum(axis=1))


def _bases(points: Array) -> list[tuple[int, int, int]]:
    """Triples that span much, each with points of its own as far as possible."""
    triples = np.array(list(itertools.islice(itertools.combinations(range(len(points)), 3), 200_000)))
    a, b, c = points[triples[:, 0]], points[triples[:, 1]], points[triples[:, 2]]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    used = np.zeros(len(points))
    chosen: list[tuple[int, int, int]] = []
    for _ in range(min(BASES, len(triples))):
        best = int((area / (1 + used[triples].sum(axis=1)) ** 2).argmax())
        if area[best] <= 0:
            break
        chosen.append((int(triples[best, 0]), int(triples[best, 1]), int(triples[best, 2])))
        used[triples[best]] += 1
        area[best] = -1.0
    return chosen


def _triples_like(points: Array, base: Array, tolerance: float) -> Order:
    """(t, 3) ordered triples of points whose sides are those of the base (3, 3), within twice the tolerance."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    sides = np.linalg.norm(base - np.roll(base, -1, axis=0), axis=1)
    close = [np.abs(apart - side) <= 2 * tolerance for side in sides]
    for each in close:
        np.fill_diagonal(each, False)
    found = []
    for first, second in np.argwhere(close[0]):
        third = np.flatnonzero(close[1][second] & close[2][first])
        found.append(np.stack([np.full(len(third), first), np.full(len(third), second), third], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 3), dtype=np.int64)


def _assigned(fixed: Array, moving: Array, carried: Array, tolerance: float) -> Pairing | None:
    """One partner for each point, chosen and fitted in turns until nothing changes; None with fewer than three."""
    from scipy.optimize import linear_sum_assignment

    before: frozenset[tuple[int, int]] = frozenset()
    for _ in range(10):
        apart = np.linalg.norm(fixed[:, None] - carried[None], axis=2)
        # what lies beyond the tolerance costs the same wherever it goes, so that it does not pull the others along
        rows, columns = linear_sum_assignment(np.minimum(apart, 2 * tolerance) ** 2)
        kept = apart[rows, columns] <= 2 * tolerance
        rows, columns = rows[kept], columns[kept]
        if len(rows) < 3:
            return None
        found = fit(fixed[rows], moving[columns])
        carried = found.apply(moving)
        now = frozenset(zip(rows.tolist(), columns.tolist(), strict=True))
        if now == before:
            break
        before = now
    away = np.linalg.norm(fixed[rows] - carried[columns], axis=1)
    good = away <= tolerance
    if good.sum() < 3:
        return None
    rows, columns = rows[good], columns[good]
    order = np.argsort(rows, kind="stable")
    rows, columns = rows[order], columns[order]
    left = fixed[rows] - fit(fixed[rows], moving[columns]).apply(moving[columns])
    return Pairing(rows, columns, float(np.sqrt((left**2).sum(axis=1).mean())))
