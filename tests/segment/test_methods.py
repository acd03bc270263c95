"""Each method on shapes whose truth is known."""

import numpy as np
import pytest

from surgplan.errors import BadInput, EmptyLabel, WrongUsage
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality, Volume
from surgplan.segment.otsu import otsu_cuts
from surgplan.segment.stage import Given, SegmentParams, StructureParams, segment
from tests.segment.shapes import ball, grid, places, scan


def run(volume, *structures, **points):
    given = Given(PointSet(Landmark(name, place) for name, place in points.items()))
    return segment(volume, SegmentParams.model_validate({"structures": structures}), given)


def mask(result, name="it"):
    return result.labels.mask(result.labels.label(name))


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def noisy(where, array, sigma, seed=0):
    return scan(where, array + np.random.default_rng(seed).normal(0, sigma, where.shape))


def test_hysteresis_keeps_faint_parts_that_hang_on_sure_ones():
    where = grid((60, 30, 30))
    x, y, z = places(where)
    rod = (abs(y) < 3) & (abs(z) < 3)
    array = np.where(rod & (x < 0), np.where(x < -20, 600, 200), 0) + np.where(ball(where, 4, (20, 0, 0)), 200, 0)
    table = {"name": "it", "method": "hysteresis", "threshold_hu": (150, 3000), "hysteresis": {"sure_hu": 500}}
    assert (mask(run(scan(where, array), table)) == (rod & (x < 0))).all()
    with pytest.raises(EmptyLabel):
        run(scan(where, array), table | {"hysteresis": {"sure_hu": 700}})


def test_a_local_threshold_keeps_a_wall_that_a_global_one_loses():
    where = grid((60, 60, 30))
    x, _, z = places(where)
    thick, wall = (x < -15) + 0 * z > 0, (x > -16) & (x < 20) & (abs(z) < 0.6)
    thick, wall = np.broadcast_to(thick, where.shape), np.broadcast_to(wall, where.shape)
    volume = noisy(where, np.select([thick, wall], [800, 180], 40), 8)
    table = {"name": "it", "threshold_hu": (250, 3000)}
    assert not mask(run(volume, table))[wall & ~thick].any()
    found = mask(run(volume, table | {"method": "local", "local": {"reach_mm": 40}}))
    assert found[wall].mean() > 0.95
    assert found[~wall & ~thick].mean() < 0.02


def test_otsu_parts_known_mixtures():
    random = np.random.default_rng(1)
    groups = [random.normal(middle, 10, 20_000) for middle in (0, 100, 250)]
    low, high = otsu_cuts(np.concatenate(groups), 3)
    assert 25 < low < 75
    assert 135 < high < 215
    where = grid((40, 40, 40))
    volume = noisy(where, np.select([ball(where, 6), ball(where, 15)], [250, 100], 0), 10)
    mr = Volume(where, volume.array, Modality.MR)
    middle = run(mr, {"name": "it", "method": "otsu", "otsu": {"classes": 3, "first": 1, "last": 1}, "keep_largest": 1})
    assert dice(mask(middle), ball(where, 15) & ~ball(where, 6)) > 0.97


def two_balls(neck):
    where = grid((80, 40, 40))
    x, y, z = places(where)
    left, right = ball(where, 14, (15, 0, 0)), ball(where, 14, (-15, 0, 0))
    bridge = (abs(x) < 6) & (np.hypot(y, z) < neck)
    return where, left, right, scan(where, np.where(left | right | bridge, 700, 40))


@pytest.mark.parametrize("by", ["shape", "intensity"])
def test_touching_bones_are_split_at_their_neck(by):
    _, left, right, volume = two_balls(6)
    bone = {"name": "bone", "helper": True, "threshold_hu": (300, 3000)}
    parts = [
        {"name": name, "method": "split", "split": {"of": "bone", "landmarks": [own], "against": [other], "by": by}}
        for name, own, other in (("one", "l", "r"), ("two", "r", "l"))
    ]
    result = run(volume, bone, *parts, l=(17, 2, 0), r=(-13, 0, 3))
    assert dice(mask(result, "one"), left) > 0.95
    assert dice(mask(result, "two"), right) > 0.95


def test_growing_stops_at_what_is_not_connected_and_refuses_a_leak():
    _, left, _, volume = two_balls(0)
    table = {"name": "it", "method": "grow", "threshold_hu": (300, 3000), "grow": {"landmarks": ["seed"]}}
    assert (mask(run(volume, table, seed=(15, 0, 0))) == left).all()
    leak = table | {"grow": {"landmarks": ["seed"], "most_mm3": 5000}}
    with pytest.raises(BadInput, match=r"grown to 11\.\d+ cm³: it has leaked.*expected at most 5 cm³") as caught:
        run(volume, leak, seed=(15, 0, 0))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, 0, 99), "outside of the scan"),
        ((0, 18, 0), r"lies in another tissue \(40 HU\).*expected 300 to 3000 HU"),
        ((0, -18, 0), r"lies in air \(-1000 HU\)"),
    ],
)
def test_a_seed_in_the_wrong_place_is_refused_with_what_is_there(place, words):
    where, _, _, volume = two_balls(0)
    _, y, _ = places(where)
    aired = scan(where, np.where(y < -15, -1000, volume.array))
    table = {"name": "it", "method": "grow", "threshold_hu": (300, 3000), "grow": {"landmarks": ["seed"]}}
    with pytest.raises(BadInput, match=words):
        run(aired, table, seed=place)


