"""What leaks out of the patient is refused or told: on a body whose table and room are known."""

import numpy as np
import pytest

from surgplan.errors import BadInput
from surgplan.findings import Level
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality
from surgplan.segment.stage import Given, SegmentParams, segment
from tests.segment.shapes import grid, places, scan

WHERE = grid((90, 80, 40), (3.0, 3.0, 5.0))
METHODS = {
    "threshold": {"method": "threshold", "threshold_hu": (150, 3071)},
    "hysteresis": {"method": "hysteresis", "threshold_hu": (150, 3071), "hysteresis": {"sure_hu": 250}},
    "local": {"method": "local", "threshold_hu": (200, 3071)},
    "tubes": {"method": "tubes", "threshold_hu": (150, 3071), "tubes": {"least": 0.01}},
}
TABLE_MM3 = 200 * 9 * 200


def body(air_gap=30.0, modality=Modality.CT, hollow=False):
    """A trunk of 40 HU with a bone of 700 HU in it, over a thin table of 300 HU."""
    x, y, _ = (np.asarray(axis) for axis in places(WHERE))
    array = np.full(WHERE.shape, -1000.0)
    trunk = np.broadcast_to((x / 90) ** 2 + (y / 60) ** 2 <= 1, WHERE.shape)
    array[trunk] = 40
    if hollow:
        array[np.broadcast_to((x / 85) ** 2 + (y / 55) ** 2 <= 1, WHERE.shape)] = -1000
    array[np.broadcast_to(np.hypot(x - 30, y) <= 15, WHERE.shape)] = 700
    top = 60 + air_gap
    array[np.broadcast_to((abs(x) <= 100) & (y > top) & (y <= top + 9), WHERE.shape)] = 300
    return scan(WHERE, array, modality)


def found(volume, table, **points):
    given = Given(PointSet(Landmark(name, place) for name, place in points.items()))
    result = segment(volume, SegmentParams.model_validate({"structures": [{"name": "it"} | table]}), given)
    return [each for each in result.findings if each.check == "outside the body"]


@pytest.mark.parametrize("method", METHODS)
def test_a_table_in_the_structure_is_told_with_its_size(method):
    (told,) = found(body(), METHODS[method])
    assert told.level is Level.WARN
    if method != "tubes":  # of a flat table it finds the edges
        assert float(told.measured.split()[0]) * 1000 == pytest.approx(TABLE_MM3, rel=0.06)


def test_without_the_table_nothing_is_told():
    assert not found(body(), METHODS["threshold"] | {"dense_hu": 500})


def test_a_table_that_is_larger_than_the_bone_is_told():
    """What is left of the structure is the table alone."""
    (told,) = found(body(), METHODS["threshold"] | {"keep_largest": 1})
    assert "(100 %) lie outside of the body" in told.measured


@pytest.mark.parametrize("method", ["threshold", "grow"])
def test_air_of_the_room_is_refused(method):
    table = {"method": method, "threshold_hu": (-2000, -900)}
    table |= {"grow": {"landmarks": ["seed"]}} if method == "grow" else {}
    with pytest.raises(BadInput, match=r"air of the room|outside of the body"):
        found(body(), table, seed=(0.0, -100.0, 0.0))


def test_a_seed_on_the_table_is_refused():
    table = {"method": "grow", "threshold_hu": (150, 3071), "grow": {"landmarks": ["seed"]}}
    assert not found(body(), table, seed=(30.0, 0.0, 0.0))
    with pytest.raises(BadInput, match=r"landmark `seed`: lies outside of the body, at \(0.0, 94.0, 0.0\) mm LPS"):
        found(body(), table, seed=(0.0, 94.0, 0.0))


def test_growing_from_bone_into_a_touching_table_is_refused():
    """A rod of metal leads from the bone to the table, which is larger than the bone."""
    volume = body()
    x, y, z = (np.asarray(axis) for axis in places(WHERE))
    array = np.where((abs(x - 30) < 4) & (y > 0) & (y < 95) & (abs(z) < 6), 2000, volume.array)
    joined = scan(WHERE, np.where((np.hypot(x - 30, y) <= 15) & (abs(z) > 20), 40, array))
    table = {"method": "grow", "threshold_hu": (150, 3071), "grow": {"landmarks": ["seed"]}}
    with pytest.raises(BadInput, match="has leaked into the table or lies there"):
        found(joined, table, seed=(30.0, 0.0, 0.0))


def test_where_nobody_can_tell_the_body_nothing_is_told():
    assert not found(body(hollow=True), METHODS["threshold"])
    dark = {"method": "otsu"}
    assert not found(body(modality=Modality.MR), dark)
