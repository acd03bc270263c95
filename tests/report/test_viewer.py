"""The viewer in a real browser: it opens from its file, asks for nothing, and shows and measures what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from surgplan.findings import Finding, Level
from surgplan.model.labels import Label, LabelMap
from surgplan.model.points import Landmark, PointSet
from surgplan.model.volume import Modality, Volume
from surgplan.report.slice_view import SliceView, patient_axes
from surgplan.report.stage import ReportParams, make_report
from surgplan.report.windows import Window
from tests.report.browser import chromium, opened_report, started
from tests.report.cases import grid, small_case, sphere, turned

BARE = ReportParams(pictures=False, single_structures=0)


@pytest.fixture(scope="module")
def driver():
    with started() as found:
        yield found


@pytest.fixture(scope="module")
def browser(driver):
    with chromium(driver) as found:
        yield found


def written(given, folder, params=BARE):
    path = folder / "index.html"
    path.write_text(make_report(given, params).html, "utf-8")
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return written(small_case(), tmp_path_factory.mktemp("small"))


def red(picture):
    """How many pixels are red as the pea is."""
    return int(((picture[..., 0] > 90) & (picture[..., 1] < 80) & (picture[..., 2] < 80)).sum())


def test_the_report_opens_from_its_file_and_measures(browser, small):
    """nasion (0, -20, 0) and entry (20, 5, 20): √(400 + 625 + 400) = 37.75 mm."""
    with opened_report(browser, small) as seen:
        page = seen.page
        assert page.get_attribute("#viewer-root", "data-state") == "ready"
        assert seen.sides(0) == seen.sides(2) == ["R", "L", "S", "I"]
        assert seen.sides(1) == ["R", "L", "A", "P"]
        page.get_by_role("combobox", name="From").select_option(label="nasion")
        page.get_by_role("combobox", name="To", exact=True).select_option(label="entry")
        page.get_by_role("button", name="Measure between points").click()
        measured = page.locator(".v-measures li b").first.inner_text()
        assert float(measured.removesuffix(" mm")) == pytest.approx(np.sqrt(1425), abs=0.2)
        before = red(seen.picture(0))
        page.get_by_label("pea", exact=True).uncheck()
        seen.settle()
        assert before > 300
        assert red(seen.picture(0)) < before / 10


ORIENTATIONS = {
    "head first": np.eye(3),
    "feet first": np.diag([-1.0, 1.0, -1.0]),
    "rotated": turned(25) @ turned(-12, "x"),
    "sagittal": np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]),
    "prone, rotated": np.diag([-1.0, -1.0, 1.0]) @ turned(15, "y"),
}
NOISE = np.random.default_rng(5)


def only(volume, surfaces):
    """A report of a scan with surfaces, without anything else."""
    labels = LabelMap(volume.grid, np.zeros(volume.grid.shape, np.uint8), tuple(each.label for each in surfaces))
    measures = tuple(small_case().measures[0] for _ in surfaces)
    empty = {"job": {}, "plan": None, "certainty": (), "distances": ()}
    return replace(small_case(), volume=volume, labels=labels, surfaces=tuple(surfaces), measures=measures, **empty)


def view(at, window=(500, 3000), camera=(0, 0, 60, 0, 0, 0), looks=(), measures=()):
    """The fragment of a link that shows a place, LPS mm."""
    kept = {"s": list(looks), "c": camera, "x": list(at), "w": window, "k": ["none", 0.5, 0]}
    kept |= {"m": "", "p": 0, "d": list(measures)}
    return "#view=" + quote(json.dumps(kept))


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_slices_show_the_voxels_that_are_asked_for(browser, tmp_path, name):
    """A scan of noise: every voxel of three slices is where another implementation draws it, as bright as it is."""
    where = grid((30, 26, 22), (1.0, 1.2, 1.5), ORIENTATIONS[name])
    volume = Volume(where, NOISE.integers(-900, 1900, where.shape).astype(np.int16), Modality.CT)
    path = written(only(volume, [sphere(5.0)]), tmp_path)
    index = np.array([7, 19, 12])
    fragment = view(where.lps_from_ijk.apply(index), looks=[[0, 1, "#ffffff"]])
    with opened_report(browser, path, fragment=fragment) as seen:
        at, voxel, value = seen.status
        np.testing.assert_allclose(at, where.lps_from_ijk.apply(index), atol=0.06)
        assert voxel.tolist() == index.tolist()
        assert value == volume.array[tuple(index[::-1])]
        for pane, plane in ((1, 2), (2, 1), (3, 0)):
            assert (
                share_that_fits(seen.picture(pane), volume, plane, index) > 0.88
            )  # letters, cross and bar hide the others; turned round, a twentieth would fit
            sides = SliceView(where, plane, 0, np.zeros(3), 1.0, 1).letters
            assert tuple(seen.sides(pane)) == sides


def share_that_fits(picture, volume, plane, index):
    """Of the voxels of a slice, those that have their grey level; letters, cross and bar hide some."""
    where = volume.grid
    through = patient_axes(where)[plane]
    inside = np.delete(np.arange(3), through)
    field = max((np.array(where.size) * where.spacing)[inside])
    drawn = SliceView(where, plane, int(index[through]), (np.array(where.size) - 1) / 2, field, len(picture))
    places = np.stack(np.meshgrid(*[np.arange(n) for n in where.size], indexing="ij"), axis=-1)
    places = np.take(places, index[through], axis=through).reshape(-1, 3)
    columns, rows = drawn.project(places.astype(float)).T.astype(int)
    values = volume.array[places[:, 2], places[:, 1], places[:, 0]].astype(np.float32)
    return (np.abs(picture[rows, columns, 0] - Window("", 500, 3000).grey(values).astype(int)) <= 2).mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_what_is_on_the_left_is_on_the_side_marked_l(browser, tmp_path, name):
    """A ball on the patient's left, front and top, in a scan that lies as it may; its outline is a circle."""
    ball = sphere(6.0, (16.0, -10.0, 8.0), "ball", (220, 20, 20))
    where = grid((64, 60, 50), (1.0, 1.0, 1.2), ORIENTATIONS[name])
    volume = Volume(where, np.full(where.shape, -500, np.int16), Modality.CT)
    path = written(only(volume, [ball]), tmp_path)
    fragment = view((16.0, -10.0, 8.0), looks=[[1, 1, "#dc1414"]])
    with opened_report(browser, path, fragment=fragment) as seen:
        for pane in range(4):
            rows, columns = np.nonzero(reddish(seen.picture(pane)))
            tall, wide = seen.picture(pane).shape[:2]
            place = np.array([columns.mean() - wide / 2, rows.mean() - tall / 2])
            left, right, top, bottom = seen.sides(pane)
            towards = np.sum([sign * direction(side) for sign, side in ((place[0], right), (place[1], bottom))], axis=0)
            for axis in np.flatnonzero(np.abs(towards) > 20):
                assert np.sign(towards[axis]) == np.sign([16, -10, 8][axis])
            assert (direction(left) == -direction(right)).all()
            assert (direction(top) == -direction(bottom)).all()


