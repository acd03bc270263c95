"""Registration of two scans by mutual information, such as CT with MR.

There are no pairs whose residuals could tell the error. What can be measured is whether independent runs, from
different starts and with different voxels drawn, end at one place: where they do not, the registration is refused;
where they do, their spread is told. An error that all runs share does not show in it (on a phantom it was 0.2 mm with
voxels of 2 mm, several times the spread), so a quarter of the longest voxel edge is added to the predicted error: what
the best methods reached against bone-implanted markers in West et al., "Comparison and evaluation of retrospective
intermodality brain image registration techniques", 1997.

Source: Mattes et al., "PET-CT image registration in the chest using free-form deformations", 2003 (mutual information
with Parzen windows); Viola and Wells 1997.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Finding, Level
from surgplan.model.frames import LPS, Array, Frame, Transform
from surgplan.model.points import PointSet
from surgplan.model.volume import Volume
from surgplan.navigation.accuracy import TargetAccuracy, target_errors
from surgplan.navigation.register import RegisterParams, Registration, gravest_first, targets_in_fixed, tre_limit
from surgplan.navigation.tre import ErrorModel

SEED = 20_240_305
THREADS = 1
"""Sums over threads come in no fixed order: with one thread everywhere, the same scans give the same bytes."""

BINS, SHARE, ITERATIONS = 40, 0.1, 150
SHRINK, SMOOTH_MM = (4, 2, 1), (3.0, 1.5, 0.0)
FINEST_MM = 1.0
"""Voxels are averaged to this size first: finer ones add time and no accuracy."""

NUDGES = ((0.0, 0.0), (6.0, 8.0), (-6.0, 8.0), (4.0, -10.0))
"""Turn in degrees and shift in mm of each run's start from the given one, about and along a direction of its own."""

FEWEST_VOXELS = 16
"""Along each axis, after averaging: with less there is nothing to register."""

APART_MM = 1.5
"""Runs that put the corners of the common region farther apart than this (RMS) have not found one place."""

SHARED = 0.25
"""Error that all runs share (RMS), as a share of the longest voxel edge."""

LEAST_OVERLAP = 0.3
"""Share of the smaller scan that must lie in the other."""


@dataclass(frozen=True, eq=False)
class ScanAccuracy(TargetAccuracy):
    """What is known of a scan registration's error.

    `information` is the mutual information reached (nats), `at_start` what it was before; `agreeing` of `runs` ended
    within `APART_MM` of the best one; `spread_mm` is how far those differ over the common region, RMS; `overlap` the
    share of the smaller scan that lies in the other.
    """

    information: float
    at_start: float
    agreeing: int
    runs: int
    spread_mm: float
    overlap: float

    def left_over(self) -> str:
        """How well the runs agree."""
        return f"{self.agreeing} of {self.runs} runs agree within {self.spread_mm:.3f} mm RMS"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **super().as_dict(),
            "mutual_information": {"reached": self.information, "at_start": self.at_start},
            "runs": {"tried": self.runs, "agreeing": self.agreeing, "spread_mm": self.spread_mm},
            "overlap": self.overlap,
        }


