"""Registration of points, or of a surface, to a surface."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Transform
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.navigation.accuracy import TargetAccuracy, target_errors
from surgplan.navigation.icp import Laid, lay, target_of
from surgplan.navigation.register import RegisterParams, Registration, gravest_first, targets_in_fixed, tre_limit
from surgplan.navigation.tre import ErrorModel

FEWEST = 12
"""Twice as many points as a rigid motion has parameters."""

MOVING_SAMPLES = 4000
"""Points that stand for a moving surface."""

HOLDS = 0.002
"""Weakest over strongest hold of the surface on the points: 0.06 on a skull, 0.01 on its forehead, 0.0005 on a ball."""

AS_GOOD, NEARLY_AS_GOOD = 1.1, 1.3
"""Another end whose RMS distance is so many times this one's at most leaves a doubt which of them is right."""


@dataclass(frozen=True, eq=False)
class SurfaceAccuracy(TargetAccuracy):
    """What is known of a surface registration's error.

    `rms_mm` is the root mean square distance of the points that counted, `sd_mm` the robust standard deviation of all,
    `used` the share that counted, `hold` how firmly the surface holds the points (0 to 1), `agreeing` of `starts` how
    many starts ended here, `other` (its distance as a multiple of this one's; how far away, mm) the best other place.

    The predicted errors assume that points err independently of one another; a shared error (skin that gives way, a
    bent pointer) is not in them.
    """

    rms_mm: float
    sd_mm: float
    used: float
    hold: float
    agreeing: int
    starts: int
    other: tuple[float, float]

    def left_over(self) -> str:
        """The distance from the surface."""
        return f"{self.rms_mm:.3f} mm RMS from the surface at {self.used:.0%} of the points"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        distance = {"rms_mm": self.rms_mm, "standard_deviation_mm": self.sd_mm, "share_of_points": self.used}
        found = np.isfinite(self.other[0])
        other = {"times_as_far": self.other[0], "apart_mm": self.other[1]} if found else None
        return {
            **super().as_dict(),
            "distance": distance,
            "hold": self.hold,
            "starts": {"tried": self.starts, "agreeing": self.agreeing, "best_other_place": other},
        }


def register_to_surface(
    fixed: Surface,
    moving: PointSet | Surface,
    params: RegisterParams,
    targets: Iterable[PointSet] = (),
    start: Transform | None = None,
) -> Registration:
    """The transform that lays points, or a surface, on the surface `fixed`, with its accuracy.

    Parameters
    ----------
    fixed:
        The surface.
    moving:
        What is laid on it, in another frame.
    params:
        How large a share of it lies there, and the limits.
    targets:
        Where the error matters, in either frame.
    start:
        Roughly the transform that is looked for, within some 20 mm and 15°; without it, the two frames nearly coincide.

    Raises
    ------
    BadInput
        Too few points, targets in another frame, or no end within reach of the start.
    WrongUsage
        Both lie in one frame, the start leads elsewhere, or a similarity was asked for.
    """
    if params.model != "rigid":
        raise WrongUsage("--model similarity", "for surfaces only rigid is offered", "rigid", "Scale the surface first")
    transform = start or Transform.identity(fixed.frame, moving.frame)
    if fixed.frame == moving.frame or (transform.fixed, transform.moving) != (fixed.frame, moving.frame):
        found = f"{transform.moving} to {transform.fixed}"
        raise WrongUsage("frames", found, f"two frames, {moving.frame} to {fixed.frame}", "Name the frames")
    points = sampled(moving) if isinstance(moving, Surface) else moving.positions
    if len(points) < FEWEST:
        advice = "Touch more points, well spread over the surface, or pair named points instead"
        raise BadInput("moving points", f"{len(points)} points", f"at least {FEWEST}", advice)
    laid = lay(points, target_of(fixed), transform.matrix, params.overlap)
    found_transform = Transform(fixed.frame, moving.frame, laid.matrix)
    stand_ins = _stand_ins(found_transform.apply(points))
    aims, told = targets_in_fixed(targets, found_transform, stand_ins)
    accuracy = _accuracy(laid, aims)
    findings = (*tre_limit(accuracy, params), *_doubts(accuracy, params), *told)
    return Registration(found_transform, accuracy, gravest_first(findings))


def sampled(surface: Surface, count: int = MOVING_SAMPLES) -> Array:
    """(count, 3) points spread evenly over a surface, mm."""
    return target_of(surface).thinned(count).places


def _stand_ins(carried: Array) -> dict[str, Array]:
    middle = carried.mean(axis=0)
    return {
        "middle of the points": middle,
        "outermost point": carried[int(np.linalg.norm(carried - middle, axis=1).argmax())],
    }


def _accuracy(laid: Laid, aims: PointSet) -> SurfaceAccuracy:
    used = laid.weights > 0
    normal = laid.rows.T @ (laid.rows * used[:, None])
    # a surface that holds the points nowhere has no inverse: its error is then told as very large
    covariance = laid.sd_mm**2 * np.linalg.pinv(normal + 1e-12 * np.trace(normal) * np.eye(6), hermitian=True)
    model = ErrorModel(laid.middle, covariance, float(used.sum() - 6))
    lengths = np.array([laid.reach_mm] * 3 + [1.0] * 3)
    strengths = np.linalg.eigvalsh(normal / np.outer(lengths, lengths))
    return SurfaceAccuracy(
        target_errors(aims, model),
        model,
        float(np.sqrt((laid.distances[used] ** 2).mean())),
        laid.sd_mm,
        float(used.mean()),
        float(strengths[0] / strengths[-1]),
        *laid.agree,
        laid.other,
    )


def _doubts(accuracy: SurfaceAccuracy, params: RegisterParams) -> Iterable[Finding]:
    if accuracy.rms_mm > params.max_distance_mm:
        measured = f"the points lie {accuracy.rms_mm:.2f} mm from the surface (RMS)"
        advice = "Check that both are of one patient and of one size, and the start"
        yield Finding("distance", Level.REFUSE, measured, f"{params.max_distance_mm:g} mm", advice)
    if accuracy.hold < HOLDS:
        measured = f"the surface does not hold the points: they can slide along it (hold {accuracy.hold:.4f})"
        advice = "Add points where the surface is curved otherwise: a ball, a cylinder or a plane alone never suffices"
        yield Finding("slides", Level.REFUSE, measured, f"{HOLDS:g}", advice)
    ratio, apart = accuracy.other
    if ratio < NEARLY_AS_GOOD:
        measured = (
            f"{apart:.0f} mm away the points lie nearly as well: {ratio:.2f} times as far from the surface as here"
        )
        advice = "Give a better start (--start), or add points where the two places differ"
        level = Level.REFUSE if ratio < AS_GOOD else Level.WARN
        yield Finding("ambiguous-place", level, measured, "no other place that fits nearly as well", advice)
    if accuracy.agreeing < 2:
        measured = f"only 1 of {accuracy.starts} starts ended here"
        yield Finding("starts", Level.WARN, measured, "2 or more", "Give a better start (--start)")