def direction(side):
    """The direction, LPS, of the first letter of a mark."""
    return np.array(
        {"R": [-1, 0, 0], "L": [1, 0, 0], "A": [0, -1, 0], "P": [0, 1, 0], "I": [0, 0, -1], "S": [0, 0, 1]}[side[0]]
    )


def reddish(picture):
    return (picture[..., 0] > 110) & (picture[..., 1] < 100) & (picture[..., 2] < 100)


@pytest.mark.slow
def test_outlines_lie_on_the_surface(browser, tmp_path):
    """A ball of 20 mm, cut 12 mm from its middle: a circle of √(400 - 144) = 16 mm."""
    ball = sphere(20.0, (2.0, -3.0, 1.0), "ball", (220, 20, 20))
    where = grid((60, 60, 60), (1.0, 1.0, 1.0), turned(30))
    volume = Volume(where, np.full(where.shape, -500, np.int16), Modality.CT)
    index = np.round(where.ijk_from_lps.apply([2.0, -3.0, 13.0]))
    at = where.lps_from_ijk.apply(index)
    radius = np.sqrt(400 - (at[2] - 1) ** 2)
    with opened_report(
        browser, written(only(volume, [ball]), tmp_path), fragment=view(at, looks=[[1, 1, "#dc1414"]])
    ) as seen:
        picture = seen.picture(1)
        rows, columns = np.nonzero(reddish(picture))
        per_mm = len(picture) / 60
        drawn = SliceView(where, 2, int(index[2]), np.array([29.5] * 3), 60.0, len(picture))
        middle = drawn.project(where.ijk_from_lps.apply([2.0, -3.0, at[2]]))
        away = np.hypot(columns + 0.5 - middle[0], rows + 0.5 - middle[1]) / per_mm
        assert len(away) > 300
        assert np.median(away) == pytest.approx(radius, abs=0.15)
        assert np.percentile(np.abs(away - radius), 95) < 0.3


