"""Colour maps of distance and thickness: the right colour at the right place, a legend, figures from the files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surgplan.formats.meshes import write_ply
from surgplan.formats.ply import ply_quality
from surgplan.report.cameras import Camera
from surgplan.report.pictures import Kind
from surgplan.report.stage import ReportParams, make_report
from surgplan.report.surface_map import (
    BEYOND,
    STEPS,
    UNKNOWN,
    MapKind,
    SurfaceMap,
    map_colors,
    surface_maps,
    thickness_at_vertices,
    view_of,
)
from surgplan.report.views import render_views
from tests.report.cases import small_case, sphere
from tests.report.pixels import near, opened
from tests.report.test_page import Reader


def test_colours_grow_darker_up_to_the_limit_and_change_beyond_it():
    away = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.4001, 9.0], np.float32)
    found = map_colors(away, 0.0, 0.4).astype(int)
    assert found[:5].tolist() == STEPS.astype(int).tolist()
    assert (np.diff(found[:5] @ [0.2126, 0.7152, 0.0722]) < 0).all()
    assert found[5:].tolist() == [list(BEYOND)] * 2


def test_a_bad_place_is_coloured_where_it_lies_and_seen_from_its_side():
    """A ball whose left, x > 8 mm, lies too far off: seen from the left, a disc of the radius √(10² - 8²) mm."""
    ball = sphere(10.0)
    away = np.where(ball.vertices[:, 0] > 8, 0.5, 0.0).astype(np.float32)
    away[ball.vertices[:, 0].argmax()] = 0.6
    assert view_of(ball, int(away.argmax())).name == "left"
    pictures = render_views([ball], None, 400, 1, {0}, {0: (SurfaceMap(MapKind.DISTANCE, away, 0.0, 0.25),)})
    (made,) = [picture for picture in pictures if picture.kind is Kind.MAP]
    assert "ball" in made.caption
    assert "0.60 mm" in made.caption
    assert "from the patient's left" in made.caption
    seen = opened(made.png)
    camera = Camera.framing(view_of(ball, int(away.argmax())), ball.bounds, made.size)
    rows, columns = np.mgrid[: seen.shape[0], : seen.shape[1]]
    radius = np.hypot(columns - made.size[0] / 2, rows - made.size[1] / 2) * camera.mm_per_pixel
    violet = (seen[..., 2] - seen[..., 1] > 40) & (radius < 10)
    assert violet[radius < 5].mean() > 0.97
    assert violet[(radius > 7) & (radius < 9.5)].mean() < 0.01
    plain = [opened(picture.png) for picture in pictures if picture.kind is not Kind.MAP]
    assert not any(((picture[..., 2] - picture[..., 1]) > 40).any() for picture in plain)


def test_the_legend_shows_all_colours():
    ball = sphere(10.0)
    flat = SurfaceMap(MapKind.DISTANCE, np.zeros(len(ball.vertices), np.float32), 0.0, 0.25)
    (made,) = [each for each in render_views([ball], None, 400, 1, {0}, {0: (flat,)}) if each.kind is Kind.MAP]
    corner = opened(made.png)[-60:, 200:]
    for color in (*STEPS, BEYOND):
        assert near(corner, color, 25).sum() >= 6, color


def test_thickness_is_that_of_the_wall_and_thin_walls_stand_out():
    """A ball of 10 mm with a hole of 7 mm, 2 mm to the left of its middle: 1 mm thick there, 5 mm on the right."""
    outer, hole = sphere(10.0), sphere(7.0, (2.0, 0.0, 0.0))
    vertices = np.vstack([outer.vertices, hole.vertices])
    triangles = np.vstack([outer.triangles, hole.triangles[:, ::-1] + len(outer.vertices)])
    shell = outer.with_mesh(vertices, triangles)
    found = thickness_at_vertices(shell)[: len(outer.vertices)]
    left, right = outer.vertices[:, 0] > 9.9, outer.vertices[:, 0] < -9.9
    assert np.median(found[left]) == pytest.approx(1.0, abs=0.1)
    assert np.median(found[right]) == pytest.approx(5.0, abs=0.2)
    thick = SurfaceMap(MapKind.THICKNESS, found, 6.0, 1.5)
    assert (thick.colors[left] == BEYOND).all()
    assert not (thick.colors[right] == BEYOND).all(axis=1).any()
    assert outer.vertices[thick.worst, 0] > 9
    assert map_colors(np.array([np.nan], np.float32), 6.0, 1.5).tolist() == [list(UNKNOWN)]


def test_thickness_is_shown_where_something_is_printed():
    given = small_case()
    made = make_report(given, ReportParams(picture_width=200, single_structures=1, viewer=False))
    assert [name for name in made.pictures if name.startswith("thickness")] == ["thickness-ball.png"]
    assert [str(each.kind) for each in surface_maps(given, 2)[1]] == ["distance", "thickness"]
    assert [str(each.kind) for each in surface_maps(replace(given, job={}), 2)[1]] == ["distance"]


def test_a_surface_that_is_held_to_a_mask_has_no_map():
    given = small_case()
    by_mask = tuple(replace(m, certificate=replace(m.certificate, boundary="label")) for m in given.measures)
    params = ReportParams(picture_width=200, single_structures=1, viewer=False)
    assert not [name for name in make_report(replace(given, measures=by_mask), params).pictures if name[:3] == "map"]
    made = make_report(given, params)
    assert [name for name in made.pictures if name[:3] == "map"] == ["map-ball.png"]
    assert any(image["alt"].startswith("ball, distance to the boundary") for image in Reader(made.html).of("img"))


@pytest.mark.parametrize("known", [True, False])
def test_the_distances_are_read_from_the_file_as_they_were_written(tmp_path, known):
    given = small_case()
    path = tmp_path / "ball.ply"
    write_ply(path, given.surfaces[0], given.distances[0] if known else None)
    found = ply_quality(path, path.read_bytes())
    if known:
        np.testing.assert_array_equal(found, given.distances[0])
    else:
        assert found is None
