"""Refinements: each does what it says, in millimetres and in the patient, and in the order of the list."""

import numpy as np
import pytest

from surgplan.errors import BadInput, EmptyLabel, WrongUsage
from surgplan.model.frames import RAS
from surgplan.model.points import Landmark, PointSet
from surgplan.segment.stage import Given, SegmentParams, StructureParams, segment
from tests.segment.shapes import ball, grid, places, scan

ANISOTROPIC = (0.5, 1.0, 2.0)


def refined(where, mask, *operations, points=()):
    """The mask after the operations, and the whole result."""
    main = {"name": "main", "threshold_hu": (500, 3000), "refine": list(operations)}
    given = Given(PointSet(Landmark(name, place) for name, place in points))
    result = segment(scan(where, np.where(mask, 700, 0)), SegmentParams.model_validate({"structures": [main]}), given)
    return result.labels.array > 0, result


def radius_of(where, mask):
    """Of a ball with that volume, mm."""
    return (3 * np.count_nonzero(mask) * where.voxel_volume_mm3 / 4 / np.pi) ** (1 / 3)


def test_margins_are_true_in_millimetres_on_anisotropic_voxels():
    where = grid((120, 60, 30), ANISOTROPIC)
    mask = ball(where, 12)
    for operation, radius in (({"op": "grow", "by_mm": 4}, 16), ({"op": "shrink", "by_mm": 4}, 8)):
        made, result = refined(where, mask, operation)
        assert radius_of(where, made) == pytest.approx(radius, abs=0.5)
        x, y, z = places(where)
        for reach in (abs(x + 0 * made)[made].max(), abs(y + 0 * made)[made].max(), abs(z + 0 * made)[made].max()):
            assert reach == pytest.approx(radius, abs=1.1)
        assert result.labels.labels[0].level is None  # no intensity marks this boundary


def test_the_order_of_the_list_counts():
    where = grid((60, 40, 40))
    two = ball(where, 8, (-14, 0, 0)) | ball(where, 6, (4, 0, 0))
    grow, largest = {"op": "grow", "by_mm": 3}, {"op": "keep_largest"}
    joined, _ = refined(where, two, grow, largest)
    alone, result = refined(where, two, largest, grow)
    assert joined[ball(where, 5, (4, 0, 0))].all()
    assert not alone[ball(where, 5, (4, 0, 0))].any()
    assert "(4, 0, 0) mm LPS" in next(f for f in result.findings if f.check == "dropped parts").measured


def test_parts_are_chosen_by_volume_and_by_what_they_touch():
    where = grid((60, 40, 40))
    one, other = ball(where, 8, (-14, 0, 0)), ball(where, 6, (12, 0, 0))
    made, _ = refined(where, one | other, {"op": "keep_above", "volume_mm3": 1000})
    assert (made == one).all()
    seed = [("here", (12, 3, 0))]
    made, _ = refined(where, one | other, {"op": "keep_touching", "landmark": "here"}, points=seed)
    assert (made == other).all()
    near = [("here", (-14, 0, 10.5))]
    made, _ = refined(where, one | other, {"op": "keep_touching", "landmark": "here", "within_mm": 4}, points=near)
    assert (made == one).all()
    with pytest.raises(EmptyLabel, match="refine 1, keep_touching leaves nothing"):
        refined(where, one | other, {"op": "keep_touching", "landmark": "here", "within_mm": 0}, points=near)


def test_cropping_to_a_box_a_ball_and_a_side_is_done_in_the_patient():
    direction = np.diag([-1.0, -1.0, 1.0])
    where = grid((60, 40, 40), direction=direction)
    mask = ball(where, 15)
    x, y, _ = places(where)
    made, _ = refined(where, mask, {"op": "crop_box", "min_mm": (0, -5, -50), "max_mm": (50, 5, 50)})
    assert (made == (mask & (x >= 0) & (abs(y) <= 5))).all()
    made, _ = refined(where, mask, {"op": "crop_sphere", "landmark": "c", "radius_mm": 6}, points=[("c", (10, 0, 0))])
    assert (made == (mask & ball(where, 6, (10, 0, 0)))).all()
    for side, half in (("left", x > 3), ("right", x < 3)):
        cut = {"op": "keep_side", "side": side, "landmark": "m"}
        made, _ = refined(where, mask, cut, points=[("m", (3, 9, 9))])
        assert (made == (mask & half)).all()


