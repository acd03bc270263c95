"""Where a pointer's tip is, from turning it about one place: pivot calibration.

With the tip at rest in c, every pose (R, p) of the marker has R t + p = c: linear in the tip t, in the marker's frame,
and in c. Source: Yaniv, "Which pivot calibration?", SPIE 2015 (the algebraic one-step method).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Frame, Transform
from surgplan.model.tracking import Recording

FEWEST = 20
SMALLEST_TURN_DEG = 20.0
"""Turned less far about any axis across the pointer, the tip's place along it is hardly known."""

GOOD_RMS_MM = 1.0
OUTLYING = 4.0
"""Poses that miss by more than so many times the median are left out: the tip had slipped."""


@dataclass(frozen=True, eq=False)
class Pivot:
    """A calibration: the tip in the marker's frame, what its poses leave over, and how well the tip is known, mm."""

    stylus_from_tip: Transform
    rms_mm: float
    tip_sd_mm: float
    poses: int
    left_out: int
    turn_deg: float
    findings: tuple[Finding, ...]


def calibrate_pivot(recording: Recording, reference: Frame, marker: Frame, tip: Frame) -> Pivot:
    """Find the tip of a pointer that was turned about one place.

    Raises
    ------
    BadInput
        No poses of the marker, too few, or turned too little to tell where the tip is.
    """
    poses = recording.pose(reference, marker)
    if poses is None:
        known = ", ".join(sorted({str(frame) for pair in recording.poses for frame in pair}))
        raise BadInput("recording", f"has no poses of {marker} in {reference}; its frames are {known}")
    poses = poses[~np.isnan(poses).any(axis=(1, 2))]
    if len(poses) < FEWEST:
        raise BadInput("recording", f"{len(poses)} poses of {marker}", f"at least {FEWEST}", "Record for longer")
    turn = _turned(poses)
    if turn < SMALLEST_TURN_DEG:
        advice = "Turn the pointer about its resting tip, forth and back and to both sides"
        raise BadInput(
            "recording", f"the pointer turned {turn:.1f}°", f"{SMALLEST_TURN_DEG:g}° in two directions", advice
        )
    place, away, spread = _solved(poses)
    good = away <= OUTLYING * np.median(away)
    if good.sum() >= FEWEST and not good.all():
        place, away, spread = _solved(poses[good])
    rms = float(np.sqrt((away**2).mean()))
    findings = []
    if rms > GOOD_RMS_MM:
        advice = "The tip moved, or the tracker is noisy: record again with the tip held fast"
        findings.append(Finding("pivot", Level.REFUSE, f"{rms:.2f} mm left over", f"{GOOD_RMS_MM:g} mm", advice))
    out = len(poses) - len(away)
    made = Transform.translation(marker, tip, place)
    return Pivot(made, rms, spread, len(away), out, turn, tuple(findings))


def _turned(poses: Array) -> float:
    """How far the pointer turned in the less of its two directions of most turning, degrees from end to end."""
    from scipy.spatial.transform import Rotation

    turns = Rotation.from_matrix(poses[:, :3, :3])
    small = (turns.mean().inv() * turns).as_rotvec(degrees=True)
    _, _, axes = np.linalg.svd(small - small.mean(axis=0), full_matrices=False)
    along = small @ axes.T
    return float(np.sort(np.ptp(along, axis=0))[1])


def _solved(poses: Array) -> tuple[Array, Array, float]:
    """(3,) the tip, (n,) by how much each pose misses the pivot, mm, and the tip's standard deviation, mm."""
    count = len(poses)
    rows = np.concatenate([poses[:, :3, :3], np.broadcast_to(-np.eye(3), (count, 3, 3))], axis=2).reshape(-1, 6)
    answer = np.linalg.lstsq(rows, -poses[:, :3, 3].ravel(), rcond=None)[0]
    left = (rows @ answer + poses[:, :3, 3].ravel()).reshape(-1, 3)
    variance = float((left**2).sum()) / (3 * count - 6)
    covariance = np.linalg.inv(rows.T @ rows)[:3, :3] * variance
    return answer[:3], np.linalg.norm(left, axis=1), float(np.sqrt(np.trace(covariance)))