def test_a_vessel_is_parted_from_the_heart_at_its_neck():
    where = grid((60, 60, 120))
    x, y, z = places(where)
    tube = (np.hypot(x, y) < 8) & (z > -30)
    heart = ball(where, 20, (0, 0, -40))
    valve = (np.hypot(x, y) < 3) & (abs(z + 21) < 6)
    gap = (z > -26) & (z < -18) & ~valve
    lumen = (tube | heart | valve) & ~gap
    volume = scan(where, np.where(lumen, 400, 40))
    table = {"name": "it", "method": "vessel", "threshold_hu": (250, 700), "vessel": {"landmarks": ["seed"]}}
    found = mask(run(volume, table, seed=(0, 0, 30)))
    assert dice(found, tube & (z >= -18)) > 0.95
    with pytest.raises(BadInput, match="narrower than neck_mm = 18 mm"):
        run(volume, table | {"vessel": {"landmarks": ["seed"], "neck_mm": 18}}, seed=(0, 0, 30))


def test_a_second_lumen_and_the_flap_between_belong_to_the_vessel():
    where = grid((60, 60, 80))
    x, y, _ = places(where)
    whole = np.broadcast_to(np.hypot(x, y) < 15, where.shape)
    array = np.select([whole & (abs(x) < 1), whole & (x > 0), whole], [60, 450, 250], 30)
    vessel = {"landmarks": ["seed"], "second_hu": (150, 350), "second_neck_mm": 6, "wall_mm": 6}
    table = {"name": "it", "method": "vessel", "threshold_hu": (380, 700), "vessel": vessel}
    assert dice(mask(run(scan(where, array), table, seed=(8, 0, 0))), whole) > 0.95


def test_tubes_are_found_and_plates_are_not():
    where = grid((60, 60, 60))
    x, y, z = places(where)
    tube, plate = (np.hypot(x - 12, y) < 2.0) & (abs(z) < 99), (abs(x + 15) < 2.0) & (abs(z) + abs(y) < 99)
    volume = scan(where, np.where(tube | plate, 300, 30))
    found = mask(run(volume, {"name": "it", "method": "tubes", "threshold_hu": (150, 900), "tubes": {"least": 0.2}}))
    assert found[5:-5][tube[5:-5]].mean() > 0.8
    assert found[plate].mean() < 0.1


def chest():
    where = grid((120, 80, 90), (2.5, 2.5, 2.5))
    x, y, z = places(where)
    flesh = np.broadcast_to((x / 130) ** 2 + (y / 85) ** 2 <= 1, where.shape)
    lungs = [((x - s * 65) / 45) ** 2 + (y / 60) ** 2 + ((z + 20) / 80) ** 2 <= 1 for s in (1, -1)]
    wind = np.broadcast_to(np.hypot(x, y) < 9, where.shape) & (z > -30)
    table = np.broadcast_to((abs(y - 98) < 4) & (abs(x) < 140), where.shape)
    array = np.select([wind, lungs[0] | lungs[1], flesh, table], [-1000, -850, 40, 100], -1000)
    return where, flesh, lungs, wind, noisy(where, array, 10)


def test_airway_lungs_and_body_of_a_chest_on_a_table():
    _, flesh, lungs, wind, volume = chest()
    body = mask(run(volume, {"name": "it", "method": "body"}))
    assert dice(body, flesh) > 0.98
    assert not body[:, -4:].any()  # the table
    assert dice(mask(run(volume, {"name": "it", "method": "airway"})), wind) > 0.9
    for side, lung in (("left", lungs[0]), ("right", lungs[1])):
        found = run(volume, {"name": "it", "method": "lung", "lung": {"side": side}, "side": side})
        assert dice(mask(found), lung) > 0.93
    solid = scan(volume.grid, np.where(flesh, 40, -1000))
    for method, words in (("airway", "no windpipe"), ("lung", "no air of 300 cm³")):
        with pytest.raises(EmptyLabel, match=words):
            run(solid, {"name": "it", "method": method})


def test_contrast_is_told_from_bone_by_the_cortex_that_it_lacks():
    where = grid((110, 90, 60), (1.5, 1.5, 1.5))
    x, y, z = places(where)
    heart = ball(where, 25, (35, 0, 0))
    vertebra = np.broadcast_to((np.hypot(x + 35, y) < 22) & (abs(z) < 50), where.shape)
    marrow = np.broadcast_to((np.hypot(x + 35, y) < 18) & (abs(z) < 50), where.shape)
    volume = noisy(where, np.select([heart, marrow, vertebra], [350, 250, 800], 40), 40)
    found = mask(run(volume, {"name": "it", "method": "contrast"}))
    assert dice(found, heart) > 0.93
    assert not found[vertebra].any()
    with pytest.raises(EmptyLabel, match="no contrast-filled part"):
        run(noisy(where, np.select([marrow, vertebra], [250, 800], 40), 40), {"name": "it", "method": "contrast"})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"method": "grow", "threshold_hu": (1, 2)}, "table `grow` is missing: method `grow` needs it"),
        ({"threshold_hu": (1, 2), "otsu": {}}, "table `otsu` is given, but the method is `threshold`"),
        ({"method": "hysteresis"}, "`threshold_hu` is missing: method `hysteresis` needs it"),
        ({"method": "lungs"}, "`method` is 'lungs'"),
        ({"method": "lung", "lung": {"sid": "left"}}, "unknown key `lung.sid`. Did you mean `side`?"),
    ],
)
def test_methods_and_their_tables_must_fit(table, words):
    with pytest.raises(WrongUsage) as caught:
        StructureParams.from_table({"name": "it"} | table, "recipe.toml")
    assert words in caught.value.message


def test_methods_in_hounsfield_units_refuse_mr():
    where = grid((30, 30, 30))
    mr = Volume(where, np.zeros(where.shape, np.int16), Modality.MR)
    with pytest.raises(BadInput, match="MR scan"):
        run(mr, {"name": "it", "method": "lung"})
