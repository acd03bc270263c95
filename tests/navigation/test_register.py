"""Registration of points: what is refused, what is doubted, and that no FRE stands alone."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

import numpy as np
import pytest

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.model.frames import LPS, RAS, Frame, Transform
from surgplan.model.points import Landmark, PointSet
from surgplan.navigation.accuracy import Accuracy
from surgplan.navigation.register import RegisterParams, Registration, register_points
from tests.navigation.layouts import HEAD, LONG, SQUARE, THREE, TRACKER, named, seen, truth

TARGETS = [PointSet([Landmark("tumour", (28, 18, 24)), Landmark("vent", (-11, 0, 20))])]


def registered(moving: PointSet, fixed: PointSet | None = None, **params: object) -> Registration:
    return register_points(fixed or named(HEAD), moving, RegisterParams(**params), TARGETS)  # type: ignore[arg-type]


def points_of(made: Registration) -> Accuracy:
    assert isinstance(made.accuracy, Accuracy)
    return made.accuracy


def levels(made: Registration) -> dict[str, Level]:
    return {finding.check: finding.level for finding in made.findings}


def swapped(points: PointSet, one: int, other: int) -> PointSet:
    rows = list(points.landmarks)
    rows[one], rows[other] = (
        replace(rows[one], position=rows[other].position),
        replace(rows[other], position=rows[one].position),
    )
    return PointSet(rows)


def test_a_good_registration_raises_no_doubt() -> None:
    for seed in range(40):
        made = registered(seen(HEAD, 0.2, seed))
        assert not set(levels(made)) - {"one-more-point"}, (seed, made.findings)
        true = TARGETS[0].positions
        assert np.linalg.norm(made.transform.apply(truth().inverse().apply(true)) - true, axis=1).max() < 1.0


def test_the_transform_leads_from_moving_to_fixed() -> None:
    made = registered(seen(HEAD, 0.0))
    assert (made.transform.fixed, made.transform.moving) == (LPS, TRACKER)
    np.testing.assert_allclose(made.transform.matrix, truth().matrix, atol=1e-9)


def test_an_accuracy_cannot_be_made_without_targets() -> None:
    accuracy = points_of(registered(seen(HEAD)))
    with pytest.raises(ValueError, match="FRE alone misleads"):
        replace(accuracy, targets=())
    assert "targets" in {field.name for field in fields(Accuracy) if field.default is MISSING}


def test_without_targets_stand_ins_are_told_with_a_warning() -> None:
    made = register_points(named(HEAD), seen(HEAD), RegisterParams())
    assert levels(made)["no-target"] is Level.WARN
    assert len(made.accuracy.targets) == 2


def test_targets_may_lie_in_either_frame() -> None:
    there = PointSet([Landmark("tumour", truth().inverse().apply((28, 18, 24)), TRACKER)])
    made = register_points(named(HEAD), seen(HEAD), RegisterParams(), [there])
    assert made.accuracy.targets[0].position_mm == pytest.approx((28, 18, 24), abs=1.0)
    with pytest.raises(BadInput, match="lie in RAS"):
        register_points(named(HEAD), seen(HEAD), RegisterParams(), [PointSet([Landmark("x", (0, 0, 0), RAS)])])


def test_two_lists_in_one_frame_are_refused() -> None:
    with pytest.raises(WrongUsage, match="both lists lie in LPS"):
        register_points(named(HEAD), named(HEAD), RegisterParams())


@pytest.mark.parametrize(("one", "other"), [(0, 1), (2, 5), (3, 4)])
def test_a_swapped_pair_is_found_and_named(one: int, other: int) -> None:
    made = registered(swapped(seen(HEAD), one, other), max_fre_mm=100, max_tre_mm=100)
    told = [finding for finding in made.findings if finding.check == "swapped-pair"]
    assert told[0].level is Level.REFUSE
    assert f"{'ABCDEF'[one]} and {'ABCDEF'[other]} exchanged" in told[0].measured


def test_three_points_rotated_by_one_are_found() -> None:
    points = seen(HEAD)
    places = [points.landmarks[n].position for n in (1, 2, 0, 3, 4, 5)]
    wrong = PointSet([replace(p, position=at) for p, at in zip(points, places, strict=True)])
    assert levels(registered(wrong, pair_tolerance_mm=5))["wrong-pairing"] is Level.REFUSE


def test_a_mirrored_list_is_refused_as_such() -> None:
    there = truth().inverse().apply(HEAD * [-1, 1, 1])
    made = registered(named(there, TRACKER), max_fre_mm=100, max_tre_mm=100)
    assert levels(made)["mirrored"] is Level.REFUSE


def test_flat_points_are_not_called_mirrored() -> None:
    made = register_points(named(SQUARE * [1, 0.7, 1]), seen(SQUARE * [1, 0.7, 1], 0.05), RegisterParams(), TARGETS)
    assert "mirrored" not in levels(made)


def test_a_scale_is_told_in_either_model() -> None:
    points = PointSet([Landmark(p.name, p.position * 0.9, TRACKER) for p in seen(HEAD)])
    for model in ("rigid", "similarity"):
        made = registered(points, model=model, max_fre_mm=100, max_tre_mm=100)
        assert levels(made)["scale"] is Level.REFUSE
        assert points_of(made).scale == pytest.approx(1 / 0.9, rel=0.01)


def test_limits_are_kept() -> None:
    loose = registered(seen(HEAD, 1.0, 3), max_fre_mm=10, max_tre_mm=10)
    assert not {"fre", "tre"} & set(levels(loose))
    tight = registered(seen(HEAD, 1.0, 3), max_fre_mm=0.5, max_tre_mm=0.2)
    assert levels(tight)["fre"] is levels(tight)["tre"] is Level.REFUSE
    assert "predicted TRE" in next(f.measured for f in tight.findings if f.check == "fre")


def test_an_outlier_is_named() -> None:
    rows = list(seen(HEAD, 0.2).landmarks)
    rows[3] = replace(rows[3], position=rows[3].position + np.array([6.0, 0, 0]))
    made = registered(PointSet(rows), max_fre_mm=100, max_tre_mm=100)
    told = next(finding for finding in made.findings if finding.check == "outlier")
    assert told.measured.startswith("D does not fit")
    left_out = {each.name: each.left_out_mm for each in points_of(made).residuals}
    assert max(left_out, key=lambda name: left_out[name] or 0) == "D"


def test_a_symmetric_arrangement_is_warned_of() -> None:
    made = register_points(named(SQUARE), seen(SQUARE, 0.2), RegisterParams(), TARGETS)
    assert levels(made)["interchangeable"] is Level.WARN


def test_nearly_on_a_line_is_warned_of() -> None:
    made = register_points(named(LONG), seen(LONG, 0.1), RegisterParams(max_tre_mm=100), TARGETS)
    assert levels(made)["near-collinear"] is Level.WARN


def test_ras_taken_for_lps_is_warned_of() -> None:
    other = Frame("LPS", "second scan")
    turned = PointSet([Landmark(p.name, p.position * [-1, -1, 1] + [3, -8, 40], other) for p in named(HEAD)])
    made = register_points(named(HEAD), turned, RegisterParams(), TARGETS)
    assert levels(made)["half-turn"] is Level.WARN


def test_pairs_are_found_without_names() -> None:
    moving = PointSet([Landmark(f"M{n}", p.position, TRACKER) for n, p in enumerate(reversed(seen(HEAD).landmarks))])
    made = registered(moving, match="none")
    assert tuple(each.name for each in points_of(made).residuals) == tuple(
        f"{a} (M{5 - n})" for n, a in enumerate("ABCDEF")
    )
    assert levels(made)["paired-by-distance"] is Level.NOTE


def test_without_names_a_symmetric_arrangement_is_warned_of() -> None:
    made = register_points(named(SQUARE), seen(SQUARE, 0.2), RegisterParams(match="none"), TARGETS)
    assert levels(made)["interchangeable"] is Level.WARN


def test_points_that_fit_nowhere_are_refused() -> None:
    far = named(THREE * 3, TRACKER)
    with pytest.raises(BadInput, match="no three of 3 points lie like three of 6"):
        registered(far, match="none")


def test_weights_need_uncertainties() -> None:
    with pytest.raises(WrongUsage, match="no stated uncertainty"):
        registered(seen(HEAD), weights="uncertainty")


def test_a_point_that_is_uncertain_counts_less() -> None:
    rows = list(seen(HEAD, 0.1).landmarks)
    rows[3] = replace(rows[3], position=rows[3].position + np.array([8.0, 0, 0]))
    sure = PointSet([replace(p, uncertainty_mm=8.0 if n == 3 else 0.1) for n, p in enumerate(rows)])
    plain, weighed = (registered(sure, weights=how).transform for how in ("equal", "uncertainty"))

    def error(found: Transform) -> float:
        return float(np.linalg.norm(found.apply(truth().inverse().apply((28, 18, 24))) - [28, 18, 24]))

    assert error(weighed) < 0.25 < error(plain)


def test_a_stated_fle_that_the_residuals_contradict_is_told() -> None:
    made = registered(seen(HEAD, 0.8), fle_mm=0.1)
    assert levels(made)["fle"] is Level.WARN
    assert points_of(made).fle.stated
    assert "fle" not in levels(registered(seen(HEAD, 0.1), fle_mm=0.1 * np.sqrt(3)))


def test_the_bootstrap_interval_is_of_the_size_of_the_error() -> None:
    """Over many draws, its mean lies within 40 % of the true 95th percentile; with few pairs there is none."""
    points = np.vstack([HEAD, HEAD[::-1] * [0.7, -0.9, 0.4] + [5, 3, -20]])
    bounds, errors = [], []
    for seed in range(15):
        moving = seen(points, 0.4, seed)
        made = register_points(named(points), moving, RegisterParams(bootstrap=200), TARGETS)
        bounds.append(made.accuracy.targets[0].bootstrap_95_mm)
        errors.append(np.linalg.norm(made.transform.apply(truth().inverse().apply((28, 18, 24))) - [28, 18, 24]))
    assert np.mean(bounds) == pytest.approx(np.percentile(errors, 95), rel=0.4)  # type: ignore[arg-type]
    few = register_points(named(THREE), seen(THREE), RegisterParams(), TARGETS)
    assert few.accuracy.targets[0].bootstrap_95_mm is None


def test_the_same_input_gives_the_same_numbers() -> None:
    assert registered(seen(HEAD)).accuracy.as_dict() == registered(seen(HEAD)).accuracy.as_dict()


def test_perfect_points_have_no_error() -> None:
    made = registered(seen(HEAD, 0.0))
    assert made.accuracy.worst.tre_mm < 1e-9
    assert points_of(made).fre_mm < 1e-9
