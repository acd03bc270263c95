"""Registration of paired points: the stage's parameters and its function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput, WrongUsage, blaming
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.navigation.accuracy import Accuracy, Solved, TargetAccuracy, assess, solve_pairs
from surgplan.navigation.doubts import doubts
from surgplan.navigation.pairing import find_pairings
from surgplan.navigation.pairs import Pairs, make_pairs, pair_by_name
from surgplan.navigation.tre import NextPoint, best_next_point, sphere_of_candidates
from surgplan.params import Params

Axes = tuple[float, float, float]

MOST_CANDIDATES = 2000


class RegisterParams(Params):
    """How two sets of points are brought together, and how large the error may be."""

    model: Literal["rigid", "similarity"] = Field("rigid", description="rigid, or with one scale for all directions")
    match: Literal["exact", "normalised", "none"] = Field(
        "exact", description="pair points by exact names, by names without case, separators and zeros, or by distances"
    )
    weights: Literal["equal", "uncertainty"] = Field(
        "equal", description="weigh all pairs alike, or each by the uncertainty that its points state"
    )
    fle_mm: float | None = Field(
        None, gt=0, le=50, description="known localisation error of a pair, RMS in mm; without it, it is estimated"
    )
    fle_axes_mm: Axes | None = Field(
        None, description="the same as standard deviations along x, y, z of the fixed frame, when they differ"
    )
    max_fre_mm: float = Field(2.0, gt=0, le=100, description="largest FRE that passes, in mm")
    max_tre_mm: float = Field(2.0, gt=0, le=100, description="largest predicted TRE (RMS) that passes, in mm")
    max_scale_error: float = Field(0.02, gt=0, le=1, description="most that the scale may differ from 1")
    pair_tolerance_mm: float = Field(
        5.0,
        gt=0,
        le=100,
        description="how far points may lie apart when pairs are found by distances, in mm",
    )
    overlap: float = Field(0.9, gt=0.2, le=1, description="share of the moving points that lie on the fixed surface")
    max_distance_mm: float = Field(
        2.0, gt=0, le=100, description="largest RMS distance from the surface that passes, in mm"
    )
    confirm: bool | None = Field(
        None,
        description="have a result on a surface confirmed by open3d, or not; without either, where it is installed",
    )
    bootstrap: int = Field(1000, ge=0, le=100_000, description="resamples for the bootstrap interval; 0 for none")

    @property
    def axes(self) -> Array | None:
        """(3,) standard deviations of the stated FLE, mm."""
        if self.fle_axes_mm is not None:
            return np.array(self.fle_axes_mm)
        return None if self.fle_mm is None else np.full(3, self.fle_mm / np.sqrt(3))


@dataclass(frozen=True)
class Confirmation:
    """How far a second implementation's result lies from the first one's, mm, at each place that was compared.

    `worst` is the place that passes its limit most, or comes nearest to it.
    """

    by: str
    apart_mm: tuple[tuple[str, float], ...]
    worst: str
    worst_mm: float
    limit_mm: float

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "by": self.by,
            "agrees": self.worst_mm <= self.limit_mm,
            "apart_mm": dict(self.apart_mm),
            "worst": {"place": self.worst, "apart_mm": self.worst_mm, "limit_mm": self.limit_mm},
        }


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform, what its error is, and what is doubtful about it: one without the other two is not to be had."""

    transform: Transform
    accuracy: TargetAccuracy
    findings: tuple[Finding, ...]
    confirmation: Confirmation | None = None


