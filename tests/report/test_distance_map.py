"""The colour map of distance: the right colour at the right place, a legend, figures from the files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from surgplan.formats.meshes import write_ply
from surgplan.formats.ply import ply_quality
from surgplan.report.cameras import Camera
from surgplan.report.distance_map import BEYOND, STEPS, map_colors, view_of_worst
from surgplan.report.pictures import Kind
from surgplan.report.stage import ReportParams, make_report
from surgplan.report.views import DistanceMap, render_views
from tests.report.cases import small_case, sphere
from tests.report.pixels import near, opened
from tests.report.test_page import Reader


def test_colours_grow_darker_up_to_the_limit_and_change_beyond_it():
    away = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.4001, 9.0], np.float32)
    found = map_colors(away, 0.4).astype(int)
    assert found[:5].tolist() == STEPS.astype(int).tolist()
    assert (np.diff(found[:5] @ [0.2126, 0.7152, 0.0722]) < 0).all()
    assert found[5:].tolist() == [list(BEYOND)] * 2


def test_a_bad_place_is_coloured_where_it_lies_and_seen_from_its_side():
    """A ball whose left, x > 8 mm, lies too far off: seen from the left, a disc of the radius √(10² - 8²) mm."""
    ball = sphere(10.0)
    away = np.where(ball.vertices[:, 0] > 8, 0.5, 0.0).astype(np.float32)
    away[ball.vertices[:, 0].argmax()] = 0.6
    assert view_of_worst(ball.vertices, away).name == "left"
    pictures = render_views([ball], None, 400, 1, {0}, {0: DistanceMap(away, 0.25)})
    (made,) = [picture for picture in pictures if picture.kind is Kind.MAP]
    assert "ball" in made.caption
    assert "0.60 mm" in made.caption
    assert "from the patient's left" in made.caption
    seen = opened(made.png)
    camera = Camera.framing(view_of_worst(ball.vertices, away), ball.bounds, made.size)
    rows, columns = np.mgrid[: seen.shape[0], : seen.shape[1]]
    radius = np.hypot(columns - made.size[0] / 2, rows - made.size[1] / 2) * camera.mm_per_pixel
    violet = (seen[..., 2] - seen[..., 1] > 40) & (radius < 10)
    assert violet[radius < 5].mean() > 0.97
    assert violet[(radius > 7) & (radius < 9.5)].mean() < 0.01
    plain = [opened(picture.png) for picture in pictures if picture.kind is not Kind.MAP]
    assert not any(((picture[..., 2] - picture[..., 1]) > 40).any() for picture in plain)


def test_the_legend_shows_all_colours():
    ball = sphere(10.0)
    flat = DistanceMap(np.zeros(len(ball.vertices), np.float32), 0.25)
    (made,) = [each for each in render_views([ball], None, 400, 1, {0}, {0: flat}) if each.kind is Kind.MAP]
    corner = opened(made.png)[-60:, 200:]
    for color in (*STEPS, BEYOND):
        assert near(corner, color, 25).sum() >= 6, color


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