@pytest.mark.slow
def test_places_are_picked_and_measured_with_the_pointer(browser, small):
    """From the front, the large ball's nearest place is (0, -15, 0); nasion lies on the same line before it."""
    with opened_report(
        browser,
        small,
        fragment=view((0, 0, 0), camera=(0, 0, 40, 0, 0, 0), looks=[[1, 1, "#e8dcc0"], [1, 1, "#c82828"]]),
    ) as seen:
        page, canvas = seen.page, seen.page.locator(".v-pane canvas").first
        box = canvas.bounding_box()
        middle, per_mm = (box["width"] / 2, box["height"] / 2), box["height"] / 80
        there = {"x": middle[0] + 6 * per_mm, "y": middle[1] - 5 * per_mm}
        canvas.click(position=there)
        seen.settle()
        expected = [6, -np.sqrt(15**2 - 6**2 - 5**2), 5]
        np.testing.assert_allclose(seen.status[0], expected, atol=0.25)
        page.get_by_role("button", name="Distance", exact=True).click()
        canvas.click(position=there)
        canvas.click(position={"x": middle[0] + 2, "y": middle[1] + 2})  # nasion is near, and caught
        seen.settle()
        measured = float(page.locator(".v-measures li b").inner_text().removesuffix(" mm"))
        assert measured == pytest.approx(np.linalg.norm(np.array(expected) - [0, -20, 0]), abs=0.2)
        assert "nasion" in page.locator(".v-measures li").inner_text()
        page.get_by_role("button", name="Remove measure 1").click()
        seen.settle()
        assert page.locator(".v-measures li").count() == 0


@pytest.mark.slow
def test_a_link_opens_the_same_view_and_a_bad_one_the_usual(browser, small):
    with opened_report(browser, small) as seen:
        usual = seen.status[0]
        page = seen.page
        page.get_by_label("pea", exact=True).uncheck()
        page.get_by_role("combobox", name="Window").select_option(label="soft tissue")
        page.get_by_role("slider", name="Axial").fill("30")
        page.get_by_role("combobox", name="Across").select_option(label="right to left")
        page.get_by_role("button", name="Above").click()
        page.get_by_role("button", name="Measure between points").click()
        page.get_by_role("button", name="Link to this view").click()
        seen.settle()
        fragment, status, sides = page.evaluate("location.hash"), seen.status, seen.sides(0)
        assert sides == ["L", "R", "A", "P"]
    with opened_report(browser, small, fragment=fragment) as seen:
        np.testing.assert_allclose(seen.status[0], status[0], atol=0.06)
        assert seen.status[1].tolist() == status[1].tolist()
        assert seen.sides(0) == sides
        assert not seen.page.get_by_label("pea", exact=True).is_checked()
        assert seen.page.get_by_role("combobox", name="Window").input_value() == "soft tissue"
        assert seen.page.get_by_role("combobox", name="Across").input_value() == "right-left"
        assert seen.page.locator(".v-measures li").count() == 1
        seen.page.get_by_role("button", name="Reset").click()
        seen.settle()
        np.testing.assert_allclose(seen.status[0], usual, atol=0.06)
    for bad in ("#view=%7B%7D", "#view=[", view((0, 0, 0), looks=[[1, 1, "red;"]]), view((0, 0, 1e999)), "#done"):
        with opened_report(browser, small, fragment=bad) as seen:
            np.testing.assert_allclose(seen.status[0], usual, atol=0.06)


@pytest.mark.slow
def test_angles_are_those_of_geometry(browser, small):
    """At (0, 0, 0), between x and the diagonal of x and y: 45°; between y and z: 90°."""
    corners = [[[9, 0, 0], [0, 0, 0], [5, 5, 0]], [[0, 3, 0], [0, 0, 0], [0, 0, 8]]]
    looks = [[1, 1, "#e8dcc0"], [1, 1, "#c82828"]]
    with opened_report(browser, small, fragment=view((0, 0, 0), looks=looks, measures=corners)) as seen:
        assert seen.page.locator(".v-measures li b").all_inner_texts() == ["45.0°", "90.0°"]