def register_scans(
    fixed: Volume,
    moving: Volume,
    params: RegisterParams,
    moving_frame: Frame,
    targets: Iterable[PointSet] = (),
    start: Transform | None = None,
) -> Registration:
    """The rigid transform that carries the world of `moving` to that of `fixed` (LPS), with how sure it is.

    Parameters
    ----------
    fixed, moving:
        The scans, of any modality.
    params:
        The limits.
    moving_frame:
        What the world of the moving scan is called; not LPS itself.
    targets:
        Where the error matters, in either frame.
    start:
        Roughly the transform; without it, the scans' middles are laid on each other.

    Raises
    ------
    BadInput
        A scan is too small or uniform, or targets lie in another frame.
    WrongUsage
        The frames are the same, or a similarity was asked for.
    """
    if params.model != "rigid":
        raise WrongUsage(
            "--model similarity", "for scans only rigid is offered", "rigid", "Correct the voxel size first"
        )
    if moving_frame == LPS:
        raise WrongUsage("frames", "both scans lie in LPS", "two frames", "Give --moving-frame LPS:NAME")
    images = _image(fixed, "fixed scan"), _image(moving, "moving scan")
    guess = start.matrix if start else _middles(fixed, moving)
    with _threads(THREADS):
        runs = [_run(*images, _nudged(guess, fixed, number), SEED + number) for number in range(len(NUDGES))]
        before = _information(*images, guess)
    order = sorted(range(len(runs)), key=lambda n: runs[n][1])
    best, value = runs[order[0]]
    region = _common(fixed, moving, best)
    away = [_apart(best, runs[n][0], region) for n in order]
    agreeing = [runs[n][0] for n, far in zip(order, away, strict=True) if far <= APART_MM]
    middle = _mean(agreeing)
    transform = Transform(LPS, moving_frame, middle)
    aims, told = targets_in_fixed(targets, transform, {"middle of the fixed scan": fixed.grid.centre})
    edge = float(max(fixed.grid.spacing.max(), moving.grid.spacing.max()))
    model = _model(agreeing, middle, region.mean(axis=0), SHARED * edge)
    spread = float(np.sqrt(np.mean([_apart(middle, each, region) ** 2 for each in agreeing])))
    overlap = _overlap(fixed, moving, middle)
    accuracy = ScanAccuracy(
        target_errors(aims, model), model, -value, -before, len(agreeing), len(runs), spread, overlap
    )
    findings = (*tre_limit(accuracy, params), *_doubts(accuracy), *told, _caution())
    return Registration(transform, accuracy, gravest_first(findings))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """ITK's filters inside of the registration take the process's number of threads, not the method's."""
    import SimpleITK as sitk

    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def _image(volume: Volume, subject: str) -> Any:
    """A float image in ITK's LPS world, averaged to `FINEST_MM`."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.asarray(volume.array, np.float32))
    image.SetSpacing(volume.grid.spacing.tolist())
    image.SetOrigin(volume.grid.origin.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    factors = [max(1, int(FINEST_MM / step + 0.01)) for step in volume.grid.spacing]
    image = sitk.BinShrink(image, factors) if max(factors) > 1 else image
    if min(image.GetSize()) < FEWEST_VOXELS:
        found = " × ".join(map(str, image.GetSize()))
        raise BadInput(
            subject, f"has {found} voxels", f"{FEWEST_VOXELS} along each axis", "Use a scan of the whole region"
        )
    if np.ptp(sitk.GetArrayViewFromImage(image)) == 0:
        raise BadInput(subject, "has the same value everywhere", "a picture", "Check the scan")
    return image


def _middles(fixed: Volume, moving: Volume) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = fixed.grid.centre - moving.grid.centre
    return matrix


def _nudged(guess: Array, fixed: Volume, number: int) -> Array:
    """The start of a run: the guess, turned about the fixed scan's middle and shifted."""
    from scipy.spatial.transform import Rotation

    turn_deg, shift_mm = NUDGES[number]
    way = np.random.default_rng(SEED + number).normal(size=3)
    way /= np.linalg.norm(way)
    nudge = np.eye(4)
    nudge[:3, :3] = Rotation.from_rotvec(way * np.radians(turn_deg)).as_matrix()
    nudge[:3, 3] = fixed.grid.centre - nudge[:3, :3] @ fixed.grid.centre + way * shift_mm
    return nudge @ guess


def _method(seed: int, share: float) -> Any:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(share, seed)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _run(fixed: Any, moving: Any, guess: Array, seed: int) -> tuple[Array, float]:
    """One registration: moving to fixed, and the negative mutual information reached."""
    method = _method(seed, SHARE)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, ITERATIONS, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(SHRINK))
    method.SetSmoothingSigmasPerLevel(list(SMOOTH_MM))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(_itk(guess, fixed), inPlace=True)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError:  # no voxels in common any more: this run has lost its way
        return guess, np.inf
    return np.asarray(np.linalg.inv(_matrix(found)), np.float64), float(method.GetMetricValue())


def _information(fixed: Any, moving: Any, guess: Array) -> float:
    method = _method(SEED, SHARE)
    method.SetInitialTransform(_itk(guess, fixed))
    try:
        return float(method.MetricEvaluate(fixed, moving))
    except RuntimeError:
        return 0.0