def register_points(
    fixed: PointSet,
    moving: PointSet,
    params: RegisterParams,
    targets: Iterable[PointSet] = (),
    surface: Surface | None = None,
    stated: Iterable[tuple[str, str]] = (),
) -> Registration:
    """The transform that carries the points `moving` to `fixed`, with its accuracy.

    Parameters
    ----------
    fixed, moving:
        Points in different frames.
    params:
        How to pair and fit them, and the limits.
    targets:
        Where the error matters, in either frame; without any, it is told at the fiducials' middle and outermost one.
    surface:
        Where one more point could be placed, in the fixed frame.
    stated:
        (fixed name, moving name) of pairs whose names differ.

    Raises
    ------
    BadInput
        Fewer than three pairs, points on one line, or a target in another frame.
    WrongUsage
        Weights by uncertainty, and a point states none.
    """
    if fixed.frame == moving.frame:
        advice = "Give the moving points a frame of their own: --moving-frame NAME"
        raise WrongUsage("frames", f"both lists lie in {fixed.frame}", "two frames", advice)
    pairs, findings = _paired(fixed, moving, params, tuple(stated))
    if params.weights == "uncertainty" and pairs.sd_mm is None:
        advice = "State uncertainty_mm for each point, or use --weights equal"
        raise WrongUsage("--weights uncertainty", "a pair has no stated uncertainty", advice=advice)
    solved = solve_pairs(pairs, params.model == "similarity", params.weights == "uncertainty", params.axes)
    transform = Transform(fixed.frame, moving.frame, solved.fit.matrix())
    middle = pairs.fixed.mean(axis=0)
    outermost = int(np.linalg.norm(pairs.fixed - middle, axis=1).argmax())
    stand_ins = {"middle of the fiducials": middle, f"fiducial {pairs.names[outermost]}": pairs.fixed[outermost]}
    aims, told = targets_in_fixed(targets, transform, stand_ins)
    more = _next_point(pairs, solved, aims, surface)
    accuracy = assess(pairs, solved, aims, params.bootstrap, more)
    findings = (
        *tre_limit(accuracy, params),
        *_limits(accuracy, params),
        *doubts(pairs, solved, params.pair_tolerance_mm),
        *told,
        *findings,
        *_advice(accuracy, surface),
    )
    return Registration(transform, accuracy, gravest_first(findings))


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same findings, refusals before warnings before notes."""
    return tuple(sorted(findings, key=lambda each: -list(Level).index(each.level)))


def _paired(
    fixed: PointSet, moving: PointSet, params: RegisterParams, stated: tuple[tuple[str, str], ...]
) -> tuple[Pairs, tuple[Finding, ...]]:
    if params.match != "none":
        return pair_by_name(fixed, moving, params.match, stated)
    if stated:
        raise WrongUsage("--pair", "given together with --match none", advice="Use --match exact or normalised")
    found = find_pairings(fixed.positions, moving.positions, params.pair_tolerance_mm)
    if not found:
        measured = f"no three of {len(moving)} points lie like three of {len(fixed)}"
        advice = "Raise --pair-tolerance-mm if the points are that inexact; a mirrored list fits nowhere"
        raise BadInput("pairs", measured, f"within {params.pair_tolerance_mm:g} mm", advice)
    best, others = found[0], [each for each in found[1:] if len(each) == len(found[0])]
    couples = [(fixed.landmarks[a], moving.landmarks[b]) for a, b in zip(best.fixed, best.moving, strict=True)]
    pairs = make_pairs(couples, fixed.frame, moving.frame)
    measured = f"{len(best)} pairs found by their distances, {best.rms_mm:.2f} mm apart: {', '.join(pairs.names)}"
    findings = [Finding("paired-by-distance", Level.NOTE, measured, advice="Compare the pairs with what you know")]
    alone = min(len(fixed), len(moving)) - len(best)
    if alone:
        measured = f"{alone} points of the shorter list found no partner"
        limit = f"{params.pair_tolerance_mm:g} mm"
        findings.append(Finding("not-matched", Level.WARN, measured, limit, "Check those points"))
    if others and others[0].rms_mm < params.pair_tolerance_mm and len(best) < len(fixed):
        measured = f"another choice of {len(best)} points fits with {others[0].rms_mm:.2f} mm"
        findings.append(Finding("ambiguous-pairing", Level.WARN, measured, advice="Name the points, or add one"))
    return pairs, tuple(findings)


def targets_in_fixed(
    targets: Iterable[PointSet], transform: Transform, stand_ins: Mapping[str, Array]
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The targets in the fixed frame; the stand-ins, (3,) each, and a warning, when nobody named a target.

    Raises
    ------
    BadInput
        Targets in another frame, or two of one name.
    """
    targets = tuple(targets)
    for points in targets:
        if points.frame not in (transform.fixed, transform.moving):
            advice = "Give them in the fixed or the moving frame"
            raise BadInput("targets", f"lie in {points.frame}", f"{transform.fixed} or {transform.moving}", advice)
    placed = [transform @ points if points.frame == transform.moving else points for points in targets]
    if any(len(points) for points in placed):
        with blaming("targets", "Rename one of them"):
            return PointSet([point for points in placed for point in points]), ()
    measured = f"no target was named: the error is told at {' and '.join(stand_ins)}"
    advice = "Name the targets (--target FILE): the error there may be larger"
    points = PointSet(Landmark(name, place, transform.fixed) for name, place in stand_ins.items())
    return points, (Finding("no-target", Level.WARN, measured, advice=advice),)