@pytest.mark.slow
def test_keys_do_what_the_pointer_does(browser, small):
    with opened_report(browser, small) as seen:
        axial = seen.page.locator(".v-pane canvas[role=application]").nth(1)
        _, before, _ = seen.status
        axial.focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowDown", "PageUp"):
            axial.press(key)
        seen.settle()
        assert (seen.status[1] - before).tolist() == [1, 2, 1]
        axial.hover()
        seen.page.mouse.wheel(0, 120)
        seen.settle()
        assert (seen.status[1] - before).tolist() == [1, 2, 3]
        space = seen.page.locator(".v-pane canvas[role=application]").first
        space.focus()
        for _ in range(9):
            space.press("ArrowLeft")
        seen.settle()
        assert seen.sides(0) == ["A", "P", "S", "I"]  # now from the patient's left


@pytest.mark.slow
def test_the_viewer_without_3d_or_without_a_scan(driver, browser, tmp_path, small):
    with chromium(driver, "--disable-3d-apis") as blind, opened_report(blind, small) as seen:
        assert seen.page.get_attribute("#viewer-root", "data-state") == "ready"
        assert "cannot draw in 3D" in seen.page.inner_text(".v-pane >> nth=0")
        assert seen.picture(1).max() > 200
        seen.faults[:] = [each for each in seen.faults if "WebGL" not in each]
    path = written(small_case(), tmp_path, ReportParams(pictures=False, single_structures=0, scan=False))
    assert len(path.read_bytes()) < len(small.read_bytes())
    with opened_report(browser, path) as seen:
        assert seen.page.locator(".v-pane").count() == 1
        assert red(seen.picture(0)) > 100


@pytest.mark.slow
def test_names_are_text(browser, tmp_path):
    given = small_case()
    hostile = "</script><script>document.title='x'</script><img src=x onerror=alert(1)>"
    points = PointSet((Landmark(hostile, (0.0, -20.0, 0.0)), Landmark("n" * 10_000, (20.0, 5.0, 20.0))))
    labels = [Label(1, "<b>ball</b>&lt;"), Label(2, 'it\'s "pea"')]
    surfaces = tuple(replace(each, label=label) for each, label in zip(given.surfaces, labels, strict=True))
    names = LabelMap(given.labels.grid, given.labels.array, tuple(labels))
    given = replace(given, labels=names, surfaces=surfaces, plan=replace(given.plan, landmarks=points))
    with opened_report(browser, written(given, tmp_path)) as seen:
        assert seen.page.get_by_label("<b>ball</b>&lt;", exact=True).is_checked()
        assert seen.page.title().startswith("small")
        assert hostile in seen.page.inner_text(".v-points")
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


AXE = Path(__file__).parents[2] / "src/surgplan/report/viewer/node_modules/axe-core/axe.min.js"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 400])
def test_axe_finds_nothing(browser, tmp_path, scheme, width):
    if not AXE.is_file():
        pytest.skip("axe-core is not there: make setup-test")
    told = tuple(("surface", Finding("hole", level, "measured", "limit", "advice", "source", "pea")) for level in Level)
    path = written(replace(small_case(), findings=told), tmp_path, ReportParams(picture_width=300))
    with opened_report(browser, path, size=(width, 900), color_scheme=scheme, bypass_csp=True) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        seen.page.evaluate(AXE.read_text("utf-8"))
        seen.page.evaluate("axe.run({ resultTypes: ['violations'] }).then((all) => (window.found = all.violations))")
        found = seen.page.evaluate("found.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))])")
        assert found == []
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_nothing_is_cut_off_in_print(browser, tmp_path):
    """On A4, 182 mm between the margins, no table is wider than the page; the viewer is left out."""
    path = written(small_case(), tmp_path, ReportParams(picture_width=300))
    with opened_report(browser, path, size=(688, 1000)) as seen:
        seen.page.emulate_media(media="print")
        boxes = seen.page.locator("table, figure, dl, section").all()
        wide = [box["x"] + box["width"] for each in boxes if (box := each.bounding_box())]
        assert len(wide) > 20
        assert max(wide) <= 688.5
        assert not seen.page.locator(".viewer-part").is_visible()
        assert seen.page.pdf(format="A4")[:5] == b"%PDF-"
