"""A surface registration confirmed by a second implementation: open3d's, from a start that is off.

Chen and Medioni's distance to the tangent plane again, but with open3d's samples, normals, search and steps. It starts
near the result: it tells whether that is where the points come to rest, not whether a better place lies far away.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np

from surgplan.errors import Missing
from surgplan.findings import Finding, Level
from surgplan.model.frames import Array, Transform
from surgplan.model.points import PointSet
from surgplan.model.surface import Surface
from surgplan.navigation.accuracy import TargetError, target_errors
from surgplan.navigation.register import Confirmation, Registration, gravest_first
from surgplan.navigation.register_surface import sampled

TURN_DEG, SHIFT_MM = 2.0, 2.0
AXIS = np.array([2.0, 3.0, 6.0]) / 7
"""The start is turned about this axis and shifted along it: no place moves by less than the shift."""

AGREES_MM, AT_MOST_MM = 0.5, 1.0
"""The limit is the error to expect, but within these: samples differ; and what stayed at its start must not agree."""

FEWEST = 0.5
"""Share of the points that must find a partner, or open3d's end says nothing."""

TIME_LIMIT_S = 300.0
CURE = "pip install 'surgplan[registration]'"


def refuse_without_open3d() -> None:
    """`Missing` (exit 5) when open3d is not installed."""
    if not installed():
        raise Missing("open3d", "is not installed; --confirm needs it", advice=f"Install it: {CURE}")


def installed() -> bool:
    """Whether open3d is there; it is not imported."""
    return importlib.util.find_spec("open3d") is not None


def confirmed(
    made: Registration, fixed: Surface, moving: PointSet | Surface, named: bool, wanted: bool | None
) -> Registration:
    """The same registration, and how far from it open3d ends.

    Parameters
    ----------
    made, fixed, moving:
        The registration, and what it laid on what.
    named:
        Whether targets were named; otherwise the two are compared at the corners of the surface's bounding box.
    wanted:
        True demands a confirmation, False wants none, None one where open3d is installed.

    Raises
    ------
    Missing
        A confirmation is demanded, and open3d does not work; `refuse_without_open3d` looks before the work begins.
    """
    if wanted is False:
        return made
    if not installed():
        return _with(made, None, _unconfirmed("open3d is not installed", Level.NOTE, f"To have it confirmed: {CURE}"))
    points = sampled(moving) if isinstance(moving, Surface) else moving.positions
    try:
        end, share, version = _by_child(fixed, points, off(made.transform.matrix, points))
    except CannotConfirm as error:
        if wanted:
            raise Missing("open3d", f"does not work: {error}", advice=f"Install it anew: {CURE}") from None
        return _with(made, None, _unconfirmed(str(error), Level.WARN, f"Install open3d anew: {CURE}"))
    if not share >= FEWEST:
        told = f"open3d finds {share:.0%} of the points near the surface"
        return _with(made, None, _unconfirmed(told, Level.WARN, "Check that both are of one patient, and the start"))
    places = made.accuracy.targets if named else target_errors(_corners(fixed), made.accuracy.model)
    found = compared(made.transform, Transform(made.transform.fixed, made.transform.moving, end), places, version)
    return _with(made, found, _told(found))


def off(matrix: Array, points: Array) -> Array:
    """(4, 4) the start: the result turned about the points' middle and shifted along the axis of the turn."""
    from scipy.spatial.transform import Rotation

    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_rotvec(AXIS * np.radians(TURN_DEG)).as_matrix()
    middle = (points @ matrix[:3, :3].T + matrix[:3, 3]).mean(axis=0)
    moved[:3, 3] = middle - moved[:3, :3] @ middle + SHIFT_MM * AXIS
    return np.asarray(moved @ matrix)


def compared(one: Transform, other: Transform, places: tuple[TargetError, ...], version: str) -> Confirmation:
    """How far apart two transforms put the places (fixed frame), and the place that passes its limit most."""
    here = np.array([place.position_mm for place in places])
    apart = np.linalg.norm(other.apply(one.inverse().apply(here)) - here, axis=1)
    limits = np.clip([place.tre_95_mm for place in places], AGREES_MM, AT_MOST_MM)
    worst = int((apart / limits).argmax())
    # rounded: where a process cannot be kept to one thread, the last digits vary
    rows = tuple((place.name, round(float(apart[n]), 3)) for n, place in enumerate(places))
    return Confirmation(f"open3d {version}", rows, *rows[worst], round(float(limits[worst]), 3))


def _told(found: Confirmation) -> Finding:
    measured = f"{found.by}, from a start {SHIFT_MM:g} mm and {TURN_DEG:g}° off, ends {found.worst_mm:.2f} mm away"
    measured += f" at {found.worst}"
    limit = f"{found.limit_mm:.2f} mm"
    if found.worst_mm <= found.limit_mm:
        return Finding("confirmed", Level.NOTE, measured, limit)
    advice = "Do not rely on it before landmarks confirm it; add points where the surface is curved"
    return Finding("not-confirmed", Level.WARN, measured, limit, advice)


def _unconfirmed(why: str, level: Level, advice: str) -> Finding:
    return Finding("not-confirmed", level, f"no second implementation confirmed the result: {why}", "", advice)


def _with(made: Registration, found: Confirmation | None, told: Finding) -> Registration:
    return replace(made, confirmation=found, findings=gravest_first((*made.findings, told)))


def _corners(surface: Surface) -> PointSet:
    ends = np.stack([surface.vertices.min(axis=0), surface.vertices.max(axis=0)])
    corners = [[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    return PointSet.from_array(np.array(corners), surface.frame, prefix="corner")


class CannotConfirm(Exception):
    """open3d gave no answer; the message says why."""


def _by_child(fixed: Surface, points: Array, start: Array) -> tuple[Array, float, str]:
    """What `confirm_child` answers: matrix, share of the points with a partner, open3d's version."""
    order = io.BytesIO()
    np.savez(order, vertices=fixed.vertices, triangles=fixed.triangles, points=points, start=start)
    command = [sys.executable, "-P", "-m", "surgplan.navigation.confirm_child"]  # -P: nothing from the current folder
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=order.getvalue(), capture_output=True, timeout=TIME_LIMIT_S, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        raise CannotConfirm(f"open3d did not end within {TIME_LIMIT_S:.0f} s") from None
    except OSError as error:
        raise CannotConfirm(f"no process could be started: {error.strerror}") from None
    try:
        told = json.loads(done.stdout)
        return np.array(told["matrix"], np.float64), float(told["share"]), str(told["version"])
    except (ValueError, KeyError):
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise CannotConfirm(f"open3d ended with code {done.returncode}{f' ({last[0]})' if last else ''}") from None
