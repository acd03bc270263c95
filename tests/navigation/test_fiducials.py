"""Markers on a head whose places are known: found, measured, named, and told from all else that is bright."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from surgplan.findings import Finding, Level
from surgplan.model.points import PointSet
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.navigation.fiducials import MOST_SPOTS, find_fiducials
from surgplan.navigation.stage import NavigationParams
from tests.navigation.phantoms import BRAIN, HEAD, SKIN, SKULL, Ball, Rod, on_skin, scan

PARAMS = NavigationParams()
ANY = NavigationParams(min_markers=1)
SITES = [(0.1, -0.8, 0.9), (-0.8, -0.6, 0.3), (0.9, -0.5, 0.4), (0.9, 0.5, -0.2), (-0.6, 0.8, 0.4)]
TILTED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]) @ np.array(
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
)


def markers(radius: float = 2.5, gap_mm: float = 0.0, hu: float = 2000.0) -> list[Ball]:
    return [Ball(on_skin(site, radius, gap_mm), radius, hu) for site in SITES]


def head(*things: Ball | Rod) -> list[Ball | Rod]:
    return [HEAD, SKULL, BRAIN, *things]


def errors(found: PointSet, truth: Sequence[Ball]) -> np.ndarray:
    """(n,) distance of each point to the nearest true centre; as many points as markers."""
    assert len(found) == len(truth)
    places = np.array([each.centre for each in truth])
    away = np.linalg.norm(found.positions[:, None] - places, axis=2)
    assert sorted(away.argmin(axis=1)) == list(range(len(truth)))
    return np.asarray(away.min(axis=1))


def rejected(findings: Sequence[Finding]) -> str:
    return " ".join(each.measured for each in findings if each.check == "fiducials-rejected")


@pytest.mark.parametrize("gap_mm", [4.0, 1.0, 0.0, -1.0, -2.5, -4.0])
def test_markers_off_on_and_under_the_skin_are_found_without_bias(gap_mm: float) -> None:
    truth = markers(gap_mm=gap_mm)
    found, findings = find_fiducials(scan(head(*truth)), PARAMS)
    assert errors(found, truth).max() < 0.05
    assert [each.level for each in findings] == [Level.NOTE] * len(findings)
    assert findings[0].measured.startswith("found in the scan: 5, with diameters of ")


@pytest.mark.parametrize(
    ("spacing", "limit"),
    [((0.45, 0.45, 0.6), 0.02), ((0.5, 0.5, 2.0), 0.1), ((1.0, 1.0, 2.5), 0.15), ((1.8, 1.8, 2.0), 0.2)],
    ids=["fine", "slices of 2 mm", "thick slices", "coarse"],
)
def test_from_fine_to_coarse_voxels(spacing: tuple[float, float, float], limit: float) -> None:
    truth = markers()
    found, _ = find_fiducials(scan(head(*truth), spacing=spacing), PARAMS)
    assert errors(found, truth).max() < limit


@pytest.mark.parametrize("direction", [TILTED, -np.eye(3)[:, [1, 0, 2]] * [1, 1, -1]], ids=["oblique", "sagittal"])
def test_places_are_in_lps_whatever_the_scan_s_axes(direction: np.ndarray) -> None:
    truth = markers()
    axes = direction if np.linalg.det(direction) > 0 else direction @ np.diag([1.0, 1.0, -1.0])
    found, _ = find_fiducials(scan(head(*truth), direction=axes), PARAMS)
    assert errors(found, truth).max() < 0.05


@pytest.mark.parametrize(("radius", "hu"), [(1.6, 2500.0), (2.0, 1500.0), (4.0, 900.0), (3.0, 8000.0)])
def test_sizes_and_brightnesses(radius: float, hu: float) -> None:
    """The last one is metal: the scanner cuts its brightness off."""
    truth = markers(radius, 0.5, hu)
    found, _ = find_fiducials(scan(head(*truth)), PARAMS)
    assert errors(found, truth).max() < 0.1
    for point in found:
        diameter = float(point.description.split()[-2])
        assert diameter == pytest.approx(2 * radius, abs=0.15)


@pytest.mark.parametrize("noise_hu", [0.0, 10.0, 40.0])
def test_noise_changes_little(noise_hu: float) -> None:
    truth = markers()
    found, _ = find_fiducials(scan(head(*truth), noise_hu=noise_hu), PARAMS)
    assert errors(found, truth).max() < 0.08


def test_they_are_named_from_superior_to_inferior_then_left_to_right() -> None:
    truth = [Ball((x, y, 24.0), 2.5) for x, y in ((-8, 0), (8, 8), (8, -8))] + [Ball((0, -25, 0), 2.5)]
    found, _ = find_fiducials(scan([HEAD, *truth], spacing=(0.8, 0.8, 0.8)), ANY, taken={"F-2"})
    assert [point.name for point in found] == ["F-1", "F-3", "F-4", "F-5"]
    np.testing.assert_allclose(found.positions, [[8, -8, 24], [8, 8, 24], [-8, 0, 24], [0, -25, 0]], atol=0.1)


def test_bone_with_holes_and_spikes_is_no_marker() -> None:
    spikes = [Rod((0, 0, 0), tuple(np.array(site) / np.linalg.norm(site) * 21), 1.5, 1500.0) for site in SITES]
    found, _ = find_fiducials(scan(head(*spikes)), PARAMS)
    assert len(found) == 0


NOT_MARKERS = {
    "a filling or a stone deep in the body": (Ball((4, 0, 0), 2.0, 2500.0), "more than 5 mm below the skin"),
    "a wire on the skin": (Rod((23.5, -4, 0), (23.5, 4, 0), 1.2), "not shaped like a ball"),
    "a clamp's end off the body": (Ball((28, -28, 28), 2.5), "more than 12 mm off the body"),
    "a bead that is too small": (Ball(on_skin((1, 0, 0), 1.0), 1.0, 8000.0), "not 3 to 9 mm"),
    "a button that is too large": (Ball(on_skin((1, 0, 0), 5.2, -3.0), 5.2), "not 3 to 9 mm"),
    "a ball that the scan's end cuts": (Ball(on_skin((1, 0, 0), 2.5, 4.5), 2.5), "cut by the scan's end"),
    "a ball beside bone": (Rod((24, 0, -8), (24, 0, 8), 5.0, 500.0), "beside bone"),
}


@pytest.mark.parametrize(("thing", "told"), NOT_MARKERS.values(), ids=NOT_MARKERS)
def test_what_is_no_marker_is_told_with_the_reason(thing: Ball | Rod, told: str) -> None:
    real = markers()[1:2] if told != "beside bone" else [Ball((28, 0, 0), 2.0)]
    found, findings = find_fiducials(scan([HEAD, thing, *real], size_mm=62.0), ANY)
    assert told in rejected(findings)
    assert len(found) == (told != "beside bone")


def test_two_balls_that_touch_are_no_marker() -> None:
    one = on_skin((1, 0, 0), 2.0)
    pair = [Ball(one, 2.0), Ball((one[0], one[1] + 4.0, one[2]), 2.0)]
    found, _ = find_fiducials(scan([HEAD, *pair]), ANY)
    assert len(found) == 0


def test_two_markers_side_by_side_are_two() -> None:
    one = on_skin((1, 0, 0), 2.5)
    pair = [Ball(one, 2.5), Ball((one[0], one[1], one[2] + 10.0), 2.5)]
    found, _ = find_fiducials(scan([HEAD, *pair]), ANY)
    assert errors(found, pair).max() < 0.1


def test_too_few_are_left_out_and_told_with_their_places() -> None:
    truth = markers()[:2]
    found, findings = find_fiducials(scan(head(*truth)), PARAMS)
    assert len(found) == 0
    assert findings[0].measured.startswith("2 found and left out, at [")
    assert findings[0].limit == "at least 3"
    assert len(find_fiducials(scan(head(*truth)), ANY)[0]) == 2


def test_deeper_markers_are_found_when_the_recipe_says_so() -> None:
    screws = markers(gap_mm=-13.0)
    volume = scan([HEAD, *screws])
    assert len(find_fiducials(volume, PARAMS)[0]) == 0
    found, _ = find_fiducials(volume, NavigationParams(skin_mm=20.0))
    assert errors(found, screws).max() < 0.05


def test_a_scan_that_shows_no_air_says_so() -> None:
    stones = [Ball((x, 0, z), 2.5) for x, z in ((-10, 0), (10, 5), (0, -12))]
    found, findings = find_fiducials(scan([Ball((0, 0, 0), 200.0, SKIN), *stones]), PARAMS)
    assert len(found) == 3
    assert [each.check for each in findings if each.level == Level.WARN] == ["fiducials-skin"]


def test_lungs_and_airways_are_not_outside() -> None:
    """A calcified spot in a lung that a windpipe of 10 mm joins to the air outside."""
    lung = [Ball((0, 0, 0), 28.0, SKIN), Ball((0, 0, 0), 17.0, -900.0), Rod((0, 0, 0), (0, -40, 0), 5.0, -1000.0)]
    stone = Ball((0, 3, 0), 2.5)
    found, findings = find_fiducials(scan([*lung, stone], spacing=(0.8, 0.8, 0.8)), ANY)
    assert len(found) == 0
    assert "below the skin" in rejected(findings)


def volume_of(array: np.ndarray, modality: Modality = Modality.CT) -> Volume:
    return Volume(Grid(array.shape[::-1], (1, 1, 1), (0, 0, 0)), array, modality)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.float32, np.int32, np.uint8])
def test_scans_of_any_type_and_of_nothing(kind: type) -> None:
    for shape in ((1, 1, 1), (1, 40, 40), (20, 20, 20)):
        for value in (0, 200):
            found, _ = find_fiducials(volume_of(np.full(shape, value, kind)), PARAMS)
            assert len(found) == 0


def test_one_bright_voxel_in_a_corner_does_no_harm() -> None:
    for corner in itertools.product((0, -1), repeat=3):
        array = np.full((12, 12, 12), -1000, np.int16)
        array[corner] = 3000
        assert len(find_fiducials(volume_of(array), ANY)[0]) == 0


def test_noise_without_end_is_refused_by_number() -> None:
    array = np.full((96, 96, 96), -1000, np.int16)
    array[::3, ::3, ::3] = 3000
    found, findings = find_fiducials(volume_of(array), NavigationParams(marker_diameter_mm=(1.0, 9.0)))
    assert len(found) == 0
    assert findings[0].level == Level.WARN
    assert f"at most {MOST_SPOTS}" == findings[0].limit


def test_an_mr_is_not_searched() -> None:
    found, findings = find_fiducials(volume_of(np.zeros((9, 9, 9), np.int16), Modality.MR), PARAMS)
    assert len(found) == 0
    assert findings[0].measured.startswith("not looked for: only a CT")


def test_the_same_scan_gives_the_same_bits() -> None:
    volume = scan(head(*markers()))
    one, other = (find_fiducials(volume, PARAMS)[0].positions for _ in range(2))
    np.testing.assert_array_equal(one, other)
