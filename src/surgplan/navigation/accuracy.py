"""How wrong a point registration is: at its fiducials, and, what counts, at its targets.

FRE, the residual at the fiducials, says nothing about the error at a target: the two are uncorrelated (Fitzpatrick,
"Fiducial registration error and target registration error are uncorrelated", 2009). `Accuracy` therefore cannot be
made without targets, and nothing else here carries an FRE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.model.frames import Array
from surgplan.model.points import PointSet
from surgplan.navigation.fit import Fit, fit, fit_by_precision, flatness
from surgplan.navigation.pairs import ON_A_LINE, Pairs
from surgplan.navigation.tre import ErrorModel, NextPoint, error_model

FEWEST_TO_LEAVE_ONE_OUT, FEWEST_TO_RESAMPLE = 4, 5
SEED = 20_240_229
"""Resamples are the same each time: the same input gives the same bytes."""


@dataclass(frozen=True)
class Fle:
    """How well fiducials are localised, root mean square over three dimensions, both sides together, mm.

    `low_mm` and `high_mm` are the 95 % interval of an estimate; all three are the same when it was stated.
    """

    rms_mm: float
    low_mm: float
    high_mm: float
    degrees: float
    stated: bool


@dataclass(frozen=True)
class Residual:
    """One pair: what is left between its points (fixed frame, mm), and by how much the fit of all others misses it."""

    name: str
    vector_mm: tuple[float, float, float]
    length_mm: float
    left_out_mm: float | None


@dataclass(frozen=True)
class TargetError:
    """What to expect at a target, in the fixed frame, mm.

    `tre_mm` is the predicted root mean square error, `tre_95_mm` what is not passed in 95 of 100 cases,
    `bootstrap_95_mm` the 95th percentile of the target's shift when pairs are drawn anew, None with too few pairs.
    """

    name: str
    position_mm: tuple[float, float, float]
    tre_mm: float
    tre_95_mm: float
    bootstrap_95_mm: float | None


@dataclass(frozen=True, eq=False)
class TargetAccuracy:
    """What every registration has: the error to expect at one target or more, and how it grows over space.

    Raises
    ------
    ValueError
        There is no target: a residual alone misleads.
    """

    targets: tuple[TargetError, ...]
    model: ErrorModel

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError("an accuracy needs the error at a target or more: FRE alone misleads")

    @property
    def worst(self) -> TargetError:
        """The target with the largest predicted error."""
        return max(self.targets, key=lambda each: each.tre_mm)

    def summary(self) -> str:
        """One line: the worst target first, what is left over behind it."""
        worst = self.worst
        told = f"predicted TRE {worst.tre_mm:.3f} mm at {worst.name} (95 %: {worst.tre_95_mm:.3f} mm)"
        return f"{told}; {self.left_over()}"

    def left_over(self) -> str:
        """What the fit leaves over, in words."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"targets": [{**vars(each), "position_mm": list(each.position_mm)} for each in self.targets]}


@dataclass(frozen=True, eq=False)
class Accuracy(TargetAccuracy):
    """All that is known of a point registration's error, always together."""

    fre_mm: float
    fle: Fle
    residuals: tuple[Residual, ...]
    scale: float
    scale_sd: float
    next_point: NextPoint | None = None

    def left_over(self) -> str:
        """FRE and FLE."""
        return f"FRE {self.fre_mm:.3f} mm at {len(self.residuals)} pairs, FLE {self.fle.rms_mm:.3f} mm"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        fle = {"rms_mm": self.fle.rms_mm, "interval_95_mm": [self.fle.low_mm, self.fle.high_mm]}
        more = self.next_point
        return {
            **super().as_dict(),
            "fre_mm": self.fre_mm,
            "fle": {**fle, "source": "stated" if self.fle.stated else "estimated from the residuals"},
            "pairs": [{**vars(each), "vector_mm": list(each.vector_mm)} for each in self.residuals],
            "scale": {"found": self.scale, "standard_deviation": self.scale_sd},
            "one_more_point": None
            if more is None
            else {"position_mm": more.place.tolist(), "worst_tre_mm": more.tre_mm, "worst_tre_now_mm": more.now_mm},
        }


@dataclass(frozen=True, eq=False)
class Solved:
    """A fit of pairs with what its error follows from: `precision` and `covariance` (n, 3, 3), 1/mm² and mm²."""

    fit: Fit
    scaled: bool
    precision: Array
    covariance: Array
    fle: Fle

    def model(self, pairs: Pairs) -> ErrorModel:
        """How the error grows over space."""
        carried = self.fit.apply(pairs.moving)
        return error_model(carried, self.precision, self.covariance, self.scaled, self.fle.degrees)