def _itk(fixed_from_moving: Array, fixed: Any) -> Any:
    """ITK's transform carries fixed points to moving ones; it turns about the fixed scan's middle."""
    import SimpleITK as sitk

    inverse = np.linalg.inv(fixed_from_moving)
    middle = np.array(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    stored = sitk.Euler3DTransform()
    stored.SetCenter(middle.tolist())
    stored.SetMatrix(inverse[:3, :3].ravel().tolist(), 1e-6)
    stored.SetTranslation((inverse[:3, :3] @ middle + inverse[:3, 3] - middle).tolist())
    return stored


def _matrix(transform: Any) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - matrix[:3, 3]
    return matrix


def _common(fixed: Volume, moving: Volume, matrix: Array) -> Array:
    """(8, 3) corners of the box, fixed frame, that holds what both scans show."""
    theirs = moving.grid.corners @ matrix[:3, :3].T + matrix[:3, 3]
    low = np.maximum(fixed.grid.corners.min(axis=0), theirs.min(axis=0))
    high = np.minimum(fixed.grid.corners.max(axis=0), theirs.max(axis=0))
    if (high <= low).any():
        low, high = fixed.grid.corners.min(axis=0), fixed.grid.corners.max(axis=0)
    return np.array(np.meshgrid(*np.array([low, high]).T, indexing="ij")).reshape(3, -1).T


def _apart(one: Array, other: Array, region: Array) -> float:
    """How far two transforms put the corners of the region apart, RMS mm."""
    change = other @ np.linalg.inv(one)
    moved = region @ change[:3, :3].T + change[:3, 3] - region
    return float(np.sqrt((moved**2).sum(axis=1).mean()))


def _mean(matrices: list[Array]) -> Array:
    from scipy.spatial.transform import Rotation

    whole = np.mean(matrices, axis=0)
    whole[:3, :3] = Rotation.from_matrix([each[:3, :3] for each in matrices]).mean().as_matrix()
    return np.asarray(whole)


def _model(matrices: list[Array], mean: Array, middle: Array, shared_mm: float) -> ErrorModel:
    """Covariance of one run's small motion about the mean, from how the runs differ, and of a shift that all share."""
    from scipy.spatial.transform import Rotation

    moves = []
    for each in matrices:
        change = each @ np.linalg.inv(mean)
        shift = change[:3, :3] @ middle + change[:3, 3] - middle
        moves.append([*Rotation.from_matrix(change[:3, :3]).as_rotvec(), *shift])
    freedom = max(len(moves) - 1, 1)
    covariance = np.array(moves).T @ np.array(moves) / freedom
    covariance[3:, 3:] += shared_mm**2 / 3 * np.eye(3)
    return ErrorModel(middle, covariance, np.inf)


def _overlap(fixed: Volume, moving: Volume, matrix: Array) -> float:
    """Share of the smaller scan that lies in the other."""
    small, large, carry = fixed, moving, np.linalg.inv(matrix)
    if (
        np.prod(fixed.grid.size) * fixed.grid.voxel_volume_mm3
        > np.prod(moving.grid.size) * moving.grid.voxel_volume_mm3
    ):
        small, large, carry = moving, fixed, matrix
    axes = [np.linspace(-0.5, n - 0.5, 12) for n in small.grid.size]
    places = small.grid.lps_from_ijk.apply(np.array(np.meshgrid(*axes)).reshape(3, -1).T)
    return float(large.grid.contains(places @ carry[:3, :3].T + carry[:3, 3]).mean())


def _doubts(accuracy: ScanAccuracy) -> Iterable[Finding]:
    if accuracy.agreeing < 2 or accuracy.agreeing * 2 < accuracy.runs:
        measured = f"only {accuracy.agreeing} of {accuracy.runs} runs ended at the best place"
        advice = "Give a better start (--start), from landmarks for example"
        yield Finding("capture", Level.REFUSE, measured, f"half of them within {APART_MM:g} mm", advice)
    elif accuracy.agreeing < accuracy.runs:
        measured = f"{accuracy.agreeing} of {accuracy.runs} runs ended at the best place"
        yield Finding("capture", Level.WARN, measured, "all of them", "Look at both scans laid on each other")
    if accuracy.overlap < LEAST_OVERLAP:
        measured = f"{accuracy.overlap:.0%} of the smaller scan lies in the other"
        yield Finding("overlap", Level.REFUSE, measured, f"{LEAST_OVERLAP:.0%}", "Check that both show one region")


def _caution() -> Finding:
    measured = f"the error is the runs' spread and {SHARED:g} of the longest voxel edge: nothing here measures it"
    advice = "Compare landmarks that both scans show: surgplan register with points"
    return Finding("scan-error", Level.NOTE, measured, advice=advice)
