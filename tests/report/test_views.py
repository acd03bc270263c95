"""Rendered views: not blank, not mirrored, to scale, the same twice; a report without them where VTK cannot draw."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from surgplan.model.labels import Label
from surgplan.model.surface import Surface
from surgplan.report.cameras import VIEWS, Camera
from surgplan.report.pictures import Kind
from surgplan.report.views import plan_shots, render_views, structure_shots
from tests.report.cases import RED, small_case, sphere
from tests.report.pixels import letter_at, near, opened

WIDTH, HEIGHT = 400, 320
GREEN, BLUE = (40, 190, 60), (50, 70, 210)
BACKGROUND = (32, 37, 43)


@pytest.fixture(scope="module")
def asymmetric():
    """Pictures of three balls that lie to the left (red), in front (green) and above (blue)."""
    balls = [
        sphere(8.0, (25, 0, 0), "left one", RED),
        sphere(8.0, (0, -25, 0), "front one", GREEN),
        sphere(8.0, (0, 0, 25), "top one", BLUE),
    ]
    return {picture.name: picture for picture in render_views(balls, None, WIDTH, 3, closed={0, 1, 2})}


def middle(picture, color):
    """Where, from −1 to 1 to the right and to the top, the pixels of that hue lie."""
    hue = np.array(color) / np.linalg.norm(color)
    length = np.linalg.norm(picture, axis=2)
    same = (picture @ hue > 0.96 * length) & (length > 90)
    rows, columns = np.nonzero(same)
    assert len(rows) > 100, "nothing of that colour is seen"
    return (columns.mean() + 0.5) / WIDTH * 2 - 1, 1 - (rows.mean() + 0.5) / HEIGHT * 2


def test_what_lies_left_is_seen_on_the_side_marked_l(asymmetric):
    front = opened(asymmetric["all-front.png"].png)
    assert letter_at(front, "left") == "R"
    assert letter_at(front, "right") == "L"
    assert middle(front, RED)[0] > 0.2  # the patient faces us: his left is at our right
    above = opened(asymmetric["all-above.png"].png)
    assert letter_at(above, "left") == "L"
    assert letter_at(above, "top") == "A"
    assert middle(above, RED)[0] < -0.2
    assert middle(above, GREEN)[1] > 0.2


def test_front_and_back_top_and_bottom(asymmetric):
    left, right = (opened(asymmetric[f"all-{side}.png"].png) for side in ("left", "right"))
    assert (letter_at(left, "left"), letter_at(left, "right")) == ("A", "P")
    assert (letter_at(right, "left"), letter_at(right, "right")) == ("P", "A")
    assert middle(left, GREEN)[0] < -0.2
    assert middle(right, GREEN)[0] > 0.2
    for picture in (left, right, opened(asymmetric["all-front.png"].png)):
        assert letter_at(picture, "top") == "S"
        assert letter_at(picture, "bottom") == "I"
        assert middle(picture, BLUE)[1] > 0.2


def test_structures_cover_a_sensible_share(asymmetric):
    for picture in asymmetric.values():
        covered = (~near(opened(picture.png), BACKGROUND, 12)).mean()
        assert 0.1 < covered < 0.8, picture.name


def test_a_ball_is_as_large_as_the_scale_says(asymmetric):
    """Diameter 16 mm, told by the camera's scale, which the scale bar is drawn with."""
    ball = sphere(8.0, (25, 0, 0))
    camera = Camera.framing(VIEWS["front"], ball.bounds, (WIDTH, HEIGHT))
    picture = opened(asymmetric["structure-left-one-front.png"].png)
    seen = ~near(picture, BACKGROUND, 12)
    seen[:, :40] = seen[:, -40:] = seen[:30] = seen[-45:] = False
    assert seen.any(axis=0).sum() * camera.mm_per_pixel == pytest.approx(16, abs=0.3)


def test_letters_belong_to_their_views():
    letters = {name: view.letters for name, view in VIEWS.items()}
    assert letters == {
        "front": ("R", "L", "S", "I"),
        "left": ("A", "P", "S", "I"),
        "right": ("P", "A", "S", "I"),
        "above": ("L", "R", "A", "P"),
    }


