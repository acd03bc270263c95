"""Points touched with a tracked pointer: the places where its tip stayed while the pointer was turned about it.

A pointer that simply lies still is at rest, not on a landmark; it is told apart because its body does not move. Source
of the idea: PLUS, landmark detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from surgplan.errors import BadInput
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.model.tracking import Recording
from surgplan.params import Params

FEWEST_POSES = 5


class CollectParams(Params):
    """When a pointer's tip is on a landmark."""

    dwell_s: float = Field(1.0, gt=0, le=60, description="how long the tip stays on a landmark at least, in s")
    still_mm: float = Field(1.5, gt=0, le=20, description="how far the tip strays from its mean in that time, in mm")
    pivot_mm: float = Field(
        5.0, ge=0, le=500, description="how far the pointer's body moves meanwhile at least, in mm; 0 takes rests too"
    )
    merge_mm: float = Field(3.0, gt=0, le=50, description="stays closer than this, one after the other, are one, in mm")


@dataclass(frozen=True, eq=False)
class Stay:
    """A time in which the tip stayed.

    `centre` (3,) mm; `sd_mm` the standard deviation of one reading along each axis, root mean square; `count` readings;
    `body_mm` how far the pointer's body moved; `start_s`, `end_s` on the recording's clock.
    """

    centre: Array
    sd_mm: float
    count: int
    body_mm: float
    start_s: float
    end_s: float


def collect_landmarks(
    recording: Recording, stylus_from_tip: Transform, reference: Frame, params: CollectParams, names: Sequence[str] = ()
) -> tuple[PointSet, tuple[Finding, ...]]:
    """The landmarks that a pointer touched, in the frame `reference`, in the order of touching.

    Parameters
    ----------
    recording:
        Poses of the pointer's marker, and of the reference where there is one.
    stylus_from_tip:
        The pointer's calibration.
    reference:
        Frame of the result.
    params:
        When the tip is on a landmark.
    names:
        What they are called, in the order of touching; P-1, P-2, … without any.

    Raises
    ------
    BadInput
        The recording has no such poses, no landmark was touched, or not as many as there are names.
    """
    poses = recording.pose(reference, stylus_from_tip.moving)
    if poses is None:
        marker = recording.pose(reference, stylus_from_tip.fixed)
        poses = None if marker is None else marker @ stylus_from_tip.matrix
    if poses is None:
        known = ", ".join(sorted({str(frame) for pair in recording.poses for frame in pair}))
        found = f"has no poses of {stylus_from_tip.fixed} in {reference}; its frames are {known}"
        raise BadInput("recording", found, advice="Name the frames: --reference, --tip")
    seen = ~np.isnan(poses).any(axis=(1, 2))
    body = poses @ np.linalg.inv(stylus_from_tip.matrix)
    stays = find_stays(recording.times[seen], poses[seen, :3, 3], body[seen, :3, 3], params)
    touched = [stay for stay in stays if stay.body_mm >= params.pivot_mm]
    findings = [*_told_hidden(seen), *_told_rests([stay for stay in stays if stay.body_mm < params.pivot_mm], params)]
    if not touched or (names and len(names) != len(touched)):
        found = f"the tip stayed at {len(touched)} places while the pointer turned"
        advice = (
            "Record again, pivoting the pointer on each landmark in turn, or change --dwell-s, --still-mm, --pivot-mm"
        )
        raise BadInput("recording", found, f"{len(names) or 'one or more'}", advice)
    points = [
        Landmark(names[n] if names else f"P-{n + 1}", stay.centre, reference, _described(stay), max(stay.sd_mm, 1e-6))
        for n, stay in enumerate(touched)
    ]
    return PointSet(points, reference), tuple(findings)


def _described(stay: Stay) -> str:
    return f"touched with the pointer, {stay.count} readings in {stay.end_s - stay.start_s:.1f} s"


def find_stays(times: Array, tips: Array, bodies: Array, params: CollectParams) -> list[Stay]:
    """All times in which the tip stayed, in order; `times` (n,) s, `tips` and `bodies` (n, 3) mm."""
    ends = np.searchsorted(times, times + params.dwell_s, side="right")
    still = np.zeros(len(times), dtype=bool)
    for at, end in enumerate(ends):
        if end - at >= FEWEST_POSES and times[end - 1] - times[at] >= 0.8 * params.dwell_s:
            window = tips[at:end]
            if np.linalg.norm(window - window.mean(axis=0), axis=1).max() <= params.still_mm:
                still[at:end] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    runs = [slice(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    stays = [part for run in runs for part in _parted(tips, run, params.merge_mm)]
    return [_stay(times, tips, bodies, part) for part in _merged(tips, stays, params.merge_mm)]


def _parted(tips: Array, run: slice, apart_mm: float) -> list[slice]:
    """A run in which the tip crept from one place to another, cut where it left the first."""
    start, parts = run.start, []
    for at in range(run.start, run.stop):
        if np.linalg.norm(tips[at] - np.median(tips[start : at + 1], axis=0)) > apart_mm:
            parts.append(slice(start, at))
            start = at
    parts.append(slice(start, run.stop))
    return [part for part in parts if part.stop - part.start >= FEWEST_POSES]


def _merged(tips: Array, runs: Sequence[slice], apart_mm: float) -> list[slice]:
    """Runs that follow one another at one place are one stay: the tip had slipped, or was hidden."""
    merged: list[slice] = []
    for run in runs:
        if merged:
            before, now = (np.median(tips[part], axis=0) for part in (merged[-1], run))
            if np.linalg.norm(before - now) < apart_mm:
                merged[-1] = slice(merged[-1].start, run.stop)
                continue
        merged.append(run)
    return merged


def _stay(times: Array, tips: Array, bodies: Array, part: slice) -> Stay:
    """The mean of a stay without the readings on the way there and away."""
    places = tips[part]
    away = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    good = away <= max(3 * float(np.median(away)), 1e-9)
    kept = places[good]
    spread = bodies[part][good]
    reach = float(np.linalg.norm(spread.max(axis=0) - spread.min(axis=0)))
    sd = float(np.sqrt(kept.var(axis=0).mean()))
    return Stay(kept.mean(axis=0), sd, len(kept), reach, float(times[part.start]), float(times[part.stop - 1]))


def _told_hidden(seen: Any) -> list[Finding]:
    hidden = int((~seen).sum())
    if not hidden:
        return []
    level = Level.WARN if 2 * hidden > len(seen) else Level.NOTE
    return [Finding("hidden", level, f"{hidden} of {len(seen)} readings without a view of the tool were left out")]


def _told_rests(rests: Sequence[Stay], params: CollectParams) -> list[Finding]:
    if not rests:
        return []
    told = "; ".join(f"{stay.start_s:.1f} to {stay.end_s:.1f} s, body moved {stay.body_mm:.1f} mm" for stay in rests)
    measured = f"the pointer rested {len(rests)} times without being turned, not taken for landmarks: {told}"
    return [Finding("rests", Level.NOTE, measured, f"{params.pivot_mm:g} mm")]
