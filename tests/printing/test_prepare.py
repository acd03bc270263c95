"""The other operations on parts: cropped, mirrored, joined, thickened, tied, windowed, footed, measured."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from surgplan.errors import BadInput, WrongUsage
from surgplan.findings import Level
from surgplan.model.labels import Label, Side
from surgplan.model.part import Part
from surgplan.model.surface import Surface
from tests.printing.bodies import ball, box, mesh_of, prepared, surface


def named(body: Surface, value: int, name: str) -> Surface:
    return Surface(Label(value, name, (200, 60, 60)), body.vertices, body.triangles)


def test_without_operations_parts_are_the_surfaces() -> None:
    body = box((10, 20, 30))
    made = prepared(body)
    assert made.parts[0].surface is body
    assert made.parts[0].modifications == ()
    assert (made.findings, made.calipers) == ((), ())


def test_cropping_keeps_what_is_inside() -> None:
    (part,) = prepared(box((60, 40, 50)), {"do": "crop_box", "min_mm": [-10, -100, -5], "max_mm": [100, 100, 5]}).parts
    assert mesh_of(part).volume == pytest.approx(40 * 40 * 10)
    assert part.modifications[0].outside_mm == pytest.approx(0, abs=1e-5)
    whole = prepared(box((60, 40, 50)), {"do": "crop_box", "min_mm": [-100] * 3, "max_mm": [100] * 3})
    assert whole.parts[0].modifications == ()
    with pytest.raises(BadInput, match="nothing of it lies in the box"):
        prepared(box((60, 40, 50)), {"do": "crop_box", "min_mm": [50] * 3, "max_mm": [60] * 3})
    plane = {"do": "crop_plane", "normal": [0, 1, 1], "landmark": "middle"}
    (part,) = prepared(box((60, 40, 50)), plane, landmarks={"middle": (0, 0, 0)}).parts
    assert mesh_of(part).volume == pytest.approx(60 * 40 * 50 / 2)
    assert (part.surface.vertices @ [0, 1, 1] > -1e-3).all()


def test_a_mirrored_part_says_so_everywhere() -> None:
    body = surface(trimesh.util.concatenate([trimesh.creation.box((60, 40, 10)), bump()]), "femur", Side.LEFT)
    made = prepared(body, {"do": "mirror"}, {"do": "text", "text": "{case} {side}", "facing": "inferior"})
    (part,) = made.parts
    assert part.mirrored
    assert part.name == "femur mirrored"
    assert next(finding.level for finding in made.findings if finding.check == "mirrored") is Level.WARN
    text = next(done for done in part.modifications if done.kind == "text")
    assert "CASE-7 L MIRRORED" in text.what.replace(" / ", " ")
    mesh = trimesh.Trimesh(part.surface.vertices, part.surface.triangles)
    assert mesh.volume > 0
    high = part.surface.vertices[part.surface.vertices[:, 2] > 10]
    assert high[:, 0].max() < -10  # the bump was on the left, at +20


def bump() -> trimesh.Trimesh:
    mesh = trimesh.creation.box((5, 5, 20))
    mesh.apply_translation((20, 0, 20))
    return mesh


@pytest.mark.slow
def test_what_would_be_wrong_on_a_mirrored_part_is_refused() -> None:
    with pytest.raises(WrongUsage, match=r"Put `mirror` before it"):
        prepared(box((60, 40, 20)), {"do": "text", "text": "AB"}, {"do": "mirror"})
    with pytest.raises(WrongUsage, match=r"Put `mirror` after it"):
        prepared(box((60, 40, 20)), {"do": "mirror"}, {"do": "cut", "normal": [0, 0, 1], "point_mm": [0, 0, 0]})


def test_bone_and_tumour_are_one_print_without_overlap() -> None:
    bone, tumour = box((40, 40, 40)), named(ball(8, (18, 0, 0)), 2, "tumour")
    made = prepared([bone, tumour], {"do": "join", "structures": ["bone", "tumour"]})
    one, two = made.parts
    assert one.group == two.group != ""
    common = trimesh.boolean.intersection([mesh_of(one), mesh_of(two)], engine="manifold")
    assert abs(common.volume) < 1e-3
    assert np.array_equal(two.surface.vertices, tumour.vertices)
    both = trimesh.boolean.union([mesh_of(one), mesh_of(two)], engine="manifold")
    assert both.volume == pytest.approx(mesh_of(one).volume + mesh_of(two).volume, rel=1e-6)


@pytest.mark.slow
def test_structures_are_fused_and_what_nothing_holds_is_told() -> None:
    bone, tumour = box((40, 40, 40)), named(ball(8, (18, 0, 0)), 2, "tumour")
    (fused,) = prepared([bone, tumour], {"do": "join", "structures": ["bone", "tumour"], "fuse": True}).parts
    both = trimesh.boolean.union([mesh_of(Part.of(bone)), mesh_of(Part.of(tumour))], engine="manifold")
    assert mesh_of(fused).volume == pytest.approx(both.volume, rel=1e-6)
    apart = prepared([bone, named(ball(8, (60, 0, 0)), 2, "tumour")], {"do": "join", "structures": ["bone", "tumour"]})
    assert any(finding.level is Level.WARN and "nothing holds it" in finding.measured for finding in apart.findings)
    with pytest.raises(BadInput, match="wholly within"):
        prepared([bone, named(ball(8), 2, "tumour")], {"do": "join", "structures": ["tumour", "bone"]})
    with pytest.raises(WrongUsage, match="Did you mean `tumour`"):
        prepared([bone, tumour], {"do": "join", "structures": ["bone", "tumor"]})


def dumbbell(thin: float) -> Surface:
    """Two blocks with a thin plate between them."""
    blocks = [
        trimesh.creation.box((20, 20, 20)),
        trimesh.creation.box((20, 20, 20)),
        trimesh.creation.box((24, 16, thin)),
    ]
    for mesh, at in zip(blocks, ((-20, 0, 0), (20, 0, 0), (0, 0, 0)), strict=True):
        mesh.apply_translation(at)
    return surface(trimesh.boolean.union(blocks, engine="manifold"))


@pytest.mark.slow
def test_only_thin_walls_are_thickened() -> None:
    made = prepared(dumbbell(0.4), {"do": "thicken", "wall_mm": 1.2})
    mesh = mesh_of(made.parts[0])
    plate = mesh.vertices[(np.abs(mesh.vertices[:, 0]) < 8) & (np.abs(mesh.vertices[:, 1]) < 6)]
    assert len(plate) > 20
    assert np.abs(plate[:, 2]).min() >= 0.59
    assert np.abs(plate[:, 2]).max() <= 0.65
    assert made.parts[0].modifications[0].outside_mm == pytest.approx(0, abs=0.03)
    assert (
        made.parts[0].modifications[0].measured["thin_share_after"]
        < 0.2 * (made.parts[0].modifications[0].measured["thin_share_before"])
    )
    blocks = mesh.vertices[np.abs(mesh.vertices[:, 0]) > 12]
    assert np.abs(blocks).max(axis=0) == pytest.approx([30, 10, 10])
    assert prepared(dumbbell(2.0), {"do": "thicken", "wall_mm": 1.2}).parts[0].modifications == ()


def test_struts_tie_loose_bodies_and_crumbs_go() -> None:
    loose = trimesh.util.concatenate(
        [cube_at(20, (0, 0, 0)), cube_at(10, (22, 0, 0)), cube_at(1, (0, 40, 0)), cube_at(10, (0, 0, 200))]
    )
    made = prepared(surface(loose), {"do": "struts", "each": 2, "longest_mm": 30})
    shells = mesh_of(made.parts[0]).split()
    assert len(shells) == 2  # what is 185 mm away stays loose
    told = [finding for finding in made.findings if finding.level is Level.WARN]
    assert any("1 bodies stay loose" in finding.measured for finding in told)
    assert any("1 loose bodies of together 1.0 mm³ dropped" in finding.measured for finding in told)
    tied = max(shells, key=lambda shell: shell.volume)
    gap, one = 22 - 10 - 5, np.pi * 1.5**2
    assert 9000 + 2 * one * gap * 0.99 < tied.volume < 9000 + 2 * one * 1.3 * (gap + 1.5)
    assert made.parts[0].modifications[0].outside_mm == pytest.approx(0, abs=1e-5)


def cube_at(edge: float, at: tuple[float, float, float]) -> trimesh.Trimesh:
    mesh = trimesh.creation.box((edge, edge, edge))
    mesh.apply_translation(at)
    return mesh


def test_a_window_comes_out_and_cannot_fall_in() -> None:
    plate = box((80, 80, 6))
    table = {"do": "window", "point_mm": [0, 0, 3], "diameter_mm": 30, "taper_deg": 20, "gap_mm": 0.3, "depth_mm": 20}
    made = prepared(plate, table)
    frame, plug = (mesh_of(part) for part in made.parts)
    assert [part.name for part in made.parts] == ["bone", "bone window"]
    slope = np.tan(np.radians(20))
    low = 15 - 6 * slope
    assert plug.volume == pytest.approx(np.pi * 6 / 3 * (15**2 + 15 * low + low**2), rel=0.005)
    lifted, sunk = plug.copy(), plug.copy()
    lifted.apply_translation((0, 0, 5))
    sunk.apply_translation((0, 0, -2))
    assert abs(trimesh.boolean.intersection([frame, lifted], engine="manifold").volume) < 1e-3
    assert trimesh.boolean.intersection([frame, sunk], engine="manifold").volume > 10
    assert made.parts[1].modifications[0].measured["gap_mm"] == pytest.approx(0.3, abs=0.02)
    assert made.parts[0].modifications[0].outside_mm == pytest.approx(0, abs=1e-4)
    with pytest.raises(BadInput, match="from its surface"):
        prepared(plate, table | {"point_mm": [0, 0, 90]})
    with pytest.raises(BadInput, match="narrows to nothing"):
        prepared(plate, table | {"taper_deg": 40})


def test_a_foot_carries_the_part() -> None:
    made = prepared(ball(20), {"do": "base", "gap_mm": 4, "thickness_mm": 3, "posts": 4})
    mesh = mesh_of(made.parts[0])
    assert mesh.bounds[0][2] == pytest.approx(-27, abs=0.01)
    assert len(mesh.split()) == 1
    assert made.parts[0].modifications[0].outside_mm == pytest.approx(0, abs=1e-4)
    assert not [finding for finding in made.findings if "tips over" in finding.measured]


def test_the_cube_has_its_size_on_the_print() -> None:
    made = prepared(box((60, 40, 50)), {"do": "cube"}, scale=0.5)
    cube = made.parts[-1]
    assert (cube.structure, cube.name) == ("", "cube 20 mm")
    assert np.ptp(cube.surface.vertices, axis=0) == pytest.approx([40, 40, 40], abs=1e-4)
    assert [caliper.expected_mm for caliper in made.calipers] == [20, 20, 20]
    assert cube.surface.bounds[0][0] > 30


def test_calipers_rest_in_dimples_at_the_distance_that_is_told() -> None:
    points = {"here": (-29, 0, 25.5), "there": (29, 5, 24.0), "far": (0, 0, 90)}
    made = prepared(
        box((60, 40, 50)),
        {"do": "calipers", "between": [["here", "there"]], "dimple_mm": 2.0},
        landmarks=points,
        scale=2,
    )
    (caliper,) = made.calipers
    mesh = mesh_of(made.parts[0])
    for end in caliper.ends:  # each end is the bottom of a dimple
        assert np.linalg.norm(mesh.vertices - end, axis=1).min() < 0.02
        assert end[2] == pytest.approx(25 - 2.0 / 2 / 2, abs=1e-6) or end[0] == pytest.approx(30 - 0.5, abs=1e-6)
    assert caliper.expected_mm == pytest.approx(2 * np.linalg.norm(caliper.ends[1] - caliper.ends[0]))
    with pytest.raises(BadInput, match=r"landmark `far` lies 65\.0 mm from the surface"):
        prepared(box((60, 40, 50)), {"do": "calipers", "between": [["here", "far"]]}, landmarks=points)


@pytest.mark.slow
def test_operations_are_done_in_their_order_and_on_their_structure_only() -> None:
    other = named(box((30, 30, 30), (100, 0, 0)), 2, "other")
    cut = {"do": "cut", "normal": [0, 0, 1], "point_mm": [0, 0, 0], "structure": "bone"}
    made = prepared([box((60, 40, 50)), other], cut, {"do": "hollow", "structure": "other", "drains": 0})
    assert [part.name for part in made.parts] == ["bone 1", "bone 2", "other"]
    kinds = [[done.kind for done in part.modifications] for part in made.parts]
    assert kinds == [["cut"], ["cut"], ["hollow"]]
    with pytest.raises(WrongUsage, match="Did you mean `other`"):
        prepared([box((60, 40, 50)), other], cut | {"structure": "othr"})


def test_an_unknown_operation_names_the_nearest() -> None:
    with pytest.raises(WrongUsage, match="Did you mean `hollow`"):
        prepared(box((60, 40, 50)), {"do": "holow"})


@pytest.mark.slow
def test_joined_parts_are_cut_together_and_a_plug_leaves_them() -> None:
    bone, tumour = box((40, 40, 40)), named(ball(6, (18, 0, 10)), 2, "tumour")
    join = {"do": "join", "structures": ["bone", "tumour"]}
    cut = {"do": "cut", "normal": [0, 0, 1], "point_mm": [0, 0, 0], "connector": "none"}
    made = prepared([bone, tumour], join, cut)
    groups = {part.name: part.group for part in made.parts}
    assert groups["tumour"] == groups["bone 2"] != groups["bone 1"]
    assert all(groups.values())
    window = {"do": "window", "point_mm": [-20, 0, 0], "diameter_mm": 10, "depth_mm": 8, "structure": "bone"}
    groups = {part.name: part.group for part in prepared([bone, tumour], join, window).parts}
    assert groups["bone"] == groups["tumour"] != ""
    assert groups["bone window"] == ""
    with pytest.raises(WrongUsage, match="Put `join` before"):
        prepared([bone, tumour], cut, join)


def test_what_lies_behind_the_plane_as_a_whole_is_left_out_and_told() -> None:
    bone, other = box((40, 40, 40)), named(ball(6, (0, 0, -50)), 2, "other")
    made = prepared([bone, other], {"do": "crop_plane", "normal": [0, 0, 1], "point_mm": [0, 0, 0]})
    assert [part.name for part in made.parts] == ["bone"]
    assert any(finding.level is Level.WARN and finding.subject == "other" for finding in made.findings)
    with pytest.raises(BadInput, match=r"bone: the plane of `crop_plane` misses it by 6\.0 mm"):
        prepared([bone, other], {"do": "crop_plane", "normal": [0, 0, 1], "point_mm": [0, 0, -26]})
