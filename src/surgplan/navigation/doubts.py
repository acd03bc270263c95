"""Reasons to doubt a point registration that its residuals do not show by themselves, each tested for.

Each test compares sums of squared residuals by an F distribution, so that a handful of pairs, whose residuals are
small by chance, raises no alarm, and many do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from surgplan.findings import Finding, Level
from surgplan.model.frames import LPS, Array
from surgplan.navigation.accuracy import Solved
from surgplan.navigation.fit import fit, flatness, pair_swaps
from surgplan.navigation.pairing import Pairing, find_pairings
from surgplan.navigation.pairs import Pairs

SURE, LIKELY = 1e-3, 1e-2
"""Probabilities, over all alternatives tried, below which one that fits better is no accident."""

NEARLY_ON_A_LINE = 0.12
"""Across over along: with less, the predicted error off the line is more than twice that of a compact arrangement."""

MOST_PAIRS_TRIED = 60
"""Up to so many points all pairings are looked for; it takes a second."""

HALF_TURN_DEG = 25.0
"""Two scans of one patient differ less than this from no turn; from half a turn about z when one was read as RAS."""

CHECK = "Check the names of the points in both lists"


def doubts(pairs: Pairs, solved: Solved, tolerance_mm: float) -> tuple[Finding, ...]:
    """What is doubtful about the fit of these pairs."""
    freedom = 3 * len(pairs) - (7 if solved.scaled else 6)
    # all alternatives are fitted with equal weights, and so is what they are compared with
    plain = fit(pairs.fixed, pairs.moving, None, solved.scaled)
    square = float(((pairs.fixed - plain.apply(pairs.moving)) ** 2).sum())
    return (
        *_mirrored(pairs, solved.scaled, square, freedom),
        *_swapped(pairs, solved.scaled, square, freedom),
        *interchangeable(pairs, square, freedom, tolerance_mm),
        *_outlier(pairs, solved.scaled, square, freedom),
        *_half_turn(pairs, solved),
        *_thin(pairs),
        *_stated(solved, pairs, freedom),
    )


def by_chance(better: Array | float, worse: float, freedom: int, tries: int = 1) -> Array:
    """Probability that the best of `tries` alternatives has so much smaller a sum of squares for no reason."""
    from scipy.stats import f

    ratio = worse / np.maximum(better, 1e-12)
    return np.asarray(np.minimum(1.0, tries * f.sf(ratio, freedom, freedom)))


def _rms(square: float, pairs: Pairs) -> float:
    return float(np.sqrt(square / len(pairs)))


def _mirrored(pairs: Pairs, scaled: bool, square: float, freedom: int) -> Iterable[Finding]:
    left = pairs.fixed - fit(pairs.fixed, pairs.moving, None, scaled, mirrored=True).apply(pairs.moving)
    mirror = float((left**2).sum())
    chance = float(by_chance(mirror, square, freedom))
    if chance < LIKELY and mirror < square / 4:
        measured = f"a mirror image fits with {_rms(mirror, pairs):.2f} mm, the points as they are with "
        measured += (
            f"{_rms(square, pairs):.2f} mm: an axis of one list has the wrong sign, or left and right are exchanged"
        )
        advice = "Correct the list; a registration never mirrors"
        yield Finding("mirrored", Level.REFUSE, measured, "no reflection", advice, "Umeyama 1991")


def _swapped(pairs: Pairs, scaled: bool, square: float, freedom: int) -> Iterable[Finding]:
    """Each exchange of two partners, tried; and, for few points, any other pairing."""
    orders = pair_swaps(len(pairs))
    moving = pairs.moving[orders]
    squares = ((pairs.fixed - fit(pairs.fixed, moving, None, scaled).apply(moving)) ** 2).sum(axis=(-1, -2))
    best = int(squares.argmin())
    chance = float(by_chance(squares[best], square, freedom, len(orders)))
    if chance < LIKELY:
        one, other = np.flatnonzero(orders[best] != np.arange(len(pairs)))
        measured = f"with the partners of {pairs.names[one]} and {pairs.names[other]} exchanged, the fit leaves "
        measured += f"{_rms(squares[best], pairs):.2f} mm instead of {_rms(square, pairs):.2f} mm"
        level = Level.REFUSE if chance < SURE else Level.WARN
        yield Finding("swapped-pair", level, measured, "no exchange that fits better", CHECK)


def interchangeable(
    pairs: Pairs, square: float, freedom: int, tolerance_mm: float, found: Sequence[Pairing] | None = None
) -> Iterable[Finding]:
    """Other pairings of all points that fit better, or nearly as well, by the distances alone."""
    if len(pairs) > MOST_PAIRS_TRIED:
        return
    every = find_pairings(pairs.fixed, pairs.moving, tolerance_mm) if found is None else found
    own = frozenset((n, n) for n in range(len(pairs)))
    others = [each for each in every if len(each) == len(pairs) and each.couples != own]
    if not others:
        return
    best = others[0]
    other = best.rms_mm**2 * len(pairs)
    differ = [pairs.names[a] for a, b in sorted(best.couples) if a != b]
    told = ", ".join(differ[:6]) + (" …" if differ[6:] else "")
    measured = f"another pairing (of {told}) fits with {best.rms_mm:.2f} mm, this one with {_rms(square, pairs):.2f} mm"
    if float(by_chance(other, square, freedom)) < SURE:
        yield Finding("wrong-pairing", Level.REFUSE, measured, "no pairing that fits better", CHECK)
    elif float(by_chance(square, other, freedom)) > LIKELY:
        advice = "The arrangement is nearly symmetric: make sure of the names, or add a point that breaks the symmetry"
        yield Finding("interchangeable", Level.WARN, measured, "no pairing that fits nearly as well", advice)


def _outlier(pairs: Pairs, scaled: bool, square: float, freedom: int) -> Iterable[Finding]:
    """The pair without which the others fit much better: an F test of three degrees of freedom."""
    from scipy.stats import f

    count = len(pairs)
    if count < 5:
        return
    keep = 1 - np.eye(count)
    left = pairs.fixed - fit(pairs.fixed, pairs.moving, keep, scaled).apply(pairs.moving)
    squares = ((left**2).sum(axis=-1) * keep).sum(axis=-1)
    worst = int(squares.argmin())
    ratio = (square - squares[worst]) / 3 / max(squares[worst] / (freedom - 3), 1e-12)
    if count * float(f.sf(ratio, 3, freedom - 3)) < LIKELY:
        measured = f"{pairs.names[worst]} does not fit the others: without it, FRE is "
        measured += f"{np.sqrt(squares[worst] / (count - 1)):.2f} mm instead of {_rms(square, pairs):.2f} mm"
        advice = "Locate that point again, or leave it out with a reason"
        yield Finding("outlier", Level.WARN, measured, "all points fit alike", advice)


def _half_turn(pairs: Pairs, solved: Solved) -> Iterable[Finding]:
    if not pairs.fixed_frame.name == pairs.moving_frame.name == LPS.name:
        return
    turn = solved.fit.linear / solved.fit.scale
    from_half = np.degrees(np.arccos(np.clip((np.trace(turn @ np.diag([-1.0, -1.0, 1.0])) - 1) / 2, -1, 1)))
    if from_half < HALF_TURN_DEG:
        measured = f"the transform is half a turn about the long axis, within {from_half:.0f}°"
        advice = "Probably one list in RAS was taken for LPS: every point of it lies on the wrong side"
        yield Finding("half-turn", Level.WARN, measured, "scans of one patient lie alike", advice, "docs/frames.md")


def _thin(pairs: Pairs) -> Iterable[Finding]:
    along, across = flatness(pairs.fixed)
    if across < NEARLY_ON_A_LINE * along:
        measured = f"the points lie nearly on a line: {across:.1f} mm off it, {along:.1f} mm along it (RMS)"
        limit = f"{NEARLY_ON_A_LINE * along:.1f} mm"
        yield Finding("near-collinear", Level.WARN, measured, limit, "Add a point as far off that line as you can")


def _stated(solved: Solved, pairs: Pairs, freedom: int) -> Iterable[Finding]:
    """Residuals that a stated FLE does not explain."""
    from scipy.stats import chi2

    if not solved.fle.stated:
        return
    left = pairs.fixed - solved.fit.apply(pairs.moving)
    square = float(np.einsum("ni,nij,nj->", left, np.linalg.inv(solved.covariance), left))
    if chi2.sf(square, freedom) < SURE:
        measured = f"the residuals are {np.sqrt(square / freedom):.1f} times those that the stated FLE of "
        measured += f"{solved.fle.rms_mm:.2f} mm explains: the predicted errors are too small"
        advice = "Correct the FLE or the points; leave fle-mm out to have it estimated"
        yield Finding("fle", Level.WARN, measured, "χ², 1 in 1000", advice)
