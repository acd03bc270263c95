"""Grids and volumes: where voxels lie, told by SimpleITK as well, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from surgplan.model.volume import VOXEL_TYPES, Grid, Modality, Volume, right_handed

STRAIGHT = [
    np.array(signs)[:, None] * np.eye(3)[list(order)]
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]
SIZE, SPACING, ORIGIN = (4, 3, 2), (0.5, 0.75, 2.5), (-10.0, 20.0, 300.0)


def test_a_worked_grid() -> None:
    """An axial scan, head first, supine: i to the left, j to posterior, k to superior."""
    grid = Grid((512, 512, 300), (0.5, 0.5, 1.0), (-127.75, -130.0, 40.0))
    np.testing.assert_array_equal(grid.lps_from_ijk.apply((100, 0, 10)), [-77.75, -130.0, 50.0])
    np.testing.assert_array_equal(grid.centre, [0.0, -2.25, 189.5])
    assert grid.shape == (300, 512, 512)
    assert grid.voxel_volume_mm3 == 0.25
    assert grid.orientation_code() == "LPS"
    np.testing.assert_array_equal(grid.corners.min(axis=0), [-128.0, -130.25, 39.5])


@pytest.mark.parametrize(
    "direction", STRAIGHT, ids=lambda axes: "".join("LPS"["012".find(str(np.abs(c).argmax()))] for c in axes.T)
)
def test_all_48_orders_and_flips_keep_every_voxel_in_place(direction: np.ndarray) -> None:
    """SimpleITK, which takes left-handed images as they are, tells where each voxel was."""
    import SimpleITK as sitk

    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction.ravel().tolist())
    grid, values = right_handed(SIZE, SPACING, ORIGIN, direction, array)
    assert np.linalg.det(grid.direction) > 0
    assert (values is array) == (np.linalg.det(direction) > 0)
    for i, j, k in itertools.product(range(4), range(3), range(2)):
        there = image.TransformIndexToPhysicalPoint((i, j, k))
        at = np.rint(grid.ijk_from_lps.apply(there)).astype(int)
        assert values[at[2], at[1], at[0]] == array[k, j, i]
        np.testing.assert_allclose(grid.lps_from_ijk.apply(at), there, atol=1e-9)


def test_there_are_48_and_half_of_them_mirror() -> None:
    assert len({axes.tobytes() for axes in STRAIGHT}) == 48
    assert sum(np.linalg.det(axes) < 0 for axes in STRAIGHT) == 24
    for axes in STRAIGHT:
        if np.linalg.det(axes) < 0:
            with pytest.raises(ValueError, match="left-handed"):
                Grid(SIZE, SPACING, ORIGIN, axes)
        else:
            assert sorted(
                Grid(SIZE, SPACING, ORIGIN, axes).orientation_code().translate(str.maketrans("RAI", "LPS"))
            ) == sorted("LPS")


@pytest.mark.parametrize(
    ("axes", "code"),
    [
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "LPS"),
        ([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], "RAS"),
        ([[0, 0, -1], [1, 0, 0], [0, -1, 0]], "PIR"),
        ([[1, 0, 0], [0, 0, 1], [0, -1, 0]], "LIP"),
    ],
)
def test_orientation_is_told_in_letters(axes: list[list[int]], code: str) -> None:
    assert Grid(SIZE, SPACING, ORIGIN, axes).orientation_code() == code


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"size": (0, 3, 2)}, "at least 1"),
        ({"size": (4, 3)}, "three sizes"),
        ({"spacing": (0.5, 0.0, 1.0)}, "not positive"),
        ({"spacing": (0.5, -1.0, 1.0)}, "not positive"),
        ({"spacing": (0.5, np.nan, 1.0)}, "finite"),
        ({"origin": (0, 0, np.inf)}, "finite"),
        ({"direction": np.diag([1.0, 1.0, 1.1])}, "right angles"),
        ({"direction": [[1, 0, 0], [0, 1, 0.3], [0, 0, 1]]}, "right angles"),
    ],
)
def test_what_is_no_grid(changed: dict[str, object], told: str) -> None:
    given = {"size": SIZE, "spacing": SPACING, "origin": ORIGIN, **changed}
    with pytest.raises(ValueError, match=told):
        Grid(**given)  # type: ignore[arg-type]


def test_direction_cosines_of_six_digits_are_right_angles() -> None:
    turn = np.array([[0.994522, -0.104528, 0], [0.104528, 0.994522, 0], [0, 0, 1]])
    assert Grid(SIZE, SPACING, ORIGIN, turn).lps_from_ijk.is_rigid is False  # it scales by the spacing
    assert Grid(SIZE, (1, 1, 1), ORIGIN, turn).lps_from_ijk.is_rigid


def test_grids_match_within_a_hundredth_of_a_millimetre() -> None:
    grid = Grid(SIZE, SPACING, ORIGIN)
    assert grid.matches(Grid(SIZE, SPACING, np.add(ORIGIN, 0.005)))
    assert not grid.matches(Grid(SIZE, SPACING, np.add(ORIGIN, 0.02)))
    assert not grid.matches(Grid((4, 3, 3), SPACING, ORIGIN))
    assert not Grid((500, 3, 2), SPACING, ORIGIN).matches(Grid((500, 3, 2), np.add(SPACING, 1e-4), ORIGIN))


@pytest.mark.parametrize("kind", VOXEL_TYPES)
def test_volumes_are_read_only_and_not_copied(kind: str) -> None:
    array = np.zeros((2, 3, 4), dtype=kind)
    volume = Volume(Grid(SIZE, SPACING, ORIGIN), array, Modality.CT, "1.2.3")
    assert np.shares_memory(volume.array, array)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    array[0, 0, 0] = 1  # the caller's own array stays writable


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 3, 2), np.int16), "shape"),
        (np.zeros((2, 3, 4), np.float64), "float64"),
        (np.zeros((2, 3, 4), np.complex64), "complex64"),
        (np.full((2, 3, 4), np.nan, np.float32), "not finite"),
    ],
)
def test_what_is_no_volume(array: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Volume(Grid(SIZE, SPACING, ORIGIN), array)


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ValueError, match="US"):
        Volume(Grid(SIZE, SPACING, ORIGIN), np.zeros((2, 3, 4), np.int16), "US")  # type: ignore[arg-type]
