"""Points by definition, on bodies whose truth is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from surgplan.errors import BadInput
from surgplan.examples.scenes import femur
from surgplan.examples.shapes import ball, capsule
from surgplan.model.points import Landmark, PointSet
from surgplan.model.surface import Surface
from surgplan.navigation.anatomy import DIRECTIONS, Near, find_anatomical
from surgplan.navigation.atlas import carry_landmarks
from surgplan.navigation.register import RegisterParams
from tests.navigation.bodies import contoured, cylinder, ellipsoid, full_skull, sphere, surface
from tests.navigation.layouts import TRACKER


@pytest.mark.parametrize("rule", DIRECTIONS)
def test_extremes_of_an_ellipsoid(rule: str) -> None:
    (found,) = find_anatomical(ellipsoid(60, 95, 75), "top", rule)
    truth = np.array(DIRECTIONS[rule]) * [60, 95, 75]
    np.testing.assert_allclose(found.position, truth, atol=0.4)
    assert found.uncertainty_mm is not None
    assert np.linalg.norm(found.position - truth) < 2 * found.uncertainty_mm


def test_left_is_the_patient_s_left() -> None:
    (found,) = find_anatomical(sphere(20, (100, 0, 0)), "x", "most-left")
    assert found.position[0] == pytest.approx(120, abs=0.2)


def test_a_flat_top_is_less_certain_sideways_than_a_sharp_one() -> None:
    (flat,), (sharp,) = (find_anatomical(sphere(r), "x", "highest") for r in (100, 10))
    assert flat.uncertainty_mm is not None
    assert sharp.uncertainty_mm is not None
    assert flat.uncertainty_mm > 2 * sharp.uncertainty_mm


def test_the_tip_of_a_cone_in_any_direction() -> None:
    """Blunted by a ball of 3 mm: the tip is its pole."""
    turn = Rotation.random(random_state=4).as_matrix()
    body = contoured(capsule((0, 0, 0), (0, 0, 60), 22, 3), 0.7)
    turned = surface(trimesh.Trimesh(body.vertices @ turn.T, body.triangles, process=False))
    (found,) = find_anatomical(turned, "tip", "tip")
    truth = turn @ [0, 0, 63]
    assert np.linalg.norm(found.position - truth) < 1.5
    assert found.uncertainty_mm is not None
    assert np.linalg.norm(found.position - truth) < 3 * found.uncertainty_mm


def test_a_sphere_has_a_centre_also_where_half_of_it_is_missing() -> None:
    body = sphere(24, (-42, -5, 182), 5)
    upper = body.triangles[body.corners.mean(axis=1)[:, 2] > 178]
    (found,) = find_anatomical(Surface(body.label, body.vertices, upper), "head", "ball")
    np.testing.assert_allclose(found.position, (-42, -5, 182), atol=0.1)
    assert "24.0" in found.description or "23.9" in found.description


def test_the_head_of_the_example_s_femur() -> None:
    """The neck leaves a third of the ball open, and lies within reach."""
    scene = femur()
    shape = next(part.shape for part in scene.parts if part.name == "femur")
    body = contoured(shape & ball((-35, -5, 178), 60), 1.0)
    (found,) = find_anatomical(body, "head", "ball", Near((-44, -6, 186), 26))
    np.testing.assert_allclose(found.position, scene.truth["head"]["centre_mm"], atol=0.3)


def test_the_axis_of_a_cylinder_in_any_direction() -> None:
    body = cylinder(14, 180)
    turn = Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix()
    kept = body.triangles[np.ptp(body.corners[:, :, 2], axis=1) > 1]  # without its lids
    turned = Surface(body.label, body.vertices @ turn.T + [5, 6, 7], kept)
    low, high = find_anatomical(turned, "shaft", "shaft")
    axis = (high.position - low.position) / np.linalg.norm(high.position - low.position)
    assert abs(axis @ turn[:, 2]) > np.cos(np.radians(0.2))
    away = np.cross(low.position - [5, 6, 7], turn[:, 2])
    assert np.linalg.norm(away) < 0.2
    assert [low.name, high.name] == ["shaft-1", "shaft-2"]


def test_what_is_no_ball_no_shaft_and_no_tip_is_refused() -> None:
    box = surface(trimesh.creation.box((80, 100, 130)))
    for body, rule in ((box, "ball"), (sphere(80), "tip")):
        with pytest.raises(BadInput, match=r"on one ball|no tip"):
            find_anatomical(body, "x", rule)


def test_unknown_rules_empty_places_and_other_frames_are_refused() -> None:
    with pytest.raises(BadInput, match="is not known"):
        find_anatomical(sphere(20), "x", "nicest")
    with pytest.raises(BadInput, match="0 places of the surface lie there"):
        find_anatomical(sphere(20), "x", "ball", Near((500, 0, 0), 5))
    body = sphere(20)
    with pytest.raises(BadInput, match="lies in tracker"):
        find_anatomical(Surface(body.label, body.vertices, body.triangles, TRACKER), "x", "ball")


def test_an_atlas_s_landmarks_are_carried_to_a_patient_who_is_the_same() -> None:
    body = full_skull()
    turn = Rotation.from_rotvec(np.radians([4, -6, 3])).as_matrix()
    shift = np.array([5.0, -8, 6])
    atlas = Surface(body.label, body.vertices @ turn.T + shift, body.triangles, TRACKER)
    truth = np.array([body.vertices[n] for n in (10, 9_000, 60_000)] + [[28.0, 18, 24]])
    there = [Landmark(f"A{n}", row @ turn.T + shift, TRACKER) for n, row in enumerate(truth)]
    carried, _ = carry_landmarks(body, atlas, PointSet(there), RegisterParams())
    assert np.linalg.norm(carried.positions - truth, axis=1).max() < 1.0
    assert all(point.uncertainty_mm for point in carried)
