"""Which point of one list is which point of the other: by name, by a normalised name, or by what was stated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Frame
from surgplan.model.points import Landmark, PointSet
from surgplan.navigation.fit import flatness

FEWEST = 3
"""Pairs without which a turn is not determined."""

ON_A_LINE = 0.01
"""Points are on a line when they lie off it by less than this share of their length: 1 mm in 100."""

MOST_TOLD = 8


@dataclass(frozen=True, eq=False)
class Pairs:
    """Points that belong together.

    Parameters
    ----------
    names:
        Of each pair: the fixed point's name, with the moving one's behind it where they differ.
    fixed, moving:
        (n, 3) mm, each in its frame.
    fixed_frame, moving_frame:
        The two frames; they differ.
    sd_mm:
        (n,) standard deviation along each axis of the error of both points together, where all points state theirs.

    Raises
    ------
    BadInput
        Fewer than three pairs, or points on one line: no transform is determined.
    """

    names: tuple[str, ...]
    fixed: Array
    moving: Array
    fixed_frame: Frame
    moving_frame: Frame
    sd_mm: Array | None = None

    def __post_init__(self) -> None:
        if len(self.names) < FEWEST:
            told = ", ".join(self.names) or "none"
            advice = "Add points, or state pairs with --pair FIXED=MOVING"
            raise BadInput("pairs", f"{len(self.names)} points belong together: {told}", f"at least {FEWEST}", advice)
        for which, points in (("fixed", self.fixed), ("moving", self.moving)):
            along, across = flatness(points)
            if across <= ON_A_LINE * along:
                found = f"the {len(points)} points lie on one line: {across:.2f} mm off it, {along:.1f} mm along it"
                advice = "Add a point away from the line: about it, the registration could turn freely"
                raise BadInput(f"{which} points", found, f"more than {ON_A_LINE * along:.2f} mm", advice)

    def __len__(self) -> int:
        return len(self.names)

    def ordered(self, moving_order: Sequence[int]) -> Pairs:
        """The same fixed points with other moving ones: `moving_order` (n,) indices."""
        return Pairs(self.names, self.fixed, self.moving[list(moving_order)], self.fixed_frame, self.moving_frame)


def normalised(name: str) -> str:
    """A name without what people write differently: case, accents, separators, leading zeros (`T01-L` is `t1l`)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold() or name.casefold()
    return re.sub(r"0*(\d+)", r"\1", re.sub(r"[\s_\-.#:/]+", "", plain))


def pair_by_name(
    fixed: PointSet, moving: PointSet, match: str = "exact", stated: Iterable[tuple[str, str]] = ()
) -> tuple[Pairs, tuple[Finding, ...]]:
    """Pairs of equal names, and findings that list what was not matched.

    Parameters
    ----------
    fixed, moving:
        The two lists.
    match:
        `exact` names, or `normalised` ones.
    stated:
        (fixed name, moving name) of pairs whose names differ; they come first.

    Raises
    ------
    BadInput
        A stated name is in neither list, two names become the same when normalised, or too few pairs.
    """
    key = normalised if match == "normalised" else str
    couples = [(_named(fixed, one, "fixed"), _named(moving, other, "moving")) for one, other in stated]
    for which, side in (("fixed", 0), ("moving", 1)):
        taken = [couple[side].name for couple in couples]
        if len(set(taken)) != len(taken):
            twice = max(taken, key=taken.count)
            raise BadInput(f"--pair {twice}", f"the {which} point is in two pairs", "one", "State each point once")
    left = {point.name for point, _ in couples}, {point.name for _, point in couples}
    others = _by_key(moving, key, left[1], "moving")
    for name, point in _by_key(fixed, key, left[0], "fixed").items():
        if name in others:
            couples.append((point, others[name]))
    findings = (*_told_missing(fixed, moving, couples, match), *_told_renamed(couples))
    try:
        return make_pairs(couples, fixed.frame, moving.frame), findings
    except BadInput as error:
        if match == "exact" and _would_match(fixed, moving) > len(couples):
            advice = "Names differ in their spelling: pass --match normalised"
            raise BadInput(error.subject, error.found, error.expected, advice) from None
        raise


def make_pairs(couples: Sequence[tuple[Landmark, Landmark]], fixed_frame: Frame, moving_frame: Frame) -> Pairs:
    """Pairs of (fixed, moving) landmarks."""
    names = tuple(a.name if a.name == b.name else f"{a.name} ({b.name})" for a, b in couples)
    places = [np.array([point.position for point in side]).reshape(-1, 3) for side in _sides(couples)]
    sd = None
    stated = [(a.uncertainty_mm, b.uncertainty_mm) for a, b in couples]
    if stated and all(one is not None or other is not None for one, other in stated):
        sd = np.array([np.hypot(one or 0.0, other or 0.0) for one, other in stated])
    return Pairs(names, places[0], places[1], fixed_frame, moving_frame, sd)


def _sides(couples: Sequence[tuple[Landmark, Landmark]]) -> tuple[list[Landmark], list[Landmark]]:
    return [fixed for fixed, _ in couples], [moving for _, moving in couples]


def _named(points: PointSet, name: str, which: str) -> Landmark:
    try:
        return points[name]
    except KeyError:
        known = ", ".join([point.name for point in points][:MOST_TOLD])
        raise BadInput(f"--pair {name}", f"is no {which} point", f"one of {known}", "Check the name") from None


def _by_key(points: PointSet, key: type[str] | object, taken: set[str], which: str) -> dict[str, Landmark]:
    found: dict[str, Landmark] = {}
    for point in points:
        if point.name in taken:
            continue
        name = key(point.name)  # type: ignore[operator]
        if name in found:
            told = f"the {which} points {found[name].name!r} and {point.name!r} have the same normalised name"
            raise BadInput("names", told, "different ones", "Rename one of them, or use --match exact")
        found[name] = point
    return found


def _would_match(fixed: PointSet, moving: PointSet) -> int:
    return len({normalised(point.name) for point in fixed} & {normalised(point.name) for point in moving})


def _told_missing(
    fixed: PointSet, moving: PointSet, couples: Sequence[tuple[Landmark, Landmark]], match: str
) -> Iterable[Finding]:
    for which, points, used in (("fixed", fixed, 0), ("moving", moving, 1)):
        taken = {couple[used].name for couple in couples}
        alone = [point.name for point in points if point.name not in taken]
        if alone:
            told = ", ".join(alone[:MOST_TOLD]) + (f" and {len(alone) - MOST_TOLD} more" if alone[MOST_TOLD:] else "")
            measured = f"{len(alone)} of {len(points)} {which} points have no partner: {told}"
            advice = "They were left out; pass --match normalised or --pair FIXED=MOVING if they have one"
            level = Level.WARN if 2 * len(alone) > len(points) else Level.NOTE
            yield Finding("not-matched", level, measured, advice=advice if match == "exact" else "They were left out")


def _told_renamed(couples: Sequence[tuple[Landmark, Landmark]]) -> Iterable[Finding]:
    renamed = [f"{a.name} = {b.name}" for a, b in couples if a.name != b.name]
    if renamed:
        told = ", ".join(renamed[:MOST_TOLD]) + (f" and {len(renamed) - MOST_TOLD} more" if renamed[MOST_TOLD:] else "")
        yield Finding("matched-by", Level.NOTE, f"pairs of different names (fixed = moving): {told}")