def _next_point(pairs: Pairs, solved: Solved, targets: PointSet, surface: Surface | None) -> NextPoint | None:
    """Where one more fiducial helps most: on the surface, or as far out as the others are."""
    if not solved.fle.rms_mm > 0:
        return None
    if surface is None:
        middle = pairs.fixed.mean(axis=0)
        candidates = sphere_of_candidates(middle, float(np.linalg.norm(pairs.fixed - middle, axis=1).max()))
    else:
        candidates = surface.vertices[:: 1 + len(surface.vertices) // MOST_CANDIDATES]
    precision = np.asarray(np.linalg.inv(solved.covariance), np.float64)
    carried = solved.fit.apply(pairs.moving)
    return best_next_point(carried, precision, candidates, targets.positions, solved.scaled)


def tre_limit(accuracy: TargetAccuracy, params: RegisterParams) -> Iterable[Finding]:
    """A refusal when the predicted error at a target passes its limit."""
    worst = accuracy.worst
    if worst.tre_mm > params.max_tre_mm:
        measured = f"the predicted error at {worst.name} is {worst.tre_mm:.2f} mm (95 %: {worst.tre_95_mm:.2f} mm)"
        advice = "Add points round the target, or locate them better"
        yield Finding("tre", Level.REFUSE, measured, f"{params.max_tre_mm:g} mm", advice)


def _limits(accuracy: Accuracy, params: RegisterParams) -> Iterable[Finding]:
    worst = accuracy.worst
    if accuracy.fre_mm > params.max_fre_mm:
        measured = f"FRE is {accuracy.fre_mm:.2f} mm (predicted TRE at {worst.name}: {worst.tre_mm:.2f} mm)"
        advice = "Check pairs and points; the largest residuals tell which"
        yield Finding("fre", Level.REFUSE, measured, f"{params.max_fre_mm:g} mm", advice)
    off = abs(accuracy.scale - 1)
    if off > params.max_scale_error:
        sure = off > 3 * accuracy.scale_sd
        measured = f"a scale of {accuracy.scale:.4f} ± {accuracy.scale_sd:.4f} fits best"
        advice = "The two are not of one size: check units and voxel spacing, or whether they are one patient's"
        limit = f"1 ± {params.max_scale_error:g}"
        yield Finding("scale", Level.REFUSE if sure else Level.WARN, measured, limit, advice)


def _advice(accuracy: Accuracy, surface: Surface | None) -> Iterable[Finding]:
    more = accuracy.next_point
    if more is not None:
        told = ", ".join(f"{value:.0f}" for value in more.place)
        where = "on the surface" if surface is not None else "as far out as the other fiducials"
        measured = f"one more point at [{told}] mm, {where}, would lower the worst predicted error from "
        measured += f"{more.now_mm:.2f} to {more.tre_mm:.2f} mm"
        yield Finding("one-more-point", Level.NOTE, measured)


def default_moving_frame(fixed: Frame) -> Frame:
    """A frame for moving points that lie in one of the same name: another patient's, or another scan's, world."""
    return Frame(fixed.name, "moving")
