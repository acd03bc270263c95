"""A pointer that is pivoted on landmarks, made up: places, waits and turns are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.model.frames import Frame, Transform
from surgplan.model.tracking import Recording
from surgplan.navigation.collect import CollectParams, collect_landmarks

Array = NDArray[np.float64]
TRACKER, STYLUS, TIP = Frame("Tracker"), Frame("Stylus"), Frame("StylusTip")
CALIBRATION = Transform.translation(STYLUS, TIP, (110.0, 8.0, 3.0))
PLACES = np.array([[0, 0, 0], [40, 0, 0], [40, 60, 0], [0, 60, 25]], float)
HERTZ = 20


def recording(stays: list[tuple[Array, float, float]], noise_mm: float = 0.1, hidden: slice = slice(0)) -> Recording:
    """(place, seconds, degrees of turning) one after the other, half a second of travel between them."""
    rng = np.random.default_rng(0)
    tips, angles = [], []
    for n, (place, seconds, degrees) in enumerate(stays):
        count = int(seconds * HERTZ)
        tips += [place] * count
        angles += list(degrees * np.sin(np.linspace(0, 6, count)))
        if n + 1 < len(stays):
            share = np.linspace(0, 1, HERTZ // 2)[1:-1, None]
            tips += list(place + share * (stays[n + 1][0] - place) + np.sin(share * np.pi) * [0, 0, 60])
            angles += [0.0] * len(share)
    poses = np.tile(np.eye(4), (len(tips), 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("yz", np.array([[a, 0.7 * a] for a in angles]), degrees=True).as_matrix()
    centre = np.array(tips) + rng.normal(0, noise_mm, (len(tips), 3))
    poses[:, :3, 3] = centre - poses[:, :3, :3] @ CALIBRATION.offset
    poses[hidden] = np.nan
    return Recording(np.arange(len(tips)) / HERTZ, {(TRACKER, STYLUS): poses})


def test_every_landmark_is_found_once_and_in_order() -> None:
    taken = recording([(place, 2.0, 30.0) for place in PLACES])
    found, findings = collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams(), ["a", "b", "c", "d"])
    assert [point.name for point in found] == ["a", "b", "c", "d"]
    np.testing.assert_allclose(found.positions, PLACES, atol=0.15)
    assert found.frame == TRACKER
    assert findings == ()


def test_the_uncertainty_is_that_of_a_reading() -> None:
    taken = recording([(place, 5.0, 30.0) for place in PLACES], noise_mm=0.2)
    found, _ = collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams())
    for point in found:
        assert point.uncertainty_mm == pytest.approx(0.2, rel=0.25)


def test_a_pointer_at_rest_is_no_landmark() -> None:
    rest = (np.array([-80.0, 40, 90]), 3.0, 0.0)
    taken = recording([rest, *((place, 2.0, 30.0) for place in PLACES), rest])
    found, findings = collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams())
    assert len(found) == 4
    assert "rested 2 times" in findings[0].measured
    assert len(collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams(pivot_mm=0))[0]) == 6


def test_moments_without_a_view_are_left_out_and_told() -> None:
    taken = recording([(place, 3.0, 30.0) for place in PLACES], hidden=slice(20, 30))
    found, findings = collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams())
    np.testing.assert_allclose(found.positions, PLACES, atol=0.15)
    assert [(finding.check, finding.level) for finding in findings] == [("hidden", Level.NOTE)]


def test_another_number_than_there_are_names_is_refused() -> None:
    taken = recording([(place, 2.0, 30.0) for place in PLACES])
    with pytest.raises(BadInput, match="stayed at 4 places while the pointer turned, expected 3"):
        collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams(), ["a", "b", "c"])


def test_a_pointer_that_never_stays_is_told() -> None:
    taken = recording([(place, 0.3, 30.0) for place in PLACES])
    with pytest.raises(BadInput, match="stayed at 0 places"):
        collect_landmarks(taken, CALIBRATION, TRACKER, CollectParams())


def test_frames_that_were_not_recorded_are_told_with_those_that_were() -> None:
    taken = recording([(PLACES[0], 2.0, 30.0)])
    with pytest.raises(BadInput, match="its frames are Stylus, Tracker"):
        collect_landmarks(taken, CALIBRATION, Frame("Reference"), CollectParams())
