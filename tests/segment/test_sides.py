"""A left that lies right is refused, and no left that lies left ever is: on bodies, limbs and real masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surgplan.errors import Refused, WrongUsage
from surgplan.findings import Level
from surgplan.formats.images import placed, read_image, read_stored
from surgplan.model.labels import Label, LabelMap, Side
from surgplan.model.volume import Grid, Modality, Volume
from surgplan.segment.middle import middle_of
from surgplan.segment.sides import check_sides, settled_by_header

GRID = Grid((100, 60, 40), (4.0, 4.0, 4.0), (-198.0, -118.0, -78.0))


def box(grid: Grid, x: float, half: float = 12.0, z: float = 0.0) -> np.ndarray:
    """Voxels of a cube round (x, 0, z), LPS mm."""
    kji = np.stack(np.indices(grid.shape)[::-1], axis=-1)
    places = grid.lps_from_ijk.apply(kji.reshape(-1, 3)).reshape(*grid.shape, 3)
    return np.all(np.abs(places - (x, 0, z)) <= half, axis=-1)


def labelled(grid: Grid, **places: float) -> LabelMap:
    array = np.zeros(grid.shape, np.uint8)
    for value, x in enumerate(places.values(), 1):
        array[box(grid, x)] = value
    return LabelMap(grid, array, tuple(Label(value, name) for value, name in enumerate(places, 1)))


def test_a_pair_that_is_exchanged_is_refused_without_any_scan() -> None:
    found = check_sides(labelled(GRID, kidney_left=60, kidney_right=-60), None)
    assert [each.level for each in found] == [Level.NOTE, Level.NOTE]
    with pytest.raises(
        Refused, match=r"`kidney_left`: its centre lies 120.* mm right of `kidney_right`, expected on the"
    ):
        check_sides(labelled(GRID, kidney_left=-60, kidney_right=60), None)


def test_the_spine_tells_the_side_of_a_single_structure() -> None:
    assert check_sides(labelled(GRID, hip_left=60, sacrum=5), None)[0].level is Level.NOTE
    with pytest.raises(Refused, match="right of the spine or skull"):
        check_sides(labelled(GRID, hip_left=-60, sacrum=5), None)


def test_without_witness_nothing_is_refused_but_told() -> None:
    (found,) = check_sides(labelled(GRID, femur_left=-60), None)
    assert found.level is Level.WARN
    assert "cannot be checked: there is no scan with it" in found.measured
    mr = Volume(GRID, np.zeros(GRID.shape, np.int16), Modality.MR)
    assert "CT only" in check_sides(labelled(GRID, femur_left=-60), mr)[0].measured


def test_a_name_that_contradicts_its_side_is_wrong_usage() -> None:
    array = box(GRID, 60).astype(np.uint8)
    labels = LabelMap(GRID, array, (Label(1, "left hip", side=Side.RIGHT),))
    with pytest.raises(WrongUsage, match="has the side right, expected left, as its name says"):
        check_sides(labels, None)


def body(grid: Grid, *parts: tuple[float, float, float], bones: tuple[tuple[float, float], ...]) -> Volume:
    """Cylinders along z of tissue (x, half width, half depth), with bones (x, radius) in them."""
    kji = np.stack(np.indices(grid.shape)[::-1], axis=-1)
    x, y, _ = np.moveaxis(grid.lps_from_ijk.apply(kji.reshape(-1, 3)).reshape(*grid.shape, 3), -1, 0)
    array = np.full(grid.shape, -1000, np.int16)
    for centre, wide, deep in parts:
        array[((x - centre) / wide) ** 2 + (y / deep) ** 2 <= 1] = 40
    for centre, radius in bones:
        array[(x - centre) ** 2 + y**2 <= radius**2] = 900
    return Volume(grid, array, Modality.CT)


def test_both_legs_have_a_middle_and_one_leg_has_none() -> None:
    both = body(GRID, (90, 75, 80), (-90, 75, 80), bones=((85, 15), (-85, 15)))
    assert middle_of(both).x_mm == pytest.approx(0, abs=5)
    with pytest.raises(Refused, match="of the body's middle"):
        check_sides(labelled(GRID, femur_left=-85), both)
    # the tibia of a left leg lies right of the leg's middle: nothing may be said
    one = body(GRID, (90, 60, 60), bones=((70, 20), (120, 8)))
    assert middle_of(one).x_mm is None
    (found,) = check_sides(labelled(GRID, tibia_left=70), one)
    assert found.level is Level.WARN
    assert "may be one limb" in found.measured


def test_a_body_beside_the_middle_of_the_scan_keeps_its_own_middle() -> None:
    grid = Grid(GRID.size, GRID.spacing, np.add(GRID.origin, (60, 0, 0)))
    trunk = body(grid, (-20, 110, 80), bones=((-20, 20), (50, 10), (-90, 10)))
    assert middle_of(trunk).x_mm == pytest.approx(-20, abs=6)
    check_sides(labelled(grid, kidney_left=30), trunk)  # right of the scan's middle, left of the body's
    with pytest.raises(Refused):
        check_sides(labelled(grid, kidney_right=30), trunk)


def test_an_oblique_grid_changes_nothing() -> None:
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    origin = turn @ np.array(GRID.origin)
    grid = Grid(GRID.size, GRID.spacing, origin, turn)
    trunk = body(grid, (0, 130, 90), bones=((0, 20), (60, 10), (-60, 10)))
    check_sides(labelled(grid, hip_left=60), trunk)
    with pytest.raises(Refused):
        check_sides(labelled(grid, hip_right=60), trunk)


def masks_of(folder: Path) -> dict[str, tuple[Grid, np.ndarray]]:
    """Name → (grid, mask) of every mask that holds something."""
    found = {}
    for path in sorted(folder.glob("*.nii.gz")):
        grid, array = placed(path, read_stored(path))
        if array.max() == 1:
            found[path.name.removesuffix(".nii.gz")] = (grid, array > 0)
    return found


def alone(name: str, masks: dict[str, tuple[Grid, np.ndarray]], beside: tuple[str, ...] = ()) -> LabelMap:
    grid = masks[name][0]
    array = np.zeros(grid.shape, np.uint8)
    names = [name, *beside]
    for value, each in enumerate(names, 1):
        array[masks[each][1]] = value
    return LabelMap(grid, array, tuple(Label(value, each) for value, each in enumerate(names, 1)))


def mirrored(labels: LabelMap) -> LabelMap:
    """The same voxels with left and right exchanged in the names."""
    swap = {"left": "right", "right": "left"}
    told = tuple(
        Label(each.value, "_".join(swap.get(word, word) for word in each.name.split("_"))) for each in labels.labels
    )
    return LabelMap(labels.grid, labels.array, told)


@pytest.fixture(scope="module")
def pelvis(test_data: Path) -> tuple[Volume, dict[str, tuple[Grid, np.ndarray]]]:
    image, _ = read_image(test_data / "ct_pelvis_3mm" / "example_ct.nii.gz")
    return Volume(image.grid, image.array, Modality.CT), masks_of(test_data / "ct_pelvis_3mm" / "masks")


NAMES = ("femur", "hip", "kidney", "rib")
PAIRS = [f"{name}_left" for name in NAMES] + [pytest.param(f"{n}_right", marks=pytest.mark.slow) for n in NAMES]


@pytest.mark.parametrize("name", PAIRS)
def test_real_masks_lie_where_they_say_and_swapped_ones_are_refused(pelvis, name: str) -> None:
    volume, masks = pelvis
    name = f"{name}_12" if name.startswith("rib") else name
    twin = name.replace("left", "?").replace("right", "left").replace("?", "right")
    for beside in ((), (twin,), ("sacrum", "vertebrae_L1")):
        labels = alone(name, masks, beside)
        assert {each.level for each in check_sides(labels, volume)} == {Level.NOTE}
        with pytest.raises(Refused):
            check_sides(mirrored(labels), volume)


def test_vessels_beside_the_spine_of_a_cropped_chest(test_data: Path) -> None:
    folder = test_data / "cta_aorta" / "models"
    image, _ = read_image(folder / "ct_cropped.nii.gz")
    volume = Volume(image.grid, image.array, Modality.CT)
    masks = masks_of(folder)
    assert check_sides(alone("subclavian_artery_left", masks), volume)[0].level is Level.NOTE
    with pytest.raises(Refused):
        check_sides(mirrored(alone("subclavian_artery_left", masks)), volume)
    # 10 mm beside the middle: left to a person, whatever it is called
    carotid = alone("common_carotid_artery_left", masks)
    assert check_sides(carotid, volume)[0].level is Level.WARN
    assert check_sides(mirrored(carotid), volume)[0].level is Level.WARN


@pytest.mark.parametrize(
    ("start", "stop"), [((0, 0, 0), (61, 101, 22)), ((0, 0, 0), (61, 101, 112)), ((61, 0, 0), (122, 101, 112))]
)
def test_half_a_body_has_no_middle(pelvis, start: tuple[int, int, int], stop: tuple[int, int, int]) -> None:
    volume, _ = pelvis
    (i, j, k), (i2, j2, k2) = start, stop
    part = Volume(volume.grid.cropped(start, np.subtract(stop, start)), volume.array[k:k2, j:j2, i:i2], Modality.CT)
    assert middle_of(part).x_mm is None


@pytest.mark.parametrize(
    ("path", "middle"),
    [
        ("ct_ge_chest_contrast", -3.0),
        ("ct_abdomen_j2k/example_ct_dicom", -5.0),
        ("ct_head_thick/ct_example.nii.gz", 157.5),
    ],
)
def test_whole_trunks_and_heads_have_their_middle_where_their_bones_mirror(
    test_data: Path, path: str, middle: float
) -> None:
    from surgplan.case.sources import load_source
    from surgplan.ingest.stage import IngestParams

    found = middle_of(load_source(test_data / path, IngestParams()).volume)
    assert found.x_mm is not None
    assert abs(found.x_mm - middle) < found.near_mm


def test_the_header_settles_what_a_limb_alone_cannot_tell() -> None:
    one = body(GRID, (90, 60, 60), bones=((70, 20), (120, 8)))
    labels = labelled(GRID, tibia_left=70)
    found = check_sides(labels, one)
    (told,) = settled_by_header(found, labels, "L")
    assert (told.level, told.measured) == (Level.NOTE, "the header says that the scan is of the left side")
    with pytest.raises(Refused, match="the scan is of the right side, expected the left side"):
        settled_by_header(found, labels, "R")
    for unclear in ("", "B", "U"):
        assert settled_by_header(found, labels, unclear) == tuple(found)
    # where the body tells the side, the header changes nothing: both knees may be in a scan of one
    both = body(GRID, (90, 75, 80), (-90, 75, 80), bones=((85, 15), (-85, 15)))
    labels = labelled(GRID, femur_left=85)
    assert settled_by_header(check_sides(labels, both), labels, "R")[0].level is Level.NOTE