def test_structures_are_added_subtracted_and_intersected():
    where = grid((60, 40, 40))
    x, _, _ = places(where)
    bone, lump = ball(where, 12, (-5, 0, 0)), ball(where, 8, (8, 0, 0))
    array = np.select([lump & bone, lump, bone], [2700, 2000, 700], 0)
    volume = scan(where, array)
    first = {"name": "lump", "helper": True, "threshold_hu": (1500, 3000)}

    def made(low, high, *operations):
        main = {"name": "main", "threshold_hu": (low, high), "refine": list(operations)}
        return segment(volume, SegmentParams.model_validate({"structures": [first, main]})).labels.array > 0

    assert (made(600, 800, {"op": "add", "structure": "lump"}) == (bone | lump)).all()
    assert (made(600, 3000, {"op": "subtract", "structure": "lump"}) == (bone & ~lump)).all()
    assert (made(2500, 3000, {"op": "intersect", "structure": "lump"}) == (bone & lump)).all()
    margin = made(600, 3000, {"op": "subtract", "structure": "lump", "margin_mm": 2.0})
    assert not margin[ball(where, 9.2, (8, 0, 0))].any()
    assert (margin == (bone & ~ball(where, 10, (8, 0, 0))))[x[0, 0] + 0 * margin < 3].mean() > 0.98


def test_opening_cuts_a_bridge_and_closing_a_cleft():
    where = grid((80, 40, 40))
    x, y, z = places(where)
    bridge = (abs(y) < 2) & (abs(z) < 2) & (abs(x) < 20)
    two = ball(where, 10, (-20, 0, 0)) | ball(where, 10, (20, 0, 0))
    made, _ = refined(where, two | bridge, {"op": "open", "width_mm": 6})
    assert not made[:, :, 38:42].any()
    assert (made ^ two).sum() < 0.05 * two.sum()
    cleft = (abs(x + 20) < 1) & (y + 0 * z > 0)
    made, _ = refined(where, two & ~cleft, {"op": "close", "gap_mm": 2})
    assert (made ^ two).sum() <= 0.01 * two.sum()


@pytest.mark.parametrize("operation", [{"op": "median", "radius_mm": 1.0}, {"op": "smooth", "sigma_mm": 1.0}])
def test_smoothing_takes_noise_away_and_keeps_the_volume(operation):
    where = grid((40, 40, 40))
    clean = ball(where, 12)
    noise = np.random.default_rng(1).random(where.shape)
    shell = ball(where, 13) & ~ball(where, 11)
    noisy = np.where(shell, noise < 0.5, clean)
    made, _ = refined(where, noisy, operation)
    assert made.sum() == pytest.approx(noisy.sum(), rel=0.04)
    assert (made ^ clean).sum() < 0.6 * (noisy ^ clean).sum()


def test_what_it_refers_to_must_be_there():
    where = grid((30, 30, 30))
    mask = ball(where, 8)
    crop = {"op": "crop_sphere", "landmark": "nasion", "radius_mm": 5}
    with pytest.raises(WrongUsage, match=r"needs the landmark `nasion`, which is not given\. Add \[\[landmark\]\]"):
        refined(where, mask, crop)
    with pytest.raises(WrongUsage, match="Did you mean `nasion`"):
        refined(where, mask, crop | {"landmark": "nasoin"}, points=[("nasion", (0, 0, 0))])
    with pytest.raises(BadInput, match=r"lies at \(90\.0, 0\.0, 0\.0\) mm LPS, outside of the scan"):
        refined(where, mask, crop, points=[("nasion", (90, 0, 0))])
    with pytest.raises(WrongUsage, match="refers to `vessel`, which is no structure that was found before it"):
        refined(where, mask, {"op": "subtract", "structure": "vessel"})


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "clos", "gap_mm": 1}, "`refine.0.op` is 'clos'. Did you mean `close`?"),
        ({"op": "close", "gap": 1}, "unknown key `refine.0.gap`. Did you mean `gap_mm`?"),
        ({"op": "close", "gap_mm": -1}, "`refine.0.gap_mm` is -1: input should be greater than 0"),
        ({"gap_mm": 1}, "key `refine.0.op` is missing"),
        ({"op": "keep_touching"}, "either a landmark or a structure"),
        ({"op": "crop_box", "min_mm": (0, 0, 0), "max_mm": (1, 1, 0)}, "each number of min_mm must be below"),
    ],
)
def test_wrong_operations_are_explained(operation, words):
    table = {"name": "bone", "threshold_hu": [1, 2], "refine": [operation]}
    with pytest.raises(WrongUsage) as caught:
        StructureParams.from_table(table, "recipe.toml")
    assert words in caught.value.message


def test_points_in_another_frame_are_no_seeds():
    """The case file turns RAS into LPS before; a point that was not turned must not be taken for LPS."""
    points = PointSet([Landmark("seed", (1, 2, 3), RAS)])
    with pytest.raises(ValueError, match="LPS"):
        Given(points)