@pytest.mark.parametrize("name", list(VIEWS))
def test_the_camera_sees_the_whole_box(name):
    box = np.array([[-30.0, 5.0, 100.0], [10.0, 300.0, 120.0]])
    camera = Camera.framing(VIEWS[name], box, (800, 640))
    corners = np.array([[box[i, 0], box[j, 1], box[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    pixels = camera.project(corners)
    assert (pixels > 0).all()
    assert (pixels < (800, 640)).all()


def test_what_encloses_others_is_drawn_see_through():
    outer, inner = sphere(30.0, name="outer"), sphere(5.0, name="inner", color=RED)
    shots = structure_shots([outer, inner], (WIDTH, HEIGHT), 0)
    assert all(shot.ghosts == (0,) for shot in shots)
    assert shots[0].caption == "outer, inner, from the front; outer drawn see-through"
    pictures = render_views([outer, inner], None, WIDTH, 0, closed={0, 1})
    picture = opened(pictures[0].png)
    rows, columns = np.nonzero(picture[:, :, 0] - picture[:, :, 1] > 40)  # redder than the bone around it
    expected = np.pi * (5 / shots[0].camera.mm_per_pixel) ** 2
    assert len(rows) == pytest.approx(expected, rel=0.15)
    assert (columns.mean(), rows.mean()) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=3)


def test_one_structure_is_not_shown_twice():
    shots = structure_shots([sphere(5.0)], (WIDTH, HEIGHT), 12)
    assert {shot.kind for shot in shots} == {Kind.TOGETHER}


def test_the_plan_is_drawn_where_it_lies():
    """The trajectory's cyan rod runs from its entry to its target, seen through the structures."""
    given = small_case()
    pictures = {picture.name: picture for picture in render_views(given.surfaces, given.plan, WIDTH, 0)}
    picture = opened(pictures["plan-front.png"].png)
    cyan = (picture[:, :, 1] > picture[:, :, 0] + 40) & (picture[:, :, 2] > picture[:, :, 0] + 40)
    rows, columns = np.nonzero(cyan)
    shot = next(s for s in plan_shots(given.surfaces, given.plan, (WIDTH, HEIGHT)) if s.name == "plan-front.png")
    path = given.plan.trajectories[0]
    ends = shot.camera.project([path.entry, path.target])
    assert columns.min() == pytest.approx(ends[:, 0].min(), abs=8)
    assert columns.max() == pytest.approx(ends[:, 0].max(), abs=8)
    assert rows.min() == pytest.approx(ends[:, 1].min(), abs=8)
    assert rows.max() == pytest.approx(ends[:, 1].max(), abs=8)


def test_the_same_pictures_twice():
    given = small_case()
    first, second = (render_views(given.surfaces, given.plan, WIDTH, 2, closed={0, 1}) for _ in range(2))
    assert [picture.png for picture in first] == [picture.png for picture in second]


def test_nothing_to_see_gives_no_pictures():
    empty = Surface(Label(1, "none"), np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    assert render_views([empty], None, WIDTH, 5) == ()


HIDDEN = ("libEGL", "libOSMesa", "libGL.", "libX11.")
SCRIPT = """
import sys
from surgplan.report.stage import ReportParams, make_report
from tests.report.cases import small_case
report = make_report(small_case(), ReportParams(picture_width=300))
print(len(report.pictures), report.findings[0].measured, report.findings[0].advice, sep="|")
assert "slice-ball-axial.png" in report.pictures and "all-front.png" not in report.pictures
assert report.findings[0].measured in report.html
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs `unshare` to hide the rendering libraries")
def test_without_rendering_libraries_the_report_comes_without_pictures_and_says_the_cure(tmp_path):
    """The libraries are hidden from one process by mounting an empty file over each."""
    libraries = sorted({path.resolve() for n in HIDDEN for path in Path("/usr/lib").glob(f"*/{n}*") if path.is_file()})
    hide = " && ".join(f"mount --bind /dev/null {path}" for path in libraries) or "true"
    if subprocess.run(["unshare", "-rm", "sh", "-c", hide], capture_output=True, check=False).returncode:
        pytest.skip("this user may not hide the rendering libraries from a process")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{hide} && PYTHONPATH="{root}" exec "{sys.executable}" "{script}"'],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, measured, advice = done.stdout.strip().split("|")
    assert count == "6"
    assert measured == "no rendered pictures: VTK found neither EGL nor OSMesa"
    assert "libegl1" in advice