def solve_pairs(pairs: Pairs, scaled: bool, weighted: bool, fle_axes_mm: Array | None) -> Solved:
    """Fit pairs, and estimate how well they were localised.

    Parameters
    ----------
    pairs:
        The pairs.
    scaled:
        Similarity instead of rigid.
    weighted:
        Weigh each pair by its stated uncertainty (`pairs.sd_mm`), else all alike.
    fle_axes_mm:
        (3,) standard deviation of a pair's error along each axis of the fixed frame, when it is known; else it is
        estimated: ⟨FRE²⟩ = (1 − (6 or 7) / 3N) FLE² (Sibson 1979, for equal isotropic errors).
    """
    count = len(pairs)
    ratios = pairs.sd_mm**2 if weighted and pairs.sd_mm is not None else np.ones(count)
    axes = np.ones(3) if fle_axes_mm is None else fle_axes_mm**2
    shape = (ratios / ratios.mean())[:, None, None] * np.diag(axes)
    precision = np.linalg.inv(shape)
    isotropic = bool(np.ptp(axes) == 0)
    found = (
        fit(pairs.fixed, pairs.moving, 1 / ratios, scaled)
        if isotropic
        else fit_by_precision(pairs.fixed, pairs.moving, precision, scaled)
    )
    if fle_axes_mm is not None:
        rms = float(np.sqrt(axes.sum()))
        return Solved(found, scaled, precision, shape, Fle(rms, rms, rms, np.inf, True))
    left = pairs.fixed - found.apply(pairs.moving)
    freedom = 3 * count - (7 if scaled else 6)
    square = float(np.einsum("ni,nij,nj->", left, precision, left)) / freedom
    return Solved(found, scaled, precision, shape * square, _estimated(square, freedom))


def _estimated(square: float, freedom: int) -> Fle:
    """From the variance along one axis; the interval is that of a χ² distribution."""
    from scipy.stats import chi2

    low, high = (float(np.sqrt(3 * square * freedom / chi2.ppf(share, freedom))) for share in (0.975, 0.025))
    return Fle(float(np.sqrt(3 * square)), low, high, freedom, False)


def assess(pairs: Pairs, solved: Solved, targets: PointSet, draws: int, next_point: NextPoint | None) -> Accuracy:
    """Residuals, errors at the targets (in the fixed frame) and the scale, together."""
    left = pairs.fixed - solved.fit.apply(pairs.moving)
    lengths = np.linalg.norm(left, axis=1)
    weights = np.trace(solved.precision, axis1=1, axis2=2)
    without = leave_one_out(pairs, weights, solved.scaled)
    residuals = tuple(
        Residual(name, _vector(left[n]), float(lengths[n]), _number(without, n)) for n, name in enumerate(pairs.names)
    )
    scale, scale_sd = _scale(pairs, solved, weights)
    model = solved.model(pairs)
    return Accuracy(
        target_errors(targets, model, _shifts(pairs, weights, solved, targets.positions, draws)),
        model,
        float(np.sqrt((lengths**2).mean())),
        solved.fle,
        residuals,
        scale,
        scale_sd,
        next_point,
    )


def _number(values: Array | None, n: int) -> float | None:
    return None if values is None or np.isnan(values[n]) else float(values[n])


def _vector(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def target_errors(targets: PointSet, model: ErrorModel, shifts: Array | None = None) -> tuple[TargetError, ...]:
    """The predicted error at each target, in the fixed frame; `shifts` (n,) are those of a bootstrap."""
    rms, most = model.rms(targets.positions), model.quantile(targets.positions)
    drawn: Sequence[float | None] = [None] * len(targets) if shifts is None else shifts.tolist()
    return tuple(
        TargetError(point.name, _vector(point.position), float(rms[n]), float(most[n]), drawn[n])
        for n, point in enumerate(targets)
    )


def leave_one_out(pairs: Pairs, weights: Array, scaled: bool) -> Array | None:
    """(n,) distance of each pair after a fit of all others, mm; NaN where not determined, None for few pairs."""
    count = len(pairs)
    if count < FEWEST_TO_LEAVE_ONE_OUT:
        return None
    others = fit(pairs.fixed, pairs.moving, weights * (1 - np.eye(count)), scaled)
    rows = np.arange(count)
    away: Any = np.linalg.norm(pairs.fixed - others.apply(pairs.moving)[rows, rows], axis=1)
    for n in rows:
        along, across = flatness(np.delete(pairs.moving, n, axis=0))
        if across <= ON_A_LINE * along:
            away[n] = np.nan
    return None if np.isnan(away).all() else np.asarray(away, np.float64)


def _shifts(pairs: Pairs, weights: Array, solved: Solved, places: Array, draws: int) -> Array | None:
    """(t,) 95th percentile of each target's shift over fits of pairs drawn with replacement; None with too few.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 9.5 (pairs are resampled).
    """
    count = len(pairs)
    if count < FEWEST_TO_RESAMPLE or draws == 0:
        return None
    rng = np.random.default_rng(SEED)
    times = rng.multinomial(count, np.full(count, 1 / count), draws)
    times = times[(times > 0).sum(axis=1) >= FEWEST_TO_LEAVE_ONE_OUT]
    found = fit(pairs.fixed, pairs.moving, weights * times, solved.scaled)
    away = solved.fit.inverse_apply(places)
    shifts = np.linalg.norm(found.apply(away) - places, axis=2)
    return np.asarray(np.percentile(shifts, 95, axis=0))


def _scale(pairs: Pairs, solved: Solved, weights: Array) -> tuple[float, float]:
    """The scale that fits best, whether or not it was asked for, and its standard deviation."""
    free = solved if solved.scaled else None
    found = free.fit if free else fit(pairs.fixed, pairs.moving, weights, scaled=True)
    covariance = solved.covariance
    if free is None and not solved.fle.stated:
        # a wrong scale inflates the residuals of the rigid fit: judge it by those that it leaves
        left = pairs.fixed - found.apply(pairs.moving)
        square = float(np.einsum("ni,nij,nj->", left, solved.precision, left)) / (3 * len(pairs) - 7)
        covariance = np.asarray(np.linalg.inv(solved.precision) * square, np.float64)
    model = error_model(found.apply(pairs.moving), solved.precision, covariance, scaled=True)
    return float(found.scale), float(found.scale * np.sqrt(model.motion_covariance[6, 6]))
