"""Slices that lie evenly, unevenly, tilted or twice. Truth: an analytic object sampled where the slices lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from surgplan.case.sources import Ingested, load_source
from surgplan.errors import BadInput
from surgplan.ingest.correct import shifted
from surgplan.ingest.stage import IngestParams
from surgplan.model.volume import Grid
from tests.formats.slices import slice_of, write, write_series

PIXEL_MM = (0.7, 0.8)  # along i and j, as slice_of writes them
START = np.array([-20.0, -30.0, 0.0])


def smooth(points: np.ndarray) -> np.ndarray:
    """An intensity that varies slowly in space, HU."""
    x, y, z = np.moveaxis(points, -1, 0)
    return 400 * np.sin(x / 9) * np.cos(y / 8) + 30 * z


def scan(folder: Path, along: np.ndarray, turn: np.ndarray | None = None, travel: np.ndarray | None = None) -> Path:
    """Slices of `smooth`; `turn` holds the row and column directions, `travel` the direction in which slices follow."""
    turn = np.eye(3)[:, :2] if turn is None else turn
    travel = np.array([0.0, 0.0, 1.0]) if travel is None else travel
    j, i = np.mgrid[:60, :50]
    for number, place in enumerate(along):
        position = START + place * travel
        points = position + i[..., None] * PIXEL_MM[0] * turn[:, 0] + j[..., None] * PIXEL_MM[1] * turn[:, 1]
        pixels = np.rint(smooth(points)).astype(np.int16)
        pixels[0, 0] = number  # so that none is a copy of another
        data = slice_of(pixels, position, SOPInstanceUID=f"1.2.{number + 1}")
        data.ImageOrientationPatient = [round(float(value), 10) for value in turn.T.ravel()]
        write(folder / f"{(number * 7) % 97:03d}.dcm", data)
    return folder


def load(folder: Path, **params: object) -> Ingested:
    return load_source(folder, IngestParams(**params))


def error_of(found: Ingested, margin: int = 3) -> float:
    """How far voxels are from the intensity at the place where the grid says they lie, at most, HU."""
    grid: Grid = found.volume.grid
    ijk = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    expected = smooth(grid.lps_from_ijk.apply(ijk.reshape(-1, 3)).reshape(ijk.shape))
    # away from the borders of each slice, where nothing is known beside it
    inside = ndimage.binary_erosion(found.volume.array > -1024, np.ones((1, 2 * margin + 1, 2 * margin + 1)))
    assert inside.mean() > 0.4
    return float(np.abs(found.volume.array - expected)[inside].max())


def test_an_even_stack_lies_where_its_headers_say(tmp_path: Path) -> None:
    found = load(scan(tmp_path, np.arange(12) * 2.5))
    np.testing.assert_allclose(found.volume.grid.spacing, [0.7, 0.8, 2.5])
    np.testing.assert_array_equal(found.volume.grid.origin, START)
    assert error_of(found, margin=1) <= 0.5
    assert not found.corrections


def test_slices_that_go_downwards_are_turned_with_their_places(tmp_path: Path) -> None:
    found = load(scan(tmp_path, -np.arange(12) * 2.5))
    np.testing.assert_allclose(found.volume.grid.origin, START - [0, 0, 27.5])
    assert error_of(found, margin=1) <= 0.5


def test_a_missing_slice_is_refused_with_its_place_and_width(tmp_path: Path) -> None:
    along = np.delete(np.arange(50) * 2.5, 41)
    scan(tmp_path, along)
    with pytest.raises(BadInput) as caught:
        load(tmp_path)
    assert caught.value.found == "gap of 5.00 mm after slice 41"
    assert caught.value.expected == "2.50 mm"
    assert "--fill-gaps" in caught.value.advice
    assert caught.value.subject.endswith(f"{(40 * 7) % 97:03d}.dcm")


@pytest.mark.parametrize("missing", [[1], [10], [3, 7], [9, 10]])
def test_gaps_are_found_anywhere(tmp_path: Path, missing: list[int]) -> None:
    scan(tmp_path, np.delete(np.arange(12) * 2.5, missing))
    with pytest.raises(BadInput, match="gap of"):
        load(tmp_path)


def test_a_gap_is_filled_when_that_is_asked_for_and_told(tmp_path: Path) -> None:
    found = load(scan(tmp_path, np.delete(np.arange(20) * 2.5, 8)), fill_gaps=True)
    assert found.volume.grid.size[2] == 20
    assert error_of(found) <= 2
    (told,) = [finding for finding in found.findings if finding.check == "uneven-steps"]
    assert "1 of them gaps that were filled" in told.measured
    assert found.corrections[0]["corrected"] == "uneven steps"


def test_a_wide_gap_is_never_filled(tmp_path: Path) -> None:
    scan(tmp_path, np.r_[np.arange(10), np.arange(20, 30)] * 2.5)
    with pytest.raises(BadInput, match=r"gap of 27\.50 mm") as caught:
        load(tmp_path, fill_gaps=True)
    assert "--fill-gaps" not in caught.value.advice


def test_a_slice_at_the_place_of_another_is_refused(tmp_path: Path) -> None:
    scan(tmp_path, np.insert(np.arange(12) * 2.5, 5, 10.0))
    with pytest.raises(BadInput, match=r"lies 0\.00 mm from slice 5 \(.*\), expected a step of 2\.50 mm"):
        load(tmp_path)


def test_slices_all_at_one_place_are_no_volume(tmp_path: Path) -> None:
    scan(tmp_path, np.zeros(6))
    with pytest.raises(BadInput, match="all 6 slices of its series lie at the same place"):
        load(tmp_path)


def test_a_slice_much_nearer_than_the_others_comes_from_another_acquisition(tmp_path: Path) -> None:
    scan(tmp_path, np.r_[np.arange(10) * 2.5, 23.0 + np.arange(10) * 2.5])
    with pytest.raises(BadInput, match=r"lies 0\.50 mm from slice 10 \(.*\), expected a step of 2\.50 mm"):
        load(tmp_path)


@pytest.mark.parametrize(("digits", "refused"), [(6, False), (4, False), (2, True)])
def test_directions_with_few_digits_are_told_or_refused(tmp_path: Path, digits: int, refused: bool) -> None:
    """Truth: how far the corner of a slice lies from where its exact directions place it."""
    axes, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    array = np.zeros((4, 512, 512), np.int16) + np.arange(4, dtype=np.int16)[:, None, None]
    array[:, 0] = 9
    turn = [round(float(value), digits) for value in axes[:, :2].T.ravel()]
    for number, plane in enumerate(array):
        position = number * 2.0 * np.cross(axes[:, 0], axes[:, 1])
        write(tmp_path / f"{number}", slice_of(plane, position, ImageOrientationPatient=turn))
    if refused:
        with pytest.raises(BadInput, match="directions"):
            load(tmp_path)
        return
    found = load(tmp_path)
    told = [finding for finding in found.findings if finding.check == "slice-directions"]
    corner = found.volume.grid.lps_from_ijk.apply([511, 511, 0])
    meant = 511 * (np.array(turn[:3]) * 0.7 + np.array(turn[3:]) * 0.8)
    off = float(np.linalg.norm(corner - meant))
    assert bool(told) == (off > 0.01)
    assert not told or off <= float(told[0].measured.split("up to ")[1].split(" mm")[0]) + 0.001


def test_positions_rounded_to_a_tenth_are_taken_for_even(tmp_path: Path) -> None:
    found = load(scan(tmp_path, np.round(np.arange(40) * 1.25 + 1e-9, 1)))
    assert found.volume.grid.spacing[2] == pytest.approx(1.25, abs=0.002)
    assert not found.corrections
    assert [finding.check for finding in found.findings if "rounding" in finding.measured] == ["slice-positions"]


@pytest.mark.parametrize("tilt_deg", [-18.5, 5.0, 30.0, 0.2])
def test_a_tilted_gantry_is_sheared_back(tmp_path: Path, tilt_deg: float) -> None:
    angle = np.radians(tilt_deg)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)]]).T
    found = load(scan(tmp_path, np.arange(30) * 2.5, turn))
    assert error_of(found) <= 2.5  # cubic interpolation of rounded values
    np.testing.assert_allclose(found.volume.grid.spacing, [0.7, 0.8, 2.5 * np.cos(angle)], atol=1e-6)
    (told,) = [finding for finding in found.findings if finding.check == "gantry-tilt"]
    assert f"{abs(tilt_deg):.1f}°" in told.measured
    assert found.corrections[0]["tilt_deg"] == pytest.approx(abs(tilt_deg), abs=0.01)
    with pytest.raises(BadInput, match=rf"gantry tilt of {abs(tilt_deg):.1f}°"):
        load(tmp_path, orthogonal=False)


def test_the_source_affine_of_a_correction_tells_where_the_slices_lay(tmp_path: Path) -> None:
    angle = np.radians(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)]]).T
    found = load(scan(tmp_path, np.arange(10) * 2.5, turn))
    affine = np.array(found.corrections[0]["lps_from_source_ijk"])
    np.testing.assert_allclose((affine @ [0, 0, 9, 1])[:3], START + np.array([0, 0, 22.5]), atol=1e-6)


def test_what_leans_more_than_any_gantry_is_refused(tmp_path: Path) -> None:
    angle = np.radians(50)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), np.sin(angle)]]).T
    scan(tmp_path, np.arange(10) * 2.5, turn)
    with pytest.raises(BadInput, match=r"gantry tilt of 50\.0°.*expected at most 35°"):
        load(tmp_path)


@pytest.mark.parametrize(("told", "warned"), [(12.0, True), (-12.0, True), (0.5, False), (None, False)])
def test_a_tilt_that_only_the_header_tells_of_is_worth_a_warning(
    tmp_path: Path, told: float | None, warned: bool
) -> None:
    tags = {} if told is None else {"GantryDetectorTilt": told}
    write_series(tmp_path, np.arange(5 * 64, dtype=np.int16).reshape(5, 8, 8), np.arange(5) * 2.0, **tags)
    findings = [finding.measured for finding in load(tmp_path).findings if finding.check == "gantry-tilt"]
    assert findings == (["the header tells of a gantry tilt of 12.0°, but directions and positions show none"] * warned)


def test_an_oblique_stack_is_not_tilted(tmp_path: Path) -> None:
    axes, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    found = load(scan(tmp_path, np.arange(12) * 2.5, axes[:, :2], axes[:, 2]))
    np.testing.assert_allclose(found.volume.grid.direction, axes, atol=1e-8)
    assert not found.corrections


def test_steps_that_change_for_good_are_resampled_to_the_finest(tmp_path: Path) -> None:
    along = np.r_[np.arange(20) * 2.5, 47.5 + np.arange(1, 11) * 5.0]
    found = load(scan(tmp_path, along))
    assert found.volume.grid.spacing[2] == pytest.approx(2.5)
    assert error_of(found) <= 2
    assert "steps from 2.50 to 5.00 mm" in next(f.measured for f in found.findings if f.check == "uneven-steps")
    with pytest.raises(BadInput, match=r"steps from 2\.50 to 5\.00 mm"):
        load(tmp_path, orthogonal=False)


def test_a_slice_beside_the_line_is_refused(tmp_path: Path) -> None:
    folder = scan(tmp_path, np.arange(12) * 2.5)
    data = slice_of(np.zeros((60, 50), np.int16), START + np.array([3.0, 0, 12.5]))
    write(folder / f"{(5 * 7) % 97:03d}.dcm", data)
    with pytest.raises(BadInput, match=r"lies 3\.00 mm beside the line"):
        load(folder)


@pytest.mark.parametrize("turn", [[1, 0, 0, 0.3, 1, 0], [1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 1, 0]])
def test_directions_that_are_none_are_refused(tmp_path: Path, turn: list[float]) -> None:
    array = np.zeros((4, 3, 3), np.int16)
    write_series(tmp_path, array, np.arange(4.0), ImageOrientationPatient=turn)
    with pytest.raises(BadInput, match="row and column directions"):
        load(tmp_path)


def test_shifting_by_whole_rows_changes_nothing_else() -> None:
    plane = np.arange(12, dtype=np.float32).reshape(4, 3)
    moved = shifted(plane, 2.0, 3, -1)
    np.testing.assert_array_equal(moved[2:6], plane)
    assert (moved[[0, 1, 6]] == -1).all()


@pytest.mark.parametrize("offset", [0.25, 0.5, 2.75])
def test_shifting_is_exact_for_parabolas(offset: float) -> None:
    """Keys' kernel with a = -1/2 reproduces polynomials of the second degree."""
    rows = np.arange(20.0)
    plane = (0.3 * rows**2 - 2 * rows + 5)[:, None].astype(np.float32)
    moved = shifted(plane, offset, 3, 0)[:, 0]
    inner = np.arange(23)[5:17]
    old = inner - offset
    np.testing.assert_allclose(moved[inner], 0.3 * old**2 - 2 * old + 5, atol=1e-3)
