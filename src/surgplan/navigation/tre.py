"""The error to expect at a target: predicted from where the fiducials are and how well they were localised.

To first order, errors of the pairs turn into a small motion of the whole (`fit.solve`), and that motion into a shift
at each target. For equal, isotropic errors and equal weights this is the formula of Fitzpatrick, West and Maurer,
"Predicting error in rigid-body point-based registration", 1998,

    TRE²(r) = FLE² / N · (1 + ⅓ Σ dₖ² / fₖ²)

with dₖ the target's and fₖ the fiducials' root mean square distance from the k-th principal axis. The general form,
for weights and for errors that differ between pairs and directions, is Danilchenko and Fitzpatrick, "General approach
to first-order error prediction in rigid point registration", 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.model.frames import Array
from surgplan.navigation.fit import motion, solve

CHUNK = 100_000
"""Places for which the error is computed at once: 20 MB."""


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """How a registration's error grows over space.

    Parameters
    ----------
    middle:
        (3,) the fiducials' mean in the fixed frame, mm.
    motion_covariance:
        (6, 6) or, with a scale, (7, 7): of the small turn (rad), shift (mm) and growth about `middle`.
    degrees:
        Degrees of freedom of the estimated FLE; infinite when the FLE was stated and not estimated.
    """

    middle: Array
    motion_covariance: Array
    degrees: float

    @property
    def scaled(self) -> bool:
        """Whether the registration also had a scale to find."""
        return len(self.motion_covariance) == 7

    def covariance(self, places: Array) -> Array:
        """(n, 3, 3) mm² of the error at places (n, 3), mm, in the fixed frame."""
        moves = motion(places - self.middle, self.scaled)
        spread: Array = moves @ self.motion_covariance @ np.swapaxes(moves, -1, -2)
        return spread

    def rms(self, places: Array) -> Array:
        """(n,) the predicted TRE, root mean square, mm, at places (n, 3)."""
        parts = [places[at : at + CHUNK] for at in range(0, len(places), CHUNK)]
        squares = [np.trace(self.covariance(part), axis1=1, axis2=2) for part in parts]
        return np.sqrt(np.maximum(np.concatenate(squares), 0.0)) if parts else np.zeros(0)

    def quantile(self, places: Array, share: float = 0.95) -> Array:
        """(n,) the error, mm, that is not passed with probability `share`.

        The square of a Gaussian error with eigenvalues λ is about Σλ · χ²(ν)/ν with ν = (Σλ)² / Σλ² (Satterthwaite
        1946); an FLE that was itself estimated from few residuals makes that an F distribution.
        """
        from scipy.stats import chi2, f

        spread = self.covariance(places)
        total = np.trace(spread, axis1=1, axis2=2)
        # without any error the degrees of freedom are 0 / 0: whatever they are, the quantile is 0
        freedom = np.where(total > 0, total**2 / np.maximum((spread**2).sum(axis=(1, 2)), 1e-300), 1.0)
        known = np.isinf(self.degrees)
        factor = chi2.ppf(share, freedom) / freedom if known else f.ppf(share, freedom, self.degrees)
        return np.asarray(np.sqrt(np.maximum(total, 0.0) * factor))


def error_model(
    carried: Array, precision: Array, covariance: Array, scaled: bool = False, degrees: float = np.inf
) -> ErrorModel:
    """What to expect of a registration with these fiducials.

    Parameters
    ----------
    carried:
        (n, 3) the fiducials in the fixed frame, mm.
    precision:
        (n, 3, 3) the weights that the fit used; only their ratios matter.
    covariance:
        (n, 3, 3) mm² of each pair's error in the fixed frame: fixed and moving localisation together.
    scaled:
        Whether the fit also found a scale.
    degrees:
        Degrees of freedom behind `covariance`, when it was estimated.
    """
    middle = carried.mean(axis=0)
    answer = solve(motion(carried - middle, scaled), precision)
    parts = answer.reshape(len(answer), -1, 3)
    spread = np.einsum("ani,nij,bnj->ab", parts, covariance, parts)
    return ErrorModel(middle, spread, degrees)


@dataclass(frozen=True, eq=False)
class NextPoint:
    """Where one more fiducial helps most: (3,) mm in the fixed frame, and the worst target's TRE then and now, mm."""

    place: Array
    tre_mm: float
    now_mm: float


def best_next_point(
    carried: Array, precision: Array, candidates: Array, targets: Array, scaled: bool = False
) -> NextPoint | None:
    """The candidate (m, 3) that lowers the worst predicted TRE of the targets (t, 3) most; None when none does.

    It is taken to be localised as well as the other fiducials are on average. `precision` (n, 3, 3) 1/mm² are inverse
    covariances, so that the motion's covariance is the inverse of the normal matrix.
    """
    middle = carried.mean(axis=0)
    rows = motion(carried - middle, scaled)
    normal = (np.swapaxes(rows, -1, -2) @ precision @ rows).sum(axis=0)
    more = motion(candidates - middle, scaled)
    normals = normal + np.swapaxes(more, -1, -2) @ precision.mean(axis=0) @ more
    moves = motion(targets - middle, scaled)
    now = np.sqrt(np.einsum("tij,jk,tik->t", moves, np.linalg.inv(normal), moves).max())
    spread = np.asarray(np.linalg.inv(normals), np.float64)
    worst: Any = np.sqrt(np.einsum("tij,mjk,tik->mt", moves, spread, moves, optimize=True).max(axis=1))
    best = int(worst.argmin())
    return NextPoint(candidates[best], float(worst[best]), float(now)) if worst[best] < now else None


def sphere_of_candidates(centre: Array, radius: float, count: int = 500) -> Array:
    """(count, 3) places spread evenly over a sphere. Source: the Fibonacci lattice (González 2010)."""
    number = np.arange(count) + 0.5
    height: Any = 1 - 2 * number / count
    turn = np.pi * (1 + np.sqrt(5)) * number
    ring = np.sqrt(1 - height**2)
    unit = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    return np.asarray(centre + radius * unit, np.float64)
